//! Addresses: of the gateway, and of wherever it sends a download.

use reqwest::Response;
use reqwest::header::LOCATION;
use url::{Host, Url};

use crate::exit::Failure;

pub(super) fn parse_base(text: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("{text:?} is no address of a gateway: {why}"))
            .advise("It looks like http://127.0.0.1:8080; set it by --url or QUAYSIDE_URL.")
    };
    let url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        _ => Err(wrong("it must begin with http:// or https://")),
    }
}

/// A proxy of the environment is not asked for what runs on this very machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Where an answer sends us, if it does.
pub(super) fn link(answer: &Response) -> Option<Url> {
    if !answer.status().is_redirection() {
        return None;
    }
    let to = answer.headers().get(LOCATION)?.to_str().ok()?;
    let link = answer.url().join(to).ok()?;
    matches!(link.scheme(), "http" | "https").then_some(link)
}

/// Scheme, host and port: what may be printed. The rest of a link may be a right to a file.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
