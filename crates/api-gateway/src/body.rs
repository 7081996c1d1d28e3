//! Bodies that describe something, in JSON: read whole, so bounded in bytes and in time.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, web};

use serde_json::{Map, Value};

use crate::problem::{Code, Problem};

/// How long a client may take to send one.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The body, if it says that it is JSON and has at most so many bytes.
pub(crate) async fn read_json(
    request: &HttpRequest,
    payload: web::Payload,
    max_bytes: usize,
) -> Result<web::Bytes, Problem> {
    if !media_type(request).eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(
            Code::UnsupportedMedia,
            "send Content-Type: application/json",
        ));
    }
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("at most {max_bytes} bytes are taken"),
        )
    };
    if content_length(request).is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let body = tokio::time::timeout(BODY_TIMEOUT, payload.to_bytes_limited(max_bytes));
    match body.await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_cut))) => Err(not_whole()),
        Ok(Err(_limit)) => Err(too_large()),
        Err(_elapsed) => Err(not_in_time()),
    }
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
