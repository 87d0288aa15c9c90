//! OpenTelemetry traces: what a save in Odoo causes, up to Microsoft's answer.
//!
//! They are off unless [`install`] was called; then nothing here does anything. All spans are made
//! here, and only of ids, counts, codes and names of methods, never of what people have written.
//!
//! | span | is made for | belongs to the trace of |
//! |---|---|---|
//! | `call` | a call of Odoo | the caller's header `traceparent`; else a new one |
//! | `run` | a run of a mailbox | a new one |
//! | `write` | the writes that a run sends together | what planned them: usually a `call` |
//! | `GET /me/events/{id}`, … | a request to Graph | the `write`, `run` or `call` that it is made for |

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{FutureExt, Link, SpanContext, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SpanData, SpanExporter, SpanProcessor};

use crate::measures;

/// The header of W3C Trace Context, and the key of [`Traceparent`].
pub const HEADER: &str = "traceparent";

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Turns traces on, for the rest of the process.
pub fn install(tracer: SdkTracer) {
    // A second call finds it installed.
    let _already = TRACER.set(tracer);
}

/// A span in the form of the header `traceparent`, to be stored.
pub type Traceparent = String;

/// Returns the present span, if there is one.
pub fn current() -> Option<Traceparent> {
    TRACER.get()?;
    Context::map_current(traceparent_of)
}

fn traceparent_of(context: &Context) -> Option<Traceparent> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(context, &mut carrier);
    carrier.remove(HEADER)
}

/// Returns a context with the span that is named in the form of the header; an empty one if it
/// cannot be read.
fn context_of(origin: &str) -> Context {
    let carrier = HashMap::from([(HEADER.to_owned(), origin.to_owned())]);
    TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier)
}

fn linked(span: &SpanContext) -> Vec<Link> {
    let known = span.is_valid().then(|| Link::with_context(span.clone()));
    known.into_iter().collect()
}

/// A span that ends when this is dropped; nothing if traces are off.
#[derive(Debug, Default)]
pub struct Span(Option<Context>);

impl Span {
    /// Begins the span of a call of Odoo. `origin` is the header `traceparent`, if the call has it.
    #[must_use]
    pub fn of_call(method: &str, origin: Option<&str>) -> Self {
        let Some(tracer) = TRACER.get() else {
            return Self(None);
        };
        let parent = origin.map(context_of).unwrap_or_default();
        let attributes = vec![KeyValue::new("rpc.method", method.to_owned())];
        Self::begin(tracer, "call", SpanKind::Server, &parent, Vec::new(), attributes)
    }

    /// Begins the span of a run of a mailbox.
    #[must_use]
    pub fn of_run(account_id: i64, urgency: &'static str) -> Self {
        let Some(tracer) = TRACER.get() else {
            return Self(None);
        };
        let attributes = vec![
            KeyValue::new("account.id", account_id),
            KeyValue::new("urgency", urgency),
        ];
        let parent = Context::new();
        Self::begin(tracer, "run", SpanKind::Internal, &parent, Vec::new(), attributes)
    }

    /// Begins the span of a request to Graph, within the present span. `template` is the path
    /// without ids.
    #[must_use]
    pub fn of_request(method: &str, template: &str) -> Self {
        let Some(tracer) = TRACER.get() else {
            return Self(None);
        };
        let name = format!("{method} {template}");
        let attributes = vec![
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("url.template", template.to_owned()),
        ];
        let parent = Context::current();
        Self::begin(tracer, name, SpanKind::Client, &parent, Vec::new(), attributes)
    }

    fn begin(
        tracer: &SdkTracer,
        name: impl Into<std::borrow::Cow<'static, str>>,
        kind: SpanKind,
        parent: &Context,
        links: Vec<Link>,
        attributes: Vec<KeyValue>,
    ) -> Self {
        let span = tracer
            .span_builder(name)
            .with_kind(kind)
            .with_links(links)
            .with_attributes(attributes)
            .start_with_context(tracer, parent);
        Self(Some(parent.with_span(span)))
    }

