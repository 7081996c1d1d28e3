//! How secrets are written when settings are shown: not at all.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};
use serde::Serializer;
use url::Url;

const BLOT: &str = "***";

/// Parts of librdkafka setting names whose values are secrets (`sasl.password`,
/// `ssl.key.pem`, `sasl.oauthbearer.config`, …).
const SECRET_WORDS: [&str; 6] = ["password", "secret", "token", "key", "pem", "oauthbearer"];

pub(super) fn secret<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(if secret.expose_secret().is_empty() {
        ""
    } else {
        BLOT
    })
}

pub(super) fn url<S: Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&without_password(secret.expose_secret()))
}

pub(super) fn optional_url<S: Serializer>(url: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
    match url {
        Some(url) => to.serialize_some(&without_password(url)),
        None => to.serialize_none(),
    }
}

pub(super) fn table<S: Serializer>(
    table: &BTreeMap<String, String>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(table.iter().map(|(name, value)| {
        let secret = SECRET_WORDS
            .iter()
            .any(|word| name.to_lowercase().contains(word));
        (name, if secret { BLOT } else { value })
    }))
}

pub(super) fn secrets<S: Serializer>(
    secrets: &BTreeMap<String, SecretString>,
    to: S,
) -> Result<S::Ok, S::Error> {
    to.collect_map(secrets.keys().map(|name| (name, BLOT)))
}

/// The URL with password and query blotted out; what is no URL is blotted out as a whole.
fn without_password(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let Ok(mut url) = Url::parse(text) else {
        return BLOT.to_owned();
    };
    if url.password().is_some() && url.set_password(Some(BLOT)).is_err() {
        return BLOT.to_owned();
    }
    if url.query().is_some() {
        url.set_query(Some(BLOT));
    }
    url.into()
}
