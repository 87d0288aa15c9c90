//! A small schema of our own, with one of everything.

use super::csdl::CsdlError;
use super::*;
use std::collections::HashMap;

const XML: &str = r#"<?xml version="1.0"?>
<Schema xmlns="http://docs.oasis-open.org/odata/ns/edm" Namespace="microsoft.graph">
  <EnumType Name="color"><Member Name="red" Value="0"/><Member Name="darkBlue" Value="1"/></EnumType>
  <EnumType Name="rights" IsFlags="true"><Member Name="read" Value="1"/><Member Name="write" Value="2"/></EnumType>
  <EntityType Name="entity" Abstract="true"><Property Name="id" Type="Edm.String" Nullable="false"/></EntityType>
  <EntityType Name="event" BaseType="graph.entity" OpenType="true">
    <Property Name="subject" Type="Edm.String"/>
    <Property Name="color" Type="graph.color"/>
    <Property Name="rights" Type="graph.rights"/>
    <Property Name="count" Type="Edm.Int32" Nullable="false"/>
    <Property Name="small" Type="Edm.Int16"/>
    <Property Name="flag" Type="Edm.Boolean"/>
    <Property Name="ratio" Type="Edm.Double"/>
    <Property Name="on" Type="Edm.Date"/>
    <Property Name="clock" Type="Edm.TimeOfDay"/>
    <Property Name="lasts" Type="Edm.Duration"/>
    <Property Name="made" Type="Edm.DateTimeOffset"/>
    <Property Name="guid" Type="Edm.Guid"/>
    <Property Name="tags" Type="Collection(Edm.String)" Nullable="false"/>
    <Property Name="at" Type="microsoft.graph.place"/>
    <Property Name="far" Type="graph.notInThisFile"/>
    <Property Name="cancelledOccurrences" Type="Collection(Edm.String)" Nullable="false"/>
    <NavigationProperty Name="parts" Type="Collection(graph.event)" ContainsTarget="true"/>
    <NavigationProperty Name="singleValueExtendedProperties" Type="Collection(graph.extended)"/>
  </EntityType>
  <EntityType Name="extended" BaseType="graph.entity"><Property Name="value" Type="Edm.String"/></EntityType>
  <ComplexType Name="point"><Property Name="x" Type="Edm.Double" Nullable="false"/></ComplexType>
  <ComplexType Name="place" BaseType="graph.point"><Property Name="name" Type="Edm.String"/></ComplexType>
  <ComplexType Name="resourceData" OpenType="true"/>
  <ComplexType Name="changeNotification">
    <Property Name="changeType" Type="Edm.String" Nullable="false"/>
    <Property Name="tenantId" Type="Edm.Guid" Nullable="false"/>
    <Property Name="resourceData" Type="graph.resourceData"/>
  </ComplexType>
  <ComplexType Name="changeNotificationCollection">
    <Property Name="value" Type="Collection(graph.changeNotification)" Nullable="false"/>
  </ComplexType>
  <Action Name="poke" IsBound="true">
    <Parameter Name="bindingParameter" Type="graph.entity"/>
    <Parameter Name="How" Type="graph.color" Nullable="false"/>
    <Parameter Name="Comment" Type="Edm.String"/>
  </Action>
  <Function Name="delta" IsBound="true">
    <Parameter Name="bindingParameter" Type="Collection(graph.event)"/>
    <ReturnType Type="Collection(graph.event)"/>
  </Function>
</Schema>"#;

fn contract() -> Contract {
    Contract::new("small.xml".into(), Schema::parse(XML).unwrap())
}

/// Checks one exchange; side and pointer of each violation.
fn exchange(method: &str, url: &str, body: Value, status: u16, answer: Value) -> Vec<(Side, String)> {
    let contract = contract();
    let bytes = if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    };
    let call = Call::new(
        method,
        &format!("/v1.0{url}"),
        HashMap::new(),
        bytes,
        "http://sim",
    );
    let reply = Reply {
        status,
        body: Some(answer).filter(|a| !a.is_null()),
        ..Reply::default()
    };
    contract.call(&call, &reply);
    contract
        .violations()
        .into_iter()
        .map(|v| (v.side, v.pointer))
        .collect()
}

