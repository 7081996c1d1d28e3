//! One JSON object a line: time, level, target, message, the event's fields, the fields of the
//! spans around it, and the trace and span id that lead to the trace.

use std::fmt;

use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Fields that tell the exporter how to show a span; a log line has no use for them.
const FOR_TRACES: &str = "otel.";

/// The format.
#[derive(Debug)]
pub(crate) struct JsonLines;

impl<S> FormatEvent<S, JsonFields> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    JsonFields: for<'writer> FormatFields<'writer>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        line.insert("time".into(), time.into());
        line.insert("level".into(), event.metadata().level().as_str().into());
        line.insert("target".into(), event.metadata().target().into());
        for span in context
            .event_scope()
            .into_iter()
            .flat_map(|scope| scope.from_root())
        {
            line.insert("span".into(), span.name().into());
            let extensions = span.extensions();
            if let Some(fields) = extensions.get::<FormattedFields<JsonFields>>()
                && let Ok(Value::Object(fields)) = serde_json::from_str(fields)
            {
                line.extend(
                    fields
                        .into_iter()
                        .filter(|(name, _)| !name.starts_with(FOR_TRACES)),
                );
            }
        }
        insert_trace(&mut line);
        event.record(&mut Fields(&mut line));
        writeln!(to, "{}", Value::Object(line))
    }
}

fn insert_trace(line: &mut Map<String, Value>) {
    let context = opentelemetry::Context::current();
    let span = context.span().span_context().clone();
    if span.is_valid() {
        line.insert("trace_id".into(), span.trace_id().to_string().into());
        line.insert("span_id".into(), span.span_id().to_string().into());
    }
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let chain: Vec<_> = std::iter::successors(Some(value), |error| error.source())
            .map(ToString::to_string)
            .collect();
        self.0.insert(field.name().into(), chain.join(": ").into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name().into(), format!("{value:?}").into());
    }
}
