//! Every error that leaves the gateway: `application/problem+json` (RFC 9457) with a stable code.
//!
//! A [`Problem`] knows its code, a sentence, the fields at fault, and (for the log alone) its
//! cause. Instance and request id are added where the request is known, in `observe`. No stack,
//! no SQL and no path leaves the process. Shapes: `tests/it/problems.rs`.

mod body;
mod causes;
mod code;

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use domain::{Action, Task};

pub(crate) use body::ProblemBody;
pub(crate) use code::Code;

use crate::observe::REQUEST_ID;
use body::FieldError;

/// Characters of a field's name that are told back.
const MAX_NAME_CHARS: usize = 64;

/// Characters of a sentence: what the client sent may be part of it.
const MAX_SENTENCE_CHARS: usize = 4_000;

/// One error on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    stands: Option<Box<Stands>>,
    headers: Vec<(header::HeaderName, String)>,
    cause: Option<anyhow::Error>,
}

/// Where a thing stands, and what may be done there.
#[derive(Debug)]
struct Stands {
    state: String,
    allowed: Vec<String>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: shortened(detail.into(), MAX_SENTENCE_CHARS),
            errors: Vec::new(),
            stands: None,
            headers: Vec::new(),
            cause: None,
        }
    }

    /// `404 not_found`: also for what exists but not for this caller.
    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound, "there is nothing here, or not for you")
    }

    /// A fault of ours; the cause goes to the log.
    pub(crate) fn internal(cause: impl Into<anyhow::Error>) -> Self {
        let detail = "the request id leads to the details in the log";
        Self {
            cause: Some(cause.into()),
            ..Self::new(Code::Internal, detail)
        }
    }

    /// `400 invalid_request` for one field or parameter.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::at(Code::InvalidRequest, field, message)
    }

    /// `400 invalid_request` for a field that there is none of; of a long name the beginning is told.
    pub(crate) fn unknown_field(name: &str) -> Self {
        let shown: String = name.chars().take(MAX_NAME_CHARS).collect();
        let message = format!("there is no field `{shown}`");
        Self::invalid(&shown.replace('~', "~0").replace('/', "~1"), message)
    }

    /// A refusal for the sake of one field or parameter, given as its JSON pointer without the first
    /// slash; empty for the body as a whole.
    pub(crate) fn at(code: Code, field: &str, message: impl Into<String>) -> Self {
        let message = shortened(message.into(), MAX_SENTENCE_CHARS);
        let pointer = if field.is_empty() {
            String::new()
        } else {
            format!("/{field}")
        };
        let errors = vec![FieldError {
            pointer,
            code: code.parts().1.to_owned(),
            message: message.clone(),
        }];
        Self {
            errors,
            ..Self::new(code, message)
        }
    }

    /// The task stands where the act is not allowed.
    pub(crate) fn in_state_of(self, task: &Task) -> Self {
        let allowed = task.allowed_actions();
        let allowed = allowed.into_iter().map(Action::as_str);
        self.in_state(task.status.as_str(), allowed)
    }

    /// Something stands where the act is not allowed.
    pub(crate) fn in_state(
        mut self,
        state: &str,
        allowed: impl Iterator<Item = &'static str>,
    ) -> Self {
        self.stands = Some(Box::new(Stands {
            state: state.to_owned(),
            allowed: allowed.map(str::to_owned).collect(),
        }));
        self
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.code.parts().0
    }

    /// Its word, of a closed set.
    pub(crate) fn word(&self) -> &'static str {
        self.code.parts().1
    }

    /// What only operators may read.
    pub(crate) fn cause(&self) -> Option<&anyhow::Error> {
        self.cause.as_ref()
    }

    /// The answer.
    pub(crate) fn render(&self, instance: &str, request_id: &str) -> HttpResponse {
        let (status, code, title) = self.code.parts();
        let mut answer = HttpResponseBuilder::new(status);
        answer
            .content_type("application/problem+json")
            .insert_header((REQUEST_ID, request_id));
        for (name, value) in &self.headers {
            answer.insert_header((name.clone(), value.as_str()));
        }
        answer.json(ProblemBody {
            r#type: format!("urn:quayside:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            code: code.to_owned(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
            state: self.stands.as_ref().map(|it| it.state.clone()),
            allowed_actions: self.stands.as_ref().map(|it| it.allowed.clone()),
        })
    }
}

/// The text, or its beginning.
fn shortened(mut text: String, most_chars: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(most_chars) {
        text.truncate(end);
        text.push('…');
    }
    text
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.parts().1, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    /// Rendered again, with instance and request id, by `observe`.
    fn error_response(&self) -> HttpResponse {
        self.render("", "")
    }
}