fn whole() -> Value {
    json!({"id": "1", "count": 0, "tags": []})
}

/// What is wrong with an event that is sent, and with one that is answered; pointers alone.
fn both(extra: Value) -> (Vec<String>, Vec<String>) {
    let mut event = whole();
    for (name, value) in extra.as_object().unwrap() {
        event[name] = value.clone();
    }
    let found = exchange("POST", "/me/events", event.clone(), 201, event);
    let of = |side| {
        found
            .iter()
            .filter(|(s, _)| *s == side)
            .map(|(_, p)| p.clone())
            .collect()
    };
    (of(Side::Request), of(Side::Response))
}

#[test]
fn every_type_has_right_and_wrong_values() {
    for (name, right, wrong) in [
        (
            "subject",
            vec![json!("x"), json!(null)],
            vec![json!(1), json!({})],
        ),
        (
            "color",
            vec![json!("red"), json!(null)],
            vec![json!("green"), json!(0), json!("")],
        ),
        ("rights", vec![json!("read,write")], vec![json!("read,own")]),
        (
            "count",
            vec![json!(-5), json!(i32::MAX)],
            vec![json!(null), json!(2_147_483_648_i64), json!(1.5), json!("1")],
        ),
        ("small", vec![json!(-32768)], vec![json!(32768)]),
        (
            "flag",
            vec![json!(true), json!(null)],
            vec![json!("yes"), json!(1)],
        ),
        (
            "ratio",
            vec![json!(1), json!(1.5), json!("INF")],
            vec![json!("1.5"), json!(true)],
        ),
        (
            "on",
            vec![json!("2026-11-22")],
            vec![
                json!("2026-11-31"),
                json!("2026-11-22T00:00:00Z"),
                json!("2026-1-2"),
            ],
        ),
        (
            "clock",
            vec![json!("09:30"), json!("09:30:00.0000000")],
            vec![json!("25:00"), json!("nine")],
        ),
        (
            "lasts",
            vec![json!("PT15M"), json!("-P1DT2H0.5S"), json!("P3D")],
            vec![
                json!("15M"),
                json!("P"),
                json!("PT"),
                json!("P1.5D"),
                json!("PT5"),
            ],
        ),
        (
            "made",
            vec![
                json!("2026-11-22T10:00:00.0000000Z"),
                json!("0001-01-01T00:00:00Z"),
                json!("2026-11-22T10:00:00+01:00"),
            ],
            vec![json!("2026-11-22T10:00:00"), json!("2026-11-22")],
        ),
        (
            "guid",
            vec![json!("11111111-2222-3333-4444-555555555555")],
            vec![json!("{1}"), json!("11111111222233334444555555555555")],
        ),
        (
            "tags",
            vec![json!([]), json!(["a"])],
            vec![json!(null), json!([null]), json!("a"), json!([1])],
        ),
        (
            "at",
            vec![json!({"x": 1, "name": "y"}), json!(null)],
            vec![json!([]), json!({"x": null}), json!({"x": 1, "z": 1})],
        ),
        ("far", vec![json!({"anything": 1}), json!(null)], vec![json!(1)]),
        ("parts", vec![json!([whole()])], vec![json!({}), json!([null])]),
        ("uid", vec![json!("x")], vec![json!(1)]),
        ("subject@odata.type", vec![json!("#String")], vec![]),
        (
            "unheardOf",
            vec![],
            vec![json!("an open type takes it, the list does not")],
        ),
    ] {
        for value in right {
            assert_eq!(both(json!({name: value})), (vec![], vec![]), "{name} {value}");
        }
        for value in wrong {
            let (request, response) = both(json!({name: value}));
            assert_eq!(request.len(), 1, "{name} {value}: {request:?}");
            assert!(request[0].starts_with(&format!("/{name}")), "{request:?}");
            assert_eq!(request, response, "{name} {value}");
        }
    }
}

