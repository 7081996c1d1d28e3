//! `[smtp]`: the server that takes our mail.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::redact;

/// `[smtp]`
#[derive(Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpSettings {
    /// Name or address. Without one no mail can be sent.
    pub host: Option<String>,
    /// 587 is for `starttls`, 465 for `tls`.
    pub port: u16,
    /// How the connection is kept secret. The server's certificate is checked in any case.
    pub tls: SmtpTls,
    /// Who we are there; without a user nobody in particular.
    pub user: Option<String>,
    /// The user's. No default.
    #[serde(serialize_with = "redact::secret")]
    pub password: SecretString,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            host: None,
            port: 587,
            tls: SmtpTls::Starttls,
            user: None,
            password: SecretString::default(),
        }
    }
}

/// How a connection to a mail server is kept secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// It begins plain and must turn to TLS before anything is said.
    #[default]
    Starttls,
    /// TLS from the first byte on.
    Tls,
    /// Not at all: for a server on this machine. A password is not sent that way.
    None,
}
