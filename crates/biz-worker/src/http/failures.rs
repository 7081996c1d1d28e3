//! Why a call came to nothing, and whether it is worth another try.

use domain::{Failure, FailureCode};
use reqwest::StatusCode;

use super::guard::Closed;

/// What a no means: its status says it, whatever comes with it.
pub(crate) fn no(status: StatusCode) -> Failure {
    let told = format!("the service answered {}", status.as_u16());
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            tried_again(told)
        }
        it if it.is_server_error() => tried_again(told),
        it if it.is_redirection() => in_vain(told + ", and redirects are not followed"),
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::NOT_FOUND
        | StatusCode::METHOD_NOT_ALLOWED => in_vain(told),
        _ => given_up(told),
    }
}

/// A call without an answer, told without the address: it may hold a user's values.
pub(crate) fn broken(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return tried_again("no whole answer in time".to_owned());
    }
    let mut source = std::error::Error::source(error);
    let mut told = Vec::new();
    while let Some(error) = source {
        if error.is::<Closed>() {
            return given_up(error.to_string());
        }
        told.push(error.to_string());
        source = error.source();
    }
    let what = if error.is_connect() {
        "no connection"
    } else if error.is_builder() {
        return given_up("the call cannot be made".to_owned());
    } else {
        "the connection broke"
    };
    tried_again(format!("{what}: {}", told.join(": ")))
}

pub(super) fn tried_again(detail: String) -> Failure {
    Failure::transient(FailureCode::Internal, detail)
}

/// A no to whoever calls, not to what is asked: a secret, an address or a right is wrong, and so for
/// every row of the lane.
fn in_vain(detail: String) -> Failure {
    Failure::permanent(FailureCode::Internal, detail)
}

/// The service's own no, which says nothing of the lane.
pub(super) fn given_up(detail: String) -> Failure {
    Failure::permanent(FailureCode::InvalidRequest, detail)
}

pub(super) fn invalid(detail: impl std::fmt::Display) -> Failure {
    Failure::permanent(FailureCode::InvalidRequest, detail)
}
