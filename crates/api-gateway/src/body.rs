//! Bodies that describe something, in JSON: read whole, so bounded in bytes and in time.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem};

/// How long a client may take to send one.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Large bodies that are in memory at once, in KiB; with what is made of them they cost four to five
/// times as much.
const LARGE_BODIES_KIB: usize = 64 << 10;

/// What is not larger is not counted, in bytes: connections are bounded, too.
const SMALL_BODY_BYTES: usize = 64 << 10;

/// When whoever found no room may send it again.
const RETRY_SECONDS: u32 = 5;

/// Room for large bodies: who finds none waits before its body is read, which holds up nobody else.
pub(crate) struct LargeBodies(Arc<Semaphore>);

/// Holds the room until it is dropped, where the body is large.
pub(crate) type Room = Option<OwnedSemaphorePermit>;

impl LargeBodies {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_BODIES_KIB)))
    }

    /// As [`read_json`], once there is room for the body; `429 quota_exceeded` if there is none for as
    /// long as a client may take to send one. A body that does not say how large it is may be as large as
    /// any.
    pub(crate) async fn read_json(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        max_bytes: usize,
    ) -> Result<(web::Bytes, Room), Problem> {
        check(request, max_bytes)?;
        let told = content_length(request).and_then(|bytes| usize::try_from(bytes).ok());
        let bytes = told.unwrap_or(max_bytes);
        let room = if bytes > SMALL_BODY_BYTES {
            Some(self.room(bytes.div_ceil(1 << 10)).await?)
        } else {
            None
        };
        Ok((read_json(request, payload, max_bytes).await?, room))
    }

    async fn room(&self, kib: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let permits = u32::try_from(kib.min(LARGE_BODIES_KIB)).map_err(Problem::internal)?;
        let room = self.0.clone().acquire_many_owned(permits);
        match tokio::time::timeout(BODY_TIMEOUT, room).await {
            Ok(room) => room.map_err(Problem::internal),
            Err(_elapsed) => {
                let detail = "too many large bodies are being read";
                let problem = Problem::new(Code::QuotaExceeded, detail);
                Err(problem.with_header(header::RETRY_AFTER, RETRY_SECONDS))
            }
        }
    }
}

/// The body, if it says that it is JSON and has at most so many bytes.
pub(crate) async fn read_json(
    request: &HttpRequest,
    payload: web::Payload,
    max_bytes: usize,
) -> Result<web::Bytes, Problem> {
    check(request, max_bytes)?;
    let body = tokio::time::timeout(BODY_TIMEOUT, payload.to_bytes_limited(max_bytes));
    match body.await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_cut))) => Err(not_whole()),
        Ok(Err(_limit)) => Err(too_large(max_bytes)),
        Err(_elapsed) => Err(not_in_time()),
    }
}

/// What the headers say of it.
fn check(request: &HttpRequest, max_bytes: usize) -> Result<(), Problem> {
    if !media_type(request).eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            Code::UnsupportedMedia,
            "send Content-Type: application/json",
        ));
    }
    if content_length(request).is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large(max_bytes));
    }
    Ok(())
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("at most {max_bytes} bytes are taken"),
    )
}

/// The fields of a body.
pub(crate) fn fields(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Problem::invalid("", format!("the body is not valid JSON: {error}")))?;
    match body {
        Value::Object(fields) => Ok(fields),
        _ => Err(Problem::invalid("", "the body must be a JSON object")),
    }
}

/// The media type that the client names, without its parameters; empty when it names none.
pub(crate) fn media_type(request: &HttpRequest) -> &str {
    let media = request.headers().get(header::CONTENT_TYPE);
    let media = media.and_then(|media| media.to_str().ok());
    let essence = media.unwrap_or_default().split(';').next();
    essence.unwrap_or_default().trim()
}

/// The length that the client names.
pub(crate) fn content_length(request: &HttpRequest) -> Option<u64> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// `400 invalid_request`: the connection was cut, or the body is no HTTP.
pub(crate) fn not_whole() -> Problem {
    Problem::new(Code::InvalidRequest, "the body did not arrive whole")
}

/// `400 invalid_request`: the client is too slow.
pub(crate) fn not_in_time() -> Problem {
    Problem::new(Code::InvalidRequest, "the body did not arrive in time")
}