#[test]
fn an_answer_is_complete_and_spelled_as_declared() {
    assert_eq!(both(json!({"flag": "True"})), (vec![], vec!["/flag".into()]));
    assert_eq!(
        both(json!({"color": "DarkBlue"})),
        (vec![], vec!["/color".into()])
    );
    assert_eq!(both(json!({"at": {"name": "y"}})), (vec![], vec!["/at/x".into()]));
    let found = exchange("GET", "/me/events/1", json!(null), 200, json!({"id": "1"}));
    assert_eq!(
        found,
        [
            (Side::Response, "/count".into()),
            (Side::Response, "/tags".into())
        ]
    );
    let found = exchange(
        "GET",
        "/me/events/1?$select=subject",
        json!(null),
        200,
        json!({"id": "1", "at": null}),
    );
    assert_eq!(found, [(Side::Response, "/at".into())]);
    let found = exchange(
        "GET",
        "/me/events/1?$select=count",
        json!(null),
        200,
        json!({"id": "1"}),
    );
    assert_eq!(found, [(Side::Response, "/count".into())]);
    assert_eq!(
        exchange("GET", "/me/events/1", json!(null), 200, json!(null)).len(),
        1
    );
    assert_eq!(
        exchange("DELETE", "/me/events/1", json!(null), 204, json!(null)).len(),
        0
    );
    assert_eq!(
        exchange("DELETE", "/me/events/1", json!({}), 204, json!({})).len(),
        2
    );
}