    /// Does work within the span.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        work.with_context(self.0.clone().unwrap_or_else(Context::current))
    }

    /// Notes an id, a count or a code.
    pub fn note(&self, key: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(key, value));
        }
    }

    /// Notes that what it stands for failed. `kind` is one of few words, and not an error's text,
    /// which may name people.
    pub fn fail(&self, kind: &str) {
        if let Some(context) = &self.0 {
            let span = context.span();
            span.set_attribute(KeyValue::new("error.type", kind.to_owned()));
            span.set_status(Status::error(""));
        }
    }

    fn link(&self) -> Vec<Link> {
        let context = self.0.as_ref();
        context.map_or_else(Vec::new, |context| linked(context.span().span_context()))
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

/// The spans of the writes that are sent together: one for each origin. A request can belong to
/// only one trace, so the requests belong to the first, and the others are linked to it.
#[derive(Debug, Default)]
pub struct Writes {
    first: Span,
    spans: BTreeMap<Traceparent, Span>,
    first_origin: Traceparent,
}

impl Writes {
    /// Begins the spans of the writes with these origins. Writes without an origin belong to the
    /// present run.
    #[must_use]
    pub fn begin<'a>(account_id: i64, origins: impl Iterator<Item = Option<&'a str>>) -> Self {
        TRACER.get().map_or_else(Self::default, |tracer| {
            Self::begin_by(tracer, account_id, origins)
        })
    }

    fn begin_by<'a>(
        tracer: &SdkTracer,
        account_id: i64,
        origins: impl Iterator<Item = Option<&'a str>>,
    ) -> Self {
        let origins: Vec<&str> = origins.flatten().collect();
        let Some(first_origin) = origins.first().copied() else {
            return Self::default();
        };
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        for origin in &origins {
            *counts.entry(origin).or_default() += 1;
        }
        let begin = |origin: &str, count: i64, links: Vec<Link>| {
            let attributes = vec![
                KeyValue::new("account.id", account_id),
                KeyValue::new("writes", count),
            ];
            let parent = context_of(origin);
            Span::begin(tracer, "write", SpanKind::Consumer, &parent, links, attributes)
        };
        let run = Context::map_current(|context| linked(context.span().span_context()));
        let count = counts.remove(first_origin).unwrap_or_default();
        let first = begin(first_origin, count, run);
        let spans = counts
            .into_iter()
            .map(|(origin, count)| (origin.to_owned(), begin(origin, count, first.link())))
            .collect();
        Self {
            first,
            spans,
            first_origin: first_origin.to_owned(),
        }
    }

    /// Sends the writes within the first span.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.first.around(work)
    }

    /// Notes that a write failed.
    pub fn fail(&self, origin: Option<&str>, kind: &str) {
        match origin {
            Some(origin) if origin == self.first_origin => self.first.fail(kind),
            Some(origin) => {
                if let Some(span) = self.spans.get(origin) {
                    span.fail(kind);
                }
            }
            None => {}
        }
    }
}

/// Counts the spans that end, and passes them on.
#[derive(Debug)]
pub struct CountedSpans(pub BatchSpanProcessor);

impl SpanProcessor for CountedSpans {
    fn on_start(&self, span: &mut opentelemetry_sdk::trace::Span, context: &Context) {
        self.0.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            measures::TRACE_SPANS.add("ended", 1);
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// Counts the spans that are sent or lost. The log says when sending begins to fail, and when it
/// works again.
#[derive(Debug)]
pub struct CountedExport<E> {
    exporter: E,
    is_failing: AtomicBool,
}

impl<E> CountedExport<E> {
    pub fn new(exporter: E) -> Self {
        Self {
            exporter,
            is_failing: AtomicBool::new(false),
        }
    }
}

impl<E: SpanExporter> SpanExporter for CountedExport<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let sent = self.exporter.export(batch).await;
        let outcome = if sent.is_ok() { "sent" } else { "lost" };
        measures::TRACE_SPANS.add(outcome, spans);
        let was_failing = self.is_failing.swap(sent.is_err(), Ordering::Relaxed);
        match &sent {
            Err(error) if !was_failing => tracing::warn!(
                %error,
                "traces do not reach the collector and are lost: the sync goes on without them. Check otlp_endpoint or \
                 OTEL_EXPORTER_OTLP_ENDPOINT, and the collector"
            ),
            Ok(()) if was_failing => tracing::info!("traces reach the collector again"),
            _ => {}
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    use super::*;

    #[test]
    fn an_origin_is_stored_and_read_and_a_wrong_one_is_none() {
        let origin = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent_of(&context_of(origin)).as_deref(), Some(origin));
        for wrong in ["", "00-0-0-01", "ff-zz", &"a".repeat(10_000)] {
            assert_eq!(traceparent_of(&context_of(wrong)), None, "{wrong}");
        }
        assert_eq!(current(), None, "traces are off");
    }

    #[derive(Clone, Debug, Default)]
    struct Kept(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Kept {
        async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().append(&mut batch);
            Ok(())
        }
    }

    #[test]
    fn writes_that_are_sent_together_are_linked() {
        let kept = Kept::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(kept.clone())
            .build();
        let origins = ["1", "2"].map(|digit| format!("00-{}-{}-01", digit.repeat(32), digit.repeat(16)));
        let [one, other] = origins.each_ref().map(|origin| Some(origin.as_str()));
        let writes = Writes::begin_by(&provider.tracer("test"), 7, [None, one, other, one].into_iter());
        writes.fail(other, "invalid");
        drop(writes);
        let mut spans = std::mem::take(&mut *kept.0.lock().unwrap());
        spans.sort_by_key(|span| span.span_context.trace_id().to_string());
        let [first, second]: [SpanData; 2] = spans.try_into().expect("two spans");
        for (span, digit) in [(&first, "1"), (&second, "2")] {
            assert_eq!(span.span_context.trace_id().to_string(), digit.repeat(32));
            assert_eq!(span.parent_span_id.to_string(), digit.repeat(16));
        }
        assert!(first.attributes.contains(&KeyValue::new("writes", 2_i64)));
        assert_eq!(first.status, Status::Unset);
        assert_eq!(second.links.links[0].span_context, first.span_context);
        assert!(matches!(second.status, Status::Error { .. }));
    }

    #[tokio::test]
    async fn without_a_tracer_nothing_is_made() {
        let span = Span::of_call("calendar.event.exchange", None);
        assert!(span.0.is_none());
        assert_eq!(span.around(async { current() }).await, None);
        span.fail("any");
        let writes = Writes::begin(1, [Some("00-1-1-01"), None].into_iter());
        assert!(writes.first.0.is_none() && writes.spans.is_empty());
        assert_eq!(writes.around(async { 7 }).await, 7);
    }
}
