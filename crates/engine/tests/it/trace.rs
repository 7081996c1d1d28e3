//! One trace from the request through the ring; the attempt is linked to it, not part of it.

use std::sync::LazyLock;

use bus::TraceHeaders;
use domain::TaskStatus;
use opentelemetry::TraceId;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use store::{Announced, NewExport};
use testkit::eventually;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::probe::{House, Probe, Step};

/// One subscriber for this whole test binary.
static SPANS: LazyLock<InMemorySpanExporter> = LazyLock::new(|| {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    tracing_subscriber::registry().with(layer).init();
    exporter
});

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_linked_to_the_request_that_asked_for_it_by_ring_and_by_scan() {
    LazyLock::force(&SPANS);
    let house = House::build().await;
    let probe = Probe::always(Step::Finish);
    let worker = house.work("one", house.settings(), &probe);

    for rung in [true, false] {
        let request = tracing::info_span!("request");
        let trace_id = request.context().span().span_context().trace_id();
        let task = submit(&house, rung).instrument(request).await;
        house.until(task, TaskStatus::Success).await;
        let attempt = eventually("the attempt's span", async || {
            let linked = |span: &SpanData| {
                let mut links = span.links.iter();
                span.name == "attempt" && links.any(|link| link.span_context.trace_id() == trace_id)
            };
            finished_spans().into_iter().find(linked)
        })
        .await;
        assert_ne!(
            attempt.span_context.trace_id(),
            trace_id,
            "linked, not a part of it"
        );
        assert_eq!(
            has_ring_span(trace_id),
            rung,
            "the ring is part of the request's trace"
        );
    }
    worker.stop().await;
}

async fn submit(house: &House, rung: bool) -> domain::TaskId {
    let trace_context = TraceHeaders::current().traceparent().map(str::to_owned);
    let scan_interval = if rung {
        house.a_rung_export().scan_interval
    } else {
        Default::default()
    };
    let export = NewExport {
        trace_context: trace_context.clone(),
        scan_interval,
        ..house.a_rung_export()
    };
    let submitted = house.store.submit_export(export).await.expect("accepted");
    if rung {
        let row = Announced {
            rung: submitted.rung,
            trace_context,
        };
        house.announcer().announce(house.lane.clone(), row);
    }
    submitted.task
}

fn finished_spans() -> Vec<SpanData> {
    SPANS.get_finished_spans().expect("the exporter lives")
}

fn has_ring_span(trace_id: TraceId) -> bool {
    finished_spans()
        .iter()
        .any(|span| span.name == "ring" && span.span_context.trace_id() == trace_id)
}
