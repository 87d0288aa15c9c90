//! Where traces are sent, if anywhere: OpenTelemetry's own environment variables, and a setting.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Key, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider};
use tokio::runtime::Handle;
use url::Url;

use crate::config::{collector_url, leads_to_this_machine};
use crate::traces::{self, CountedExport, CountedSpans};

/// Where the collector is if only `OTEL_TRACES_EXPORTER=otlp` says that there is one.
const USUAL_ENDPOINT: &str = "http://localhost:4318";
/// How long the last spans may take to be sent when the service stops.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
const LARGEST_ANSWER: usize = 64 * 1024;
const SAMPLERS: &[&str] = &[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// Where spans are sent.
#[derive(Debug, PartialEq)]
pub struct Collector {
    endpoint: Url,
    timeout: Duration,
}

impl Collector {
    /// Reads where spans are sent; `None` if traces are off. `setting` is the setting
    /// `otlp_endpoint`. What the library itself reads (headers, sampler, limits of the queue) is
    /// only checked, as the library passes over what it cannot read.
    ///
    /// # Errors
    /// Names the variable that is wrong, without its value if that may be a secret.
    pub fn read(
        setting: Option<&str>,
        environment: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Option<Self>> {
        let read = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        // The variable of traces alone, then that of all signals.
        let either = |name: &str| {
            let own = format!("OTEL_EXPORTER_OTLP_TRACES_{name}");
            let common = format!("OTEL_EXPORTER_OTLP_{name}");
            let found = read(&own).map(|value| (own, value));
            found.or_else(|| read(&common).map(|value| (common, value)))
        };
        let is_disabled = read("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let exporter = read("OTEL_TRACES_EXPORTER");
        if is_disabled || exporter.as_deref() == Some("none") {
            return Ok(None);
        }
        if let Some(exporter) = &exporter {
            ensure!(
                exporter == "otlp",
                "OTEL_TRACES_EXPORTER must be otlp or none: traces are sent in no other way"
            );
        }
        let (name, base) = match either("ENDPOINT") {
            Some(found) => found,
            None => match (setting, exporter) {
                (Some(setting), _) => ("otlp_endpoint".to_owned(), setting.to_owned()),
                (None, Some(_)) => ("OTEL_TRACES_EXPORTER".to_owned(), USUAL_ENDPOINT.to_owned()),
                (None, None) => return Ok(None),
            },
        };
        let endpoint = endpoint(&name, &base)?;
        if let Some((name, protocol)) = either("PROTOCOL") {
            ensure!(
                protocol == "http/protobuf",
                "{name} must be http/protobuf, which collectors accept on port 4318"
            );
        }
        if let Some((name, headers)) = either("HEADERS") {
            let is_pair = |pair: &str| {
                pair.split_once('=')
                    .is_some_and(|(key, _)| !key.trim().is_empty())
            };
            ensure!(
                headers.split(',').all(is_pair),
                "{name} must be like key=value, separated by commas"
            );
            ensure!(
                endpoint.scheme() == "https" || leads_to_this_machine(&endpoint),
                "{name} usually has a secret, and would be sent unencrypted: use an https endpoint"
            );
        }
        if let Some((name, compression)) = either("COMPRESSION") {
            ensure!(
                matches!(compression.as_str(), "gzip" | "none"),
                "{name} must be gzip or none"
            );
        }
        for part in ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"] {
            if let Some((name, _)) = either(part) {
                bail!(
                    "{name} is not supported: add the collector's authority to the system's, or send to a collector on this machine"
                );
            }
        }
        check_sampler(read("OTEL_TRACES_SAMPLER"), read("OTEL_TRACES_SAMPLER_ARG"))?;
        for name in [
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "OTEL_BSP_SCHEDULE_DELAY",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        ] {
            let is_number = |value: String| value.parse::<u32>().is_ok_and(|number| number > 0);
            ensure!(
                read(name).is_none_or(is_number),
                "{name} must be a whole number above 0"
            );
        }
        let timeout = match either("TIMEOUT") {
            None => opentelemetry_otlp::OTEL_EXPORTER_OTLP_TIMEOUT_DEFAULT,
            Some((name, value)) => {
                let milliseconds = value.parse::<u64>().ok().filter(|ms| (1..=60_000).contains(ms));
                let milliseconds =
                    milliseconds.with_context(|| format!("{name} must be milliseconds from 1 to 60000"))?;
                Duration::from_millis(milliseconds)
            }
        };
        Ok(Some(Self { endpoint, timeout }))
    }
}

/// Returns the address that spans are posted to.
fn endpoint(name: &str, base: &str) -> anyhow::Result<Url> {
    let mut url = collector_url(name, base)?;
    // The variable of traces alone has the whole address (OpenTelemetry, *OTLP Exporter*).
    if !name.contains("TRACES_ENDPOINT") {
        let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
        url.set_path(&path);
    }
    Ok(url)
}

fn check_sampler(sampler: Option<String>, argument: Option<String>) -> anyhow::Result<()> {
    let Some(sampler) = sampler else { return Ok(()) };
    ensure!(
        SAMPLERS.contains(&sampler.as_str()),
        "OTEL_TRACES_SAMPLER must be one of {}",
        SAMPLERS.join(", ")
    );
    let is_ratio = |value: &String| value.parse().is_ok_and(|ratio: f64| (0.0..=1.0).contains(&ratio));
    ensure!(
        !sampler.ends_with("traceidratio") || argument.as_ref().is_none_or(is_ratio),
        "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1"
    );
    Ok(())
}

/// Sends spans until it is stopped.
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Turns traces on. Needs a runtime, which sends the spans.
    ///
    /// # Errors
    /// When a variable cannot be used.
    pub fn start(collector: &Collector) -> anyhow::Result<Self> {
        let mut http = reqwest::Client::builder()
            .timeout(collector.timeout)
            .redirect(reqwest::redirect::Policy::none());
        if leads_to_this_machine(&collector.endpoint) {
            http = http.no_proxy();
        }
        let http = http.build().context("building the HTTP client for traces")?;
        let client = Client {
            http,
            runtime: Handle::current(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(collector.endpoint.as_str())
            .with_timeout(collector.timeout)
            .build()
            .context("preparing traces")?;
        // The queue is bounded. A span that finds it full is dropped, and nobody waits.
        let processor = BatchSpanProcessor::builder(CountedExport::new(exporter)).build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(CountedSpans(processor))
            .with_resource(resource())
            .build();
        traces::install(provider.tracer(env!("CARGO_PKG_NAME")));
        tracing::info!(otlp.endpoint = %collector.endpoint, "traces are sent");
        Ok(Self(provider))
    }

    /// Sends what is left, for a few seconds at most.
    pub async fn stop(self) {
        let (told, stopped) = tokio::sync::oneshot::channel();
        // Not a task of the runtime, which would wait for it without end.
        std::thread::spawn(move || {
            let _nobody_waits = told.send(self.0.shutdown_with_timeout(LONGEST_FLUSH));
        });
        match tokio::time::timeout(LONGEST_FLUSH + Duration::from_secs(1), stopped).await {
            Ok(Ok(Ok(()))) => {}
            _ => tracing::warn!("the last traces did not reach the collector"),
        }
    }
}

/// Returns what the collector is told about this service.
fn resource() -> Resource {
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let name = resource.get(&Key::from_static_str("service.name"));
    // What the library calls a service that OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES do not name.
    if name.is_some_and(|name| !name.as_str().starts_with("unknown_service")) {
        return resource;
    }
    let attributes = resource
        .iter()
        .map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
    Resource::builder()
        .with_attributes(attributes.collect::<Vec<_>>())
        .with_service_name(env!("CARGO_PKG_NAME"))
        .build()
}

/// Sends spans with tasks of the service's runtime, as the library's own thread has none.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let mut answer = http.execute(request).await.map_err(reqwest::Error::without_url)?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut body = Vec::new();
            while let Some(part) = answer.chunk().await.map_err(reqwest::Error::without_url)? {
                if body.len() + part.len() > LARGEST_ANSWER {
                    return Err(HttpError::from("the collector's answer is too large"));
                }
                body.extend_from_slice(&part);
            }
            let mut response = Response::new(Bytes::from(body));
            *response.status_mut() = status;
            *response.headers_mut() = headers;
            Ok(response)
        });
        sent.await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(setting: Option<&str>, environment: &[(&str, &str)]) -> anyhow::Result<Option<Collector>> {
        Collector::read(setting, |name| {
            let found = environment.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn address(setting: Option<&str>, environment: &[(&str, &str)]) -> Option<String> {
        let collector = read(setting, environment).unwrap();
        collector.map(|collector| collector.endpoint.to_string())
    }

    const COMMON: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/");
    const OWN: (&str, &str) = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/in");

    #[test]
    fn traces_are_off_unless_an_address_is_given() {
        assert_eq!(address(None, &[]), None);
        assert_eq!(address(None, &[("OTEL_SERVICE_NAME", "any")]), None);
        assert_eq!(
            address(None, &[(COMMON.0, " ")]),
            None,
            "an empty variable counts as unset"
        );
        for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(address(Some("http://127.0.0.1:1"), &[COMMON, off]), None);
        }
    }

    #[test]
    fn the_nearest_address_counts() {
        let setting = Some("http://127.0.0.1:4318");
        let usual = "http://127.0.0.1:4318/v1/traces";
        assert_eq!(address(setting, &[]).as_deref(), Some(usual));
        let common = "http://collector:4318/base/v1/traces";
        assert_eq!(address(setting, &[COMMON]).as_deref(), Some(common));
        assert_eq!(address(setting, &[COMMON, OWN]).as_deref(), Some(OWN.1));
        let usual = "http://localhost:4318/v1/traces";
        assert_eq!(
            address(None, &[("OTEL_TRACES_EXPORTER", "otlp")]).as_deref(),
            Some(usual)
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_quoted() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hush@collector"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "hush"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=hush"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ] {
            let error = read(Some("http://collector:4318"), &[(name, value)]).unwrap_err();
            let error = format!("{error:#}");
            assert!(error.contains(name) && !error.contains("hush"), "{error}");
        }
        let ratio = [
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ];
        let error = read(Some("http://collector:4318"), &ratio).unwrap_err();
        assert!(error.to_string().contains("OTEL_TRACES_SAMPLER_ARG"), "{error}");
        let error = read(Some("ftp://collector"), &[]).unwrap_err();
        assert!(error.to_string().contains("otlp_endpoint"), "{error}");
    }

    #[test]
    fn headers_may_go_where_nobody_reads_them() {
        let headers = ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20x,b=c=d");
        for endpoint in ["https://collector.example", "http://127.0.0.1:4318"] {
            assert!(read(Some(endpoint), &[headers]).is_ok(), "{endpoint}");
        }
    }
}
