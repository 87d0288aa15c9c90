use crate::common::*;
use graph_sim::Options;
use graph_sim::contract::csdl::{Kind, Property, Schema, TypeRef};
use graph_sim::contract::{Contract, Side};
use graph_sim::property::{EVENT, Rule};
use serde_json::{Value, json};

async fn report(w: &World) -> Value {
    w.sim("GET", "/contract", Value::Null).await.is(200).body
}

#[tokio::test]
async fn without_a_schema_nothing_is_checked() {
    let w = unchecked_world(Options::default()).await;
    let me = w.login(ANN).await;
    me.get("/me/events?$filter=nonsense/any(x:x) eq 1").await.is(400);
    let none = json!({"schema": null, "violations": [], "omitted": 0,
                      "checked": {"requests": 0, "responses": 0, "untyped": 0}});
    assert_eq!(report(&w).await, none);
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
    let missing = Options {
        schema: Some("no/such/schema.xml".into()),
        ..Options::default()
    };
    assert!(graph_sim::start(missing).await.is_err());
}

#[tokio::test]
async fn violations_are_recorded_and_change_nothing() {
    let Some(file) = schema() else {
        return;
    };
    let w = world().await;
    let me = w.login(ANN).await;
    assert_eq!(report(&w).await["schema"], json!(file));
    me.get("/me").await.is(200);
    me.create(json!({"subject": "Right"})).await.is(201);
    assert_eq!(
        report(&w).await["checked"],
        json!({"requests": 1, "responses": 1, "untyped": 1})
    );
    assert_eq!(report(&w).await["violations"], json!([]));

    // A request of which Graph would not read the body.
    me.create(json!({"showAs": "sleepy", "attendees": [{"emailAdress": {}}]}))
        .await
        .is(400);
    let found = report(&w).await["violations"].clone();
    let seen: Vec<_> = found
        .as_array()
        .unwrap()
        .iter()
        .map(|v| {
            (
                v["side"].as_str().unwrap(),
                v["pointer"].as_str().unwrap(),
                v["status"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("request", "/attendees/0/emailAdress", 400),
            ("request", "/showAs", 400)
        ]
    );
    assert_eq!(
        (&found[0]["method"], &found[0]["path"]),
        (&json!("POST"), &json!("/v1.0/me/events"))
    );
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
    assert_eq!(report(&w).await["violations"], json!([]));

    // The same inside a batch; the batch's own frame is in order.
    let step = json!({"id": "1", "method": "PATCH", "url": "/me/events/AAMk", "body": {"isAllDay": "yes"},
                      "headers": {"Content-Type": "application/json"}});
    me.send("POST", "/$batch", json!({"requests": [step]}))
        .await
        .is(200);
    let found = report(&w).await;
    assert_eq!(found["violations"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["violations"][0]["pointer"], "/isAllDay");
    assert_eq!(found["checked"]["requests"], 2);
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
}

#[tokio::test]
async fn an_answer_of_the_simulator_is_held_to_it() {
    if schema().is_none() {
        return;
    }
    let w = world().await;
    let me = w.login(ANN).await;
    let made = me.create(json!({"attendees": guests(&[BEN])})).await.is(201);
    // What the simulator would not make itself is put into its state.
    for mailbox in w.running.sim.world().mailboxes.values_mut() {
        for event in mailbox.events.values_mut() {
            event.content.importance = "urgent".into();
            event.content.locations = vec![json!({"displayName": 7})];
        }
    }
    me.get(&format!("/me/events/{}", made.id())).await.is(200);
    let got = report(&w).await;
    let mut pointers: Vec<_> = got["violations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| (v["side"].as_str().unwrap(), v["pointer"].as_str().unwrap()))
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            ("response", "/importance"),
            ("response", "/location/displayName"),
            ("response", "/locations/0/displayName"),
        ]
    );
    w.sim("DELETE", "/contract", Value::Null).await.is(204);
}

/// Values that are none of this type.
fn wrong(schema: &Schema, kind: &TypeRef, nullable: bool) -> Vec<Value> {
    let mut single = match schema.kind(&kind.name) {
        Kind::Primitive("Edm.String") => vec![json!(7), json!(true), json!({})],
        Kind::Primitive("Edm.Boolean") => vec![json!("yes"), json!(0)],
        Kind::Primitive("Edm.Int32") => vec![json!("1"), json!(1.5), json!(2_147_483_648_i64)],
        Kind::Primitive("Edm.Double") => vec![json!("x"), json!(true)],
        Kind::Primitive("Edm.Date") => vec![json!("tomorrow"), json!("2031-02-30"), json!(20_310_310)],
        Kind::Primitive("Edm.DateTimeOffset") => vec![json!("2031-03-10T09:00:00"), json!(0)],
        Kind::Primitive(other) => panic!("no wrong value is known for {other}"),
        Kind::Enumeration(_) => vec![json!("noSuchMember"), json!(0), json!("")],
        Kind::Structured(one) if one.entity => vec![json!("text"), json!(7)],
        Kind::Structured(_) => vec![json!("text"), json!([]), json!({"noSuchProperty": 1})],
        Kind::Elsewhere => vec![json!("text")],
    };
    if !nullable {
        single.push(Value::Null);
    }
    if !kind.collection {
        return single;
    }
    let mut all = vec![json!({}), json!("text"), Value::Null];
    all.extend(single.into_iter().map(|item| json!([item])));
    all
}

/// What the simulator refused is against the contract as well, and its answer is not.
fn sees_the_request(contract: &Contract, wrong: &Value) {
    let found = contract.violations();
    assert!(
        !found.is_empty() && found.iter().all(|v| v.side == Side::Request),
        "{wrong}: {found:#?}"
    );
    contract.clear();
}

/// A body for every declared property, at any depth, and every wrong value of it.
fn every_wrong_body<'s>(
    schema: &'s Schema,
    properties: impl Iterator<Item = &'s Property>,
    wrap: &dyn Fn(Value) -> Value,
    out: &mut Vec<Value>,
) {
    for property in properties {
        let name = &property.name;
        for value in wrong(schema, &property.kind, property.nullable) {
            out.push(wrap(json!({name: value})));
        }
        if matches!(schema.kind(&property.kind.name), Kind::Structured(one) if !one.entity) {
            let inner = |value: Value| {
                let value = if property.kind.collection {
                    json!([value])
                } else {
                    value
                };
                wrap(json!({name: value}))
            };
            every_wrong_body(schema, schema.properties(&property.kind.name), &inner, out);
        }
    }
}

#[tokio::test]
async fn every_declared_property_refuses_what_it_is_not() {
    if schema().is_none() {
        return;
    }
    let w = world().await;
    let me = w.login(ANN).await;
    let event_path = format!("/me/events/{}", me.create(json!({})).await.is(201).id());
    let later = (chrono::Utc::now() + chrono::TimeDelta::hours(2)).to_rfc3339();
    let subscription = json!({"changeType": "updated", "notificationUrl": "http://127.0.0.1:9/", "resource": "me/events",
                              "expirationDateTime": later});
    let contract = w.running.sim.contract.as_ref().unwrap();
    for (kind, method, path, base, code) in [
        ("event", "POST", "/me/events", event(json!({})), "RequestBodyRead"),
        (
            "event",
            "PATCH",
            event_path.as_str(),
            json!({}),
            "RequestBodyRead",
        ),
        (
            "calendar",
            "POST",
            "/me/calendars",
            json!({"name": "New"}),
            "RequestBodyRead",
        ),
        (
            "subscription",
            "POST",
            "/subscriptions",
            subscription,
            "InvalidRequest",
        ),
    ] {
        let mut bodies = vec![json!({"noSuchProperty": 1})];
        every_wrong_body(
            contract.schema(),
            contract.schema().properties(kind),
            &|body| body,
            &mut bodies,
        );
        assert!(bodies.len() > 40, "{kind}: {}", bodies.len());
        for wrong in bodies {
            let mut body = base.clone();
            for (name, value) in wrong.as_object().unwrap() {
                body[name] = value.clone();
            }
            let got = me.send(method, path, body).await;
            assert_eq!(
                (got.status, got.code()),
                (400, code),
                "{method} {path} {wrong}: {}",
                got.body
            );
            sees_the_request(contract, &wrong);
        }
    }
}

#[tokio::test]
async fn every_parameter_of_an_action_refuses_what_it_is_not() {
    if schema().is_none() {
        return;
    }
    let w = world().await;
    let me = w.login(ANN).await;
    let id = me.create(json!({})).await.is(201).id();
    let contract = w.running.sim.contract.as_ref().unwrap();
    let operations = contract.schema().operations().iter();
    let actions: Vec<_> = operations
        .filter(|o| o.action && ["event", "user"].contains(&o.binding.name.as_str()))
        .collect();
    assert!(actions.len() > 7, "{actions:?}");
    for action in actions {
        let path = match action.binding.name.as_str() {
            "user" => format!("/me/{}", action.name),
            _ => format!("/me/events/{id}/{}", action.name),
        };
        // The others as they should be, so that it is this one that is refused.
        let mut base = json!({});
        for parameter in action.parameters.iter().filter(|p| !p.nullable) {
            base[&parameter.name] = match parameter.kind.name.as_str() {
                "Edm.String" => json!(["x"]),
                "dateTimeTimeZone" => at("2031-03-10T09:00:00"),
                "exchangeIdFormat" => json!("restId"),
                other => panic!("what is a {other}?"),
            };
        }
        let mut bodies = vec![json!({"noSuchParameter": 1})];
        every_wrong_body(
            contract.schema(),
            action.parameters.iter(),
            &|body| body,
            &mut bodies,
        );
        for wrong in bodies {
            let mut body = base.clone();
            for (name, value) in wrong.as_object().unwrap() {
                body[name] = value.clone();
            }
            let got = me.send("POST", &path, body).await;
            assert_eq!(
                (got.status, got.code()),
                (400, "RequestBodyRead"),
                "{path} {wrong}: {}",
                got.body
            );
            sees_the_request(contract, &wrong);
        }
        if base != json!({}) {
            me.send("POST", &path, json!({})).await.is(400);
            contract.clear();
        }
    }
}

#[tokio::test]
async fn a_proposed_time_is_a_time() {
    let w = world().await;
    let (ann, ben) = (w.login(ANN).await, w.login(BEN).await);
    ann.create(json!({"subject": "Talk", "attendees": guests(&[BEN])}))
        .await
        .is(201);
    let found = ben.get("/me/events?$filter=subject eq 'Talk'").await.is(200);
    let path = format!("/me/events/{}", found.body["value"][0]["id"].as_str().unwrap());
    let (nine, ten) = (at("2031-03-10T09:00:00"), at("2031-03-10T10:00:00"));
    let ben = &ben;
    let act = |action: &str, body: Value| {
        let path = format!("{path}/{action}");
        async move { ben.send("POST", &path, body).await }
    };
    let propose = |slot: Value| act("tentativelyAccept", json!({"proposedNewTime": slot}));
    for slot in [
        json!({}),
        json!({"start": nine}),
        json!({"start": ten, "end": nine}),
        json!({"start": {}, "end": ten}),
        json!({"start": {"dateTime": "2031-03-10T09:00:00", "timeZone": "Mars"}, "end": ten}),
    ] {
        propose(slot).await.is(400);
    }
    let snooze = |time: Value| act("snoozeReminder", json!({"newReminderTime": time}));
    snooze(json!({})).await.is(400);
    snooze(nine.clone()).await.is(200);
    propose(json!({"start": nine, "end": ten})).await.is(202);
    let seen = ann.get("/me/events?$filter=subject eq 'Talk'").await.is(200);
    assert_eq!(
        seen.body["value"][0]["attendees"][0]["proposedNewTime"]["start"],
        nine
    );
    // Nobody accepts a meeting and proposes another time for it.
    let accept = json!({"proposedNewTime": {"start": nine, "end": ten}});
    let got = act("accept", accept).await.is(400);
    assert_eq!(got.code(), "RequestBodyRead");
}

#[tokio::test]
async fn what_a_write_may_do_with_a_property() {
    let w = world().await;
    let me = w.login(ANN).await;
    let made = me
        .create(json!({
            "transactionId": "t-1", "categories": ["Red", "Blue"], "attendees": guests(&[BEN, CARLA]),
            "locations": [{"displayName": "A"}, {"displayName": "B"}],
        }))
        .await
        .is(201);
    let path = format!("/me/events/{}", made.id());

    // Clients send whole events back: what is read-only stays as it is.
    let mut echo = made.body.clone();
    let other = json!({
        "id": "other", "changeKey": "x", "iCalUId": "x", "uid": "x", "occurrenceId": "x", "type": "occurrence",
        "seriesMasterId": "x", "originalStart": "2001-01-01T00:00:00Z", "originalStartTimeZone": "x",
        "originalEndTimeZone": "x", "bodyPreview": "x", "organizer": {"emailAddress": {"address": BEN}},
        "isOrganizer": false, "responseStatus": {"response": "declined"}, "onlineMeeting": {"joinUrl": "x"},
        "onlineMeetingUrl": "x", "isCancelled": true, "isDraft": true, "hasAttachments": true, "webLink": "x",
        "createdDateTime": "2001-01-01T00:00:00Z", "lastModifiedDateTime": "2001-01-01T00:00:00Z",
        "cancelledOccurrences": ["x"], "exceptionOccurrences": [],
    });
    for property in EVENT.properties.iter().chain(EVENT.undeclared) {
        let read_only = property.rule == Rule::ReadOnly;
        assert_eq!(read_only, other.get(property.name).is_some(), "{}", property.name);
    }
    for (name, value) in other.as_object().unwrap() {
        echo[name] = value.clone();
    }
    let after = me.send("PATCH", &path, echo).await.is(200).body;
    for (name, value) in made.body.as_object().unwrap() {
        let moves = ["@odata.etag", "changeKey", "lastModifiedDateTime"].contains(&name.as_str());
        assert_eq!(moves, after[name] != *value, "{name}: {value} {}", after[name]);
        assert!(after[name] != other[name] || other[name].is_null(), "{name}");
    }

    // Of the others each has its rule.
    for property in EVENT.properties {
        let change = match property.rule {
            Rule::CreateOnly => json!("t-2"),
            Rule::Replaced => json!([made.body[property.name][0]]),
            Rule::Writable | Rule::ReadOnly => continue,
        };
        let got = me.send("PATCH", &path, json!({property.name: change})).await;
        match property.rule {
            Rule::CreateOnly => assert_eq!(got.status, 400, "{}", property.name),
            _ => assert_eq!(
                got.is(200).body[property.name].as_array().unwrap().len(),
                1,
                "{}",
                property.name
            ),
        }
    }
}
