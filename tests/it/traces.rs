//! Traces: a save in Odoo and Microsoft's answer to it are one trace, and a collector that fails
//! stops nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Attribute, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::process::Command;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::convergence::service::{Log, Process, command};
use super::measures::{admin_url, metrics};
use super::odoo::Odoo;
use super::stack::{ANN, Stack, eventually};
use super::world::odoo_time;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// All that spans may say.
const ATTRIBUTES: [&str; 10] = [
    "account.id",
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "kind",
    "request.id",
    "rpc.method",
    "url.template",
    "urgency",
    "writes",
];

async fn collector(answer: ResponseTemplate) -> MockServer {
    let collector = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v1/traces"))
        .respond_with(answer)
        .mount(&collector)
        .await;
    collector
}

fn traced(stack: &Stack, collector: &MockServer) -> Command {
    let mut command = command(stack);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.uri());
    command
}

async fn received(collector: &MockServer) -> Vec<Vec<u8>> {
    let requests = collector.received_requests().await.expect("they are recorded");
    requests.into_iter().map(|request| request.body).collect()
}

fn decode(bodies: &[Vec<u8>]) -> Vec<ExportTraceServiceRequest> {
    bodies
        .iter()
        .map(|body| ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP as protobuf"))
        .collect()
}

fn spans(bodies: &[Vec<u8>]) -> Vec<Span> {
    decode(bodies)
        .into_iter()
        .flat_map(|export| export.resource_spans)
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
        .collect()
}

fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    let Attribute { value } = found.value.as_ref()?;
    value.as_ref()
}

fn status(span: &Span) -> Option<i64> {
    match attribute(&span.attributes, "http.response.status_code")? {
        AnyValue::IntValue(status) => Some(*status),
        _ => None,
    }
}

/// Returns the only span of a trace with this name.
fn only<'a>(spans: &'a [Span], trace: &str, name: &str) -> &'a Span {
    let is_it = |span: &&Span| hex::encode(&span.trace_id) == trace && span.name == name;
    let found: Vec<&Span> = spans.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{name} in {trace}: {spans:#?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_and_microsofts_answer_are_one_trace() {
    let stack = Stack::start().await;
    let collector = collector(ResponseTemplate::new(200)).await;
    let mut program = traced(&stack, &collector);
    // So the spans are sent when the service stops.
    program.env("OTEL_BSP_SCHEDULE_DELAY", "600000");
    let process = Process::spawn(program, &Log::default()).await;
    let mut odoo = Odoo::pair_with(&process, process.enroll(&stack).await).await;
    odoo.connect(&stack, &process, 7).await.expect("connected");
    odoo.sync(&process).await;
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    odoo.create(7, "Confidential plan", &start, &stop, &["dora@fabrikam.example"]);
    odoo.trace = Some(format!("00-{TRACE}-{PARENT}-01"));
    odoo.exchange(&process).await.expect("saved");
    odoo.trace = None;
    eventually("the event in Outlook", async || {
        stack.event(ANN, "Confidential plan").await
    })
    .await;
    odoo.sync(&process).await;
    process.stop().await;

    let bodies = received(&collector).await;
    let spans = spans(&bodies);
    let call = only(&spans, TRACE, "call");
    assert_eq!(hex::encode(&call.parent_span_id), PARENT);
    let write = only(&spans, TRACE, "write");
    assert_eq!(write.parent_span_id, call.span_id, "the write is due to the call");
    let batch = only(&spans, TRACE, "POST /$batch");
    assert_eq!(batch.parent_span_id, write.span_id);
    assert_eq!(status(batch), Some(200), "{batch:#?}");
    let run = spans
        .iter()
        .find(|span| span.name == "run" && span.span_id == write.links[0].span_id)
        .expect("the write names the run that it was made in");
    assert_ne!(
        run.trace_id, write.trace_id,
        "a run works for many, so it is a trace of its own"
    );

    for export in decode(&bodies) {
        for resource in export.resource_spans {
            let attributes = resource.resource.expect("a resource").attributes;
            let name = attribute(&attributes, "service.name");
            assert_eq!(name, Some(&AnyValue::StringValue("outlook-bridge".to_owned())));
        }
    }
    let keys: BTreeSet<&str> = spans
        .iter()
        .flat_map(|span| &span.attributes)
        .map(|attribute| attribute.key.as_str())
        .collect();
    let unknown: Vec<&&str> = keys.iter().filter(|key| !ATTRIBUTES.contains(key)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for body in &bodies {
        let text = String::from_utf8_lossy(body);
        for secret in ["Confidential", "example", odoo.key.as_str(), "Bearer"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_stops_nothing() {
    let stack = Stack::start().await;
    let collector = collector(ResponseTemplate::new(200).set_delay(Duration::from_secs(3600))).await;
    let mut program = traced(&stack, &collector);
    program
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "4")
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4");
    let log = Log::default();
    let process = Process::spawn(program, &log).await;
    let url = admin_url(&log).await;
    let mut odoo = Odoo::pair_with(&process, process.enroll(&stack).await).await;
    odoo.connect(&stack, &process, 7).await.expect("connected");
    let (start, stop) = (odoo_time(2, "09:00:00"), odoo_time(2, "10:00:00"));
    odoo.create(7, "Plan", &start, &stop, &[]);
    odoo.sync(&process).await;
    eventually("the event in Outlook", async || stack.event(ANN, "Plan").await).await;
    let counted = async |what: &str| {
        let name = format!("outlook_bridge_trace_spans_total{{what=\"{what}\"}} ");
        let text = metrics(&url).await;
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value
            .and_then(|value| value.parse::<u64>().ok())
            .expect("counted")
    };
    eventually("spans are counted as lost", async || {
        (counted("lost").await > 0).then_some(())
    })
    .await;
    let (lost, ended) = (counted("lost").await, counted("ended").await);
    assert!(ended >= lost && counted("sent").await == 0, "{lost} of {ended}");
    let warnings = |log: &Log| {
        let log = log.lock().expect("the log");
        log.iter()
            .filter(|line| line.contains("traces do not reach"))
            .count()
    };
    assert_eq!(warnings(&log), 1, "said once");
    // It fails if the service has not stopped after a minute.
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_a_wrong_variable_does_not_start_and_names_it() {
    let stack = Stack::start().await;
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OUTLOOK_BRIDGE_OTLP_ENDPOINT", "collector:4318"),
    ] {
        let mut program = command(&stack);
        if name.starts_with("OTEL") {
            program.env("OUTLOOK_BRIDGE_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        }
        let output = program
            .env(name, value)
            .arg("serve")
            .output()
            .await
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let wanted = name.strip_prefix("OUTLOOK_BRIDGE_").map(str::to_lowercase);
        let wanted = wanted.as_deref().unwrap_or(name);
        assert!(!output.status.success() && said.contains(wanted), "{said}");
    }
}
