//! The body of `POST /webhooks`.

use domain::{NotifySpec, WebhookEvent};
use serde_json::{Map, Value};
use url::Url;

use crate::body::fields;
use crate::problem::Problem;

/// Characters of a secret that a client chooses.
const SECRET_CHARS: std::ops::RangeInclusive<usize> = 16..=256;

/// A checked request.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) url: String,
    pub(super) events: Vec<WebhookEvent>,
    pub(super) secret: Option<String>,
}

impl Wanted {
    pub(super) fn read(body: &[u8], spec: &NotifySpec) -> Result<Self, Problem> {
        let mut body = fields(body)?;
        let wanted = Self {
            url: url(&mut body, spec)?,
            events: events(&mut body)?,
            secret: secret(&mut body)?,
        };
        match body.keys().next() {
            Some(name) => Err(Problem::unknown_field(name)),
            None => Ok(wanted),
        }
    }
}

fn url(body: &mut Map<String, Value>, spec: &NotifySpec) -> Result<String, Problem> {
    let invalid = |message: &str| Problem::invalid("url", message);
    let Some(Value::String(text)) = body.remove("url") else {
        return Err(invalid("url is an http or https address"));
    };
    let url =
        Url::parse(&text).map_err(|_no_address| invalid("url is an http or https address"))?;
    spec.check_url(&url).map_err(invalid)?;
    Ok(url.into())
}

/// All of them, if the request does not say.
fn events(body: &mut Map<String, Value>) -> Result<Vec<WebhookEvent>, Problem> {
    let words = || {
        let words: Vec<&str> = WebhookEvent::ALL.iter().map(|it| it.as_str()).collect();
        let message = format!("events is a list of one or more of {}", words.join(", "));
        Problem::invalid("events", message)
    };
    let given = match body.remove("events") {
        None | Some(Value::Null) => return Ok(WebhookEvent::ALL.to_vec()),
        Some(Value::Array(given)) if !given.is_empty() => given,
        Some(_) => return Err(words()),
    };
    let mut events = Vec::with_capacity(WebhookEvent::ALL.len());
    for word in &given {
        let event = word.as_str().and_then(|word| word.parse().ok());
        let event = event.ok_or_else(words)?;
        if !events.contains(&event) {
            events.push(event);
        }
    }
    Ok(events)
}

fn secret(body: &mut Map<String, Value>) -> Result<Option<String>, Problem> {
    match body.remove("secret") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(secret))
            if SECRET_CHARS.contains(&secret.len())
                && secret.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(Some(secret))
        }
        Some(_) => {
            let message = "secret is a text of 16 to 256 visible ASCII characters";
            Err(Problem::invalid("secret", message))
        }
    }
}
