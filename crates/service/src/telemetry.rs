//! Logs, traces and metrics, installed once per process.
//!
//! Span contexts exist even when no collector is configured, so trace ids stand in every log
//! line within a span and travel with requests and rings (W3C `traceparent`). Proven by
//! `tests/it/telemetry.rs`.

use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::log_format::JsonLines;
use crate::settings::{LogFormat, TelemetrySettings};

/// Upper bounds of every histogram whose name ends in `_seconds`: from a lookup to a long export.
const SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0,
    1800.0,
];

/// Upper bounds of every histogram whose name ends in `_rows`.
const ROWS: [f64; 7] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6];

/// How long the last spans may take to leave at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

static INSTALLED: OnceLock<Telemetry> = OnceLock::new();

/// The process's logs, traces and metrics.
#[derive(Clone, Debug)]
pub struct Telemetry {
    metrics: PrometheusHandle,
    tracer: SdkTracerProvider,
}

impl Telemetry {
    /// Installs logs, traces and metrics for the process. A second call changes nothing and
    /// returns what the first one installed; a subscriber or recorder that somebody else (a
    /// test) installed before stays.
    pub fn install(name: &'static str, settings: &TelemetrySettings) -> anyhow::Result<Self> {
        if let Some(installed) = INSTALLED.get() {
            return Ok(installed.clone());
        }
        let tracer = tracer_provider(name, settings)?;
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        opentelemetry::global::set_tracer_provider(tracer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(trace_layer(name, &tracer))
            .with(log_layer(settings)?);
        // Fails only where a subscriber is installed already, and then that one stays.
        drop(subscriber.try_init());

        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_rows".into()), &ROWS)
            })
            .context("histogram buckets")?
            .build_recorder();
        let metrics = recorder.handle();
        drop(metrics::set_global_recorder(recorder));
        Ok(INSTALLED.get_or_init(|| Self { metrics, tracer }).clone())
    }

    /// All metrics in Prometheus' text format.
    pub fn render_metrics(&self) -> String {
        self.metrics.render()
    }

    /// Folds recorded values into their histograms; to be called every few seconds, so that
    /// memory stays bounded where nobody scrapes.
    pub fn run_upkeep(&self) {
        self.metrics.run_upkeep();
    }

    /// Sends what spans are left. Blocks for at most three seconds; call it last.
    pub fn shutdown(&self) {
        if let Err(error) = self.tracer.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::debug!(%error, "the last spans could not be sent");
        }
    }
}

fn tracer_provider(
    name: &'static str,
    settings: &TelemetrySettings,
) -> anyhow::Result<SdkTracerProvider> {
    let provider = SdkTracerProvider::builder().with_resource(
        Resource::builder()
            .with_service_name(name)
            .with_attribute(opentelemetry::KeyValue::new(
                "service.namespace",
                "quayside",
            ))
            .build(),
    );
    let Some(endpoint) = &settings.otlp_endpoint else {
        return Ok(provider.build());
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(traces_url(endpoint)?)
        .with_timeout(FLUSH_TIMEOUT)
        .build()
        .context("telemetry.otlp_endpoint")?;
    Ok(provider.with_batch_exporter(exporter).build())
}

/// The collector's base URL completed by the path for traces; a full path is kept.
fn traces_url(endpoint: &str) -> anyhow::Result<String> {
    let mut url = url::Url::parse(endpoint).context("telemetry.otlp_endpoint is not a URL")?;
    if url.path() == "/" {
        url.set_path("/v1/traces");
    }
    Ok(url.into())
}

/// Spans of level INFO and above: what libraries trace below that is not worth its price.
fn trace_layer<S>(name: &'static str, tracer: &SdkTracerProvider) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_opentelemetry::layer().with_tracer(tracer.tracer(name));
    layer.with_filter(LevelFilter::INFO)
}

fn log_layer<S>(settings: &TelemetrySettings) -> anyhow::Result<Box<dyn Layer<S> + Send + Sync>>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + Send + Sync,
{
    let filter = EnvFilter::builder()
        .parse(&settings.log_filter)
        .context("telemetry.log_filter is not understood")?;
    // Standard error: standard output belongs to what a command answers.
    let layer = fmt::layer().with_writer(std::io::stderr);
    Ok(match settings.log_format {
        LogFormat::Json => layer
            .fmt_fields(fmt::format::JsonFields::new())
            .event_format(JsonLines)
            .with_filter(filter)
            .boxed(),
        LogFormat::Text => layer.with_filter(filter).boxed(),
    })
}
