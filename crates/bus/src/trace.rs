//! The W3C trace context that travels with a ring, so that an attempt can be linked to the request
//! that asked for it. Written and read by the global propagator, which the binary sets.

use opentelemetry::Context;
use opentelemetry::global;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt;
use rdkafka::message::{Header, Headers, OwnedHeaders};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// Longest header that is believed. W3C Trace Context: a vendor should carry at least 512
/// characters of `tracestate`; a `traceparent` has 55.
const MAX_HEADER_BYTES: usize = 512;

/// The W3C headers of a trace; both may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceHeaders {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl TraceHeaders {
    /// The trace that goes on, as it was stored with a row.
    #[must_use]
    pub fn new(traceparent: Option<String>, tracestate: Option<String>) -> Self {
        Self {
            traceparent,
            tracestate,
        }
    }

    /// The trace of the current span; empty where nothing is traced.
    #[must_use]
    pub fn current() -> Self {
        Self::of(&Span::current())
    }

    /// The trace of this span; empty where nothing is traced.
    #[must_use]
    pub fn of(span: &Span) -> Self {
        let mut headers = Self::default();
        let context = span.context();
        if context.span().span_context().is_valid() {
            global::get_text_map_propagator(|w3c| w3c.inject_context(&context, &mut headers));
        }
        headers
    }

    /// `traceparent`, as it is stored with a row.
    #[must_use]
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// `tracestate`, as it is stored with a row.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// Links `span` to this trace, as is right across a queue: the work is not part of the request.
    pub fn link(&self, span: &Span) {
        let context = self.context();
        if context.span().span_context().is_valid() {
            span.add_link(context.span().span_context().clone());
        }
    }

    /// Makes `span` a child of this trace, if there is one; else it stays where it is.
    pub(crate) fn adopt(&self, span: &Span) {
        let context = self.context();
        if context.span().span_context().is_valid() && span.set_parent(context).is_err() {
            tracing::trace!("nothing records traces, so the ring's span has no parent");
        }
    }

    pub(crate) fn or(self, other: &Self) -> Self {
        if self.traceparent.is_some() {
            self
        } else {
            other.clone()
        }
    }

    pub(crate) fn to_kafka(&self) -> OwnedHeaders {
        [
            (TRACEPARENT, &self.traceparent),
            (TRACESTATE, &self.tracestate),
        ]
        .into_iter()
        .filter_map(|(key, value)| {
            value.as_ref().map(|value| Header {
                key,
                value: Some(value),
            })
        })
        .fold(OwnedHeaders::new(), OwnedHeaders::insert)
    }

    pub(crate) fn from_kafka(headers: &impl Headers) -> Self {
        let mut trace = Self::default();
        for header in headers.iter() {
            let text = header.value.filter(|bytes| bytes.len() <= MAX_HEADER_BYTES);
            if let Some(text) = text.and_then(|bytes| std::str::from_utf8(bytes).ok()) {
                trace.set(header.key, text.to_owned());
            }
        }
        trace
    }

    fn context(&self) -> Context {
        global::get_text_map_propagator(|w3c| w3c.extract_with_context(&Context::new(), self))
    }
}

impl Injector for TraceHeaders {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => self.traceparent = Some(value),
            TRACESTATE if !value.is_empty() => self.tracestate = Some(value),
            _ => {}
        }
    }
}

impl Extractor for TraceHeaders {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => self.traceparent(),
            TRACESTATE => self.tracestate(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}