#[test]
fn collections_and_deltas() {
    let page = |extra: Value, rows: Value| {
        let mut body = json!({"@odata.context": "c", "value": rows});
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let list = |url: &str, body| exchange("GET", url, json!(null), 200, body).len();
    let gone = json!({"id": "2", "@removed": {"reason": "deleted"}});
    let link = json!({"@odata.deltaLink": "l"});
    for url in [
        "/me/calendarView/delta",
        "/users/a@b.c/events/delta()",
        "/me/events/microsoft.graph.delta()",
    ] {
        assert_eq!(list(url, page(link.clone(), json!([whole(), gone]))), 0, "{url}");
        assert_eq!(
            list(url, page(json!({}), json!([]))),
            1,
            "a delta page without a link"
        );
        assert_eq!(
            list(
                url,
                page(
                    link.clone(),
                    json!([{"id": "2", "subject": "s", "@removed": {"reason": "gone"}}])
                )
            ),
            2
        );
    }
    assert_eq!(list("/me/events", page(json!({}), json!([whole()]))), 0);
    assert_eq!(list("/me/events", page(json!({}), json!([gone]))), 1);
    assert_eq!(list("/me/events", page(json!({"total": 1}), json!([null]))), 2);
    assert_eq!(list("/me/events", json!([])), 1);
    assert_eq!(list("/me/events/1/parts", page(json!({}), json!([{"id": 1}]))), 3);
}

#[test]
fn actions_errors_and_what_is_elsewhere() {
    let poke = |body| {
        exchange(
            "POST",
            "/me/events('1')/microsoft.graph.poke",
            body,
            202,
            json!(null),
        )
    };
    assert_eq!(poke(json!({"how": "red", "comment": null})), []);
    assert_eq!(poke(json!({"How": null})), [(Side::Request, "/How".into())]);
    assert_eq!(poke(json!(null)), [(Side::Request, String::new())]);
    assert_eq!(
        poke(json!({"how": "red", "loud": true})),
        [(Side::Request, "/loud".into())]
    );
    let error = |body| exchange("GET", "/me/events/1", json!(null), 404, body).len();
    assert_eq!(
        error(
            json!({"error": {"code": "c", "message": "", "innerError": {}, "@event.existingEventId": "1"}})
        ),
        0
    );
    assert_eq!(
        error(json!({"error": {"code": "", "message": "m", "reason": 1}})),
        2
    );
    assert_eq!(
        error(json!({"error": "invalid_grant", "error_description": "d"})),
        1
    );
    assert_eq!(error(json!(null)), 1);
    let contract = contract();
    let call = Call::new("GET", "/v1.0/me", HashMap::new(), Vec::new(), "http://sim");
    contract.call(&call, &Reply::json(200, json!({"id": 1})));
    assert_eq!(
        contract.checked(),
        Checked {
            untyped: 1,
            ..Checked::default()
        }
    );
    assert_eq!(contract.violations(), []);
}

#[test]
fn a_batch_has_a_frame() {
    let ask = |body| exchange("POST", "/$batch", json!({"requests": []}), 200, body).len();
    assert_eq!(
        ask(json!({"responses": [{"id": "1", "status": 200, "body": {"any": 1}}]})),
        0
    );
    assert_eq!(ask(json!({"responses": [{"status": "200"}]})), 1);
    assert_eq!(
        ask(json!({"responses": [{"id": "1", "status": 424, "body": {}}]})),
        1
    );
    assert_eq!(ask(json!({})), 1);
}

#[test]
fn notifications() {
    let send = |one: Value| {
        let contract = contract();
        contract.notification("http://hook/?clientState=x", &json!({"value": [one]}));
        let found = contract.violations();
        assert!(found.iter().all(|v| v.side == Side::Notification));
        found.into_iter().map(|v| v.pointer).collect::<Vec<_>>()
    };
    let tenant = "11111111-2222-3333-4444-555555555555";
    let data = json!({"@odata.type": "#Microsoft.Graph.Event", "id": "1"});
    assert_eq!(
        send(json!({"changeType": "updated", "tenantId": tenant, "resourceData": data})),
        [""; 0]
    );
    // Of a lifecycle notification the documents show no changeType.
    assert_eq!(send(json!({"tenantId": tenant})), [""; 0]);
    assert_eq!(
        send(json!({"changeType": null})),
        ["/value/0/changeType", "/value/0/tenantId"]
    );
    assert_eq!(
        send(json!({"tenantId": tenant, "resourceData": {"subject": "s"}})),
        ["/value/0/resourceData/subject"]
    );
}

#[test]
fn names_in_query_options() {
    let ask = |options: &str| {
        let url = format!("/me/events?{options}");
        exchange("GET", &url, json!(null), 200, json!({"value": []})).len()
    };
    for right in [
        "$select=subject,at/name,uid",
        "$filter=subject eq 'it''s (nonsense/here)' and count ge 5 and at/x lt 2",
        "$filter=startswith(subject,'x') or not (made gt 2026-11-22T10:00:00Z)",
        "$filter=singleValueExtendedProperties/Any(ep: ep/id eq 'String {1} Name n' and ep/value eq 'v')",
        "$filter=parts/any(p:p/at/name eq 'x')",
        "$orderby=at/name desc,subject",
        "$expand=parts($select=subject;$filter=count eq 1),singleValueExtendedProperties($filter=id eq 'x')",
        "startDateTime=2026&$top=5&$filter=far/anything eq 1",
    ] {
        assert_eq!(ask(right), 0, "{right}");
    }
    for wrong in [
        "$select=nonsense",
        "$select=subject/length",
        "$filter=nonsense eq 1",
        "$filter=parts/any(p:p/nonsense eq 'x')",
        "$filter=at/nonsense eq 'x'",
        "$orderby=nonsense",
        "$expand=subject",
        "$expand=parts($select=nonsense)",
    ] {
        assert_eq!(ask(wrong), 1, "{wrong}");
    }
}

#[test]
fn what_is_no_schema() {
    let refused = |xml: &str| Schema::parse(xml).unwrap_err();
    assert!(matches!(refused("<a"), CsdlError::Xml(_)));
    assert!(matches!(refused("<a/>"), CsdlError::NoSchema));
    let unnamed = refused("<Schema Namespace='microsoft.graph'><EntityType/></Schema>").to_string();
    assert_eq!(unnamed, "EntityType at 1:37 has no Name");
    let other = "<Schema Namespace='microsoft.graph.callRecords'><EntityType Name='event'/></Schema>";
    assert!(matches!(refused(other), CsdlError::NoSchema));
    let circle = "<Schema Namespace='microsoft.graph'><ComplexType Name='a' BaseType='b'/><ComplexType Name='b' BaseType='a'/></Schema>";
    assert!(matches!(refused(circle), CsdlError::Circle(_)));
}
