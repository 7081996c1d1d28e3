use service::{Settings, Telemetry};

#[test]
fn installing_twice_changes_nothing() {
    let settings = Settings::default().telemetry;
    let first = Telemetry::install("first", &settings).unwrap();
    let second = Telemetry::install("second", &settings).unwrap();
    metrics::counter!("quayside_installing_twice_total").increment(3);
    for telemetry in [first, second] {
        assert!(
            telemetry
                .render_metrics()
                .contains("quayside_installing_twice_total 3")
        );
    }
}

#[test]
fn seconds_are_counted_in_buckets() {
    let telemetry = Telemetry::install("test", &Settings::default().telemetry).unwrap();
    metrics::histogram!("quayside_test_seconds").record(0.3);
    let text = telemetry.render_metrics();
    assert!(
        text.contains(r#"quayside_test_seconds_bucket{le="0.5"} 1"#),
        "{text}"
    );
    assert!(
        text.contains(r#"quayside_test_seconds_bucket{le="0.25"} 0"#),
        "{text}"
    );
}

#[test]
fn a_span_has_a_trace_id_although_no_collector_is_configured() {
    use opentelemetry::trace::TraceContextExt;
    use tracing_opentelemetry::OpenTelemetrySpanExt;

    Telemetry::install("test", &Settings::default().telemetry).unwrap();
    let span = tracing::info_span!("outer");
    assert!(span.context().span().span_context().is_valid());
}

#[test]
fn a_log_filter_that_is_not_understood_is_refused_at_start() {
    let process = std::process::Command::new(env!("CARGO_BIN_EXE_service-probe"))
        .env("QUAYSIDE__TELEMETRY__LOG_FILTER", "info,=")
        .output()
        .unwrap();
    assert!(!process.status.success());
    assert!(String::from_utf8_lossy(&process.stderr).contains("log_filter"));
}
