//! The language in which a client is told what is wrong, where no field of its request says it.

use actix_web::HttpRequest;
use actix_web::http::header::{AcceptLanguage, Header, Preference};

/// The languages that have sentences of their own.
const SPOKEN: [&str; 2] = ["zh", "en"];

/// The first of the languages that the client accepts in which there are sentences; `default` where
/// there is none.
pub(crate) fn of(request: &HttpRequest, default: &str) -> String {
    let accepted = AcceptLanguage::parse(request).map(|accepted| accepted.ranked());
    let accepted = accepted.unwrap_or_default().into_iter();
    let mut spoken = accepted.filter_map(|wanted| match wanted {
        Preference::Specific(tag) => Some(tag.to_string()).filter(|tag| is_spoken(tag)),
        Preference::Any => None,
    });
    spoken.next().unwrap_or_else(|| default.to_owned())
}

fn is_spoken(tag: &str) -> bool {
    let language = tag.split('-').next().unwrap_or(tag);
    SPOKEN.iter().any(|own| own.eq_ignore_ascii_case(language))
}
