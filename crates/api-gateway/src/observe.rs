//! Around every request: its id, its span (child of the caller's trace), its metrics, one log
//! line, and the last word on errors: whatever went wrong leaves as a problem with instance and
//! request id, a panic too. Proven by `tests/it/observe.rs` and `problems.rs`.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpResponse, ResponseError};
use futures::FutureExt;
use opentelemetry::propagation::Extractor;
use tracing::{Instrument, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::problem::{Code, Problem};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from the client.
const MAX_REQUEST_ID: usize = 128;

pub(crate) async fn observe(
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let began = Instant::now();
    let facts = Facts::of(&request);
    let span = facts.span(request.headers());
    request
        .extensions_mut()
        .insert(RequestId(facts.request_id.clone()));
    let answered = AssertUnwindSafe(next.call(request))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let answer = span.in_scope(|| match answered {
        Ok(Ok(answer)) => Ok(facts.finish(answer)),
        Ok(Err(error)) => {
            Err(facts.stamp(foreign(error.as_response_error().status_code(), &error)))
        }
        Err(_panic) => Err(facts.stamp(Problem::internal(anyhow::anyhow!("a handler panicked")))),
    });
    let status = answer
        .as_ref()
        .map_or_else(|stamped| stamped.status_code(), |it| it.status());
    facts.count(status, began, &span);
    answer.map_err(|stamped| Error::from(*stamped))
}

/// The request's id, for handlers.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// What is known of a request before it is answered.
struct Facts {
    /// One of the known ones, else `OTHER`.
    method: &'static str,
    /// The route's pattern, never the path: a closed set.
    route: String,
    path: String,
    request_id: String,
}

impl Facts {
    fn of(request: &ServiceRequest) -> Self {
        Self {
            method: method_label(request.method()),
            route: request
                .match_pattern()
                .unwrap_or_else(|| "unknown".to_owned()),
            path: request.path().to_owned(),
            request_id: request_id(request.headers()),
        }
    }

    fn span(&self, headers: &HeaderMap) -> Span {
        let span = tracing::info_span!(
            "request",
            otel.kind = "server",
            otel.name = format!("{} {}", self.method, self.route),
            http.request.method = self.method,
            http.route = self.route,
            http.response.status_code = tracing::field::Empty,
            request.id = self.request_id,
        );
        let remote = opentelemetry::global::get_text_map_propagator(|propagator| {
            propagator.extract(&Headers(headers))
        });
        if span.set_parent(remote).is_err() {
            tracing::trace!("no trace is recorded");
        }
        span
    }

    /// Turns an error into a problem, and says the request's id.
    fn finish(&self, answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
        let mut answer = match answer.response().error() {
            None => answer,
            Some(error) => {
                let rendered = match error.as_error::<Problem>() {
                    Some(problem) => self.render(problem),
                    None => self.render(&foreign(answer.status(), error)),
                };
                answer.into_response(rendered)
            }
        };
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    }

    /// For where there is no answer to put the problem into.
    fn stamp(&self, problem: Problem) -> Box<Stamped> {
        self.log(&problem);
        Box::new(Stamped {
            problem,
            instance: self.path.clone(),
            request_id: self.request_id.clone(),
        })
    }

    fn render(&self, problem: &Problem) -> HttpResponse {
        self.log(problem);
        problem.render(&self.path, &self.request_id)
    }

    fn log(&self, problem: &Problem) {
        metrics::counter!("quayside_http_problems_total", "code" => problem.word()).increment(1);
        if problem.status().is_server_error() {
            let cause = problem
                .cause()
                .map(|cause| format!("{cause:#}"))
                .unwrap_or_default();
            tracing::error!(error = cause, "{problem}");
        } else if let Some(cause) = problem.cause() {
            tracing::warn!(error = format!("{cause:#}"), "{problem}");
        }
    }

    fn count(&self, status: StatusCode, began: Instant, span: &Span) {
        let elapsed = began.elapsed();
        span.record("http.response.status_code", status.as_u16());
        span.in_scope(|| {
            tracing::info!(
                status = status.as_u16(),
                duration_ms = elapsed.as_secs_f64() * 1e3,
                "{} {}",
                self.method,
                self.route
            );
        });
        let labels = [
            ("method", self.method.to_owned()),
            ("route", self.route.clone()),
            ("status", status_class(status).to_owned()),
        ];
        metrics::counter!("quayside_http_requests_total", &labels).increment(1);
        metrics::histogram!("quayside_http_request_duration_seconds", &labels).record(elapsed);
    }
}

/// A problem that knows its request.
#[derive(Debug)]
struct Stamped {
    problem: Problem,
    instance: String,
    request_id: String,
}

impl fmt::Display for Stamped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

impl ResponseError for Stamped {
    fn status_code(&self) -> StatusCode {
        self.problem.status()
    }

    fn error_response(&self) -> HttpResponse {
        self.problem.render(&self.instance, &self.request_id)
    }
}

/// An error of the HTTP library, not ours: its status says what it was, its text stays here.
fn foreign(status: StatusCode, error: &Error) -> Problem {
    tracing::debug!(%error, "the HTTP library refused the request");
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Code::BodyTooLarge, "the body is too large"),
        StatusCode::NOT_FOUND => Problem::not_found(),
        status if status.is_client_error() => {
            Problem::new(Code::InvalidRequest, "the request cannot be read")
        }
        _ => Problem::internal(anyhow::anyhow!("{error}")),
    }
}

/// The client's request id if it is visible ASCII of sane length, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    headers
        .get(REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| (1..=MAX_REQUEST_ID).contains(&id.len()))
        .filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()))
        .map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned)
}

fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..200 => "1xx",
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
