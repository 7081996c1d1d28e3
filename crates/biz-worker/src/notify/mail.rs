//! Mail, as a mail server takes it: plain text in UTF-8, written here (RFC 5322, 2045, 2047) and sent by
//! lettre. A row's mail has one Message-ID however often it goes out, so a mailbox can tell.
//!
//! What is not about the address (no connection, no TLS, no answer, 4xx) is tried again; a refused
//! password or a server that understands nothing speaks against the lane; an address that the server
//! refuses is the mistake of whoever gave it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{BizId, Clock, EmailSpec, Failure, FailureCode, Tenant};
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::ExposeSecret;
use service::{SmtpSettings, SmtpTls};
use sha2::{Digest, Sha256};

/// Bytes of text in one encoded word: with its marks it stays below 75 characters (RFC 2047, 2).
const WORD_BYTES: usize = 42;

/// Bytes that fill a line of base64 (RFC 2045, 6.8).
const LINE_BYTES: usize = 57;

/// Refusals of who we are (RFC 4954, 6), which no other mail would escape.
const WHO_WE_ARE: [u16; 4] = [530, 534, 535, 538];

/// Refusals of an address or of a mail to it (RFC 5321, 4.2.3).
const THE_ADDRESS: [u16; 6] = [550, 551, 552, 553, 554, 555];

/// Sends mail from one address.
pub(super) struct Mailer {
    server: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

impl Mailer {
    /// A mail may take `timeout`, from the connection on.
    ///
    /// # Errors
    /// When the settings name no server, or a password that would travel in the open.
    pub(super) fn new(
        settings: &SmtpSettings,
        email: &EmailSpec,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let host = settings.host.as_deref();
        let host = host.context("smtp.host is not set, and [notify.email] needs a mail server")?;
        let parameters = || TlsParameters::new(host.to_owned()).context("TLS for smtp.host");
        let tls = match settings.tls {
            SmtpTls::Starttls => Tls::Required(parameters()?),
            SmtpTls::Tls => Tls::Wrapper(parameters()?),
            SmtpTls::None if settings.user.is_some() => {
                bail!("smtp.tls is none: smtp.user and its password would travel in the open")
            }
            SmtpTls::None => Tls::None,
        };
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(timeout));
        if let Some(user) = &settings.user {
            let password = settings.password.expose_secret().to_owned();
            server = server.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self {
            server: server.build(),
            from: email.from.parse().context("[notify.email] from")?,
            timeout,
            clock,
        })
    }

    /// Sends the row's mail.
    pub(super) async fn send(
        &self,
        row: (&Tenant, &BizId),
        to: &str,
        subject: &str,
        text: &str,
    ) -> Result<(), Failure> {
        let to: Address = to.parse().map_err(refused)?;
        let envelope = Envelope::new(Some(self.from.clone()), vec![to.clone()]).map_err(refused)?;
        let mail = self.written(row, &to, subject, text);
        let sent = self.server.send_raw(&envelope, mail.as_bytes());
        match tokio::time::timeout(self.timeout, sent).await {
            Ok(Ok(_taken)) => Ok(()),
            Ok(Err(error)) => Err(failure(&error)),
            Err(_silence) => Err(tried_again("the mail server did not take it in time")),
        }
    }

    fn written(
        &self,
        (tenant, biz_id): (&Tenant, &BizId),
        to: &Address,
        subject: &str,
        text: &str,
    ) -> String {
        let id = hex::encode(Sha256::digest(format!("{tenant}\n{biz_id}")));
        let lines = [
            format!("From: Quayside <{}>", self.from),
            format!("To: <{to}>"),
            format!("Subject: {}", words(subject)),
            format!("Date: {}", self.clock.now().to_rfc2822()),
            format!("Message-ID: <{}@{}>", &id[..32], self.from.domain()),
            "MIME-Version: 1.0".to_owned(),
            "Content-Type: text/plain; charset=utf-8".to_owned(),
            "Content-Transfer-Encoding: base64".to_owned(),
            "Auto-Submitted: auto-generated".to_owned(),
            String::new(),
            String::new(),
        ];
        let mut mail = lines.join("\r\n");
        let text = text.replace("\r\n", "\n").replace('\n', "\r\n");
        for line in text.as_bytes().chunks(LINE_BYTES) {
            mail.push_str(&STANDARD.encode(line));
            mail.push_str("\r\n");
        }
        mail
    }
}

/// The text as encoded words, one a line: nothing in it can begin a header of its own.
fn words(text: &str) -> String {
    let mut words = String::new();
    let mut left = text;
    while !left.is_empty() {
        let word = &left[..left.floor_char_boundary(WORD_BYTES)];
        left = &left[word.len()..];
        let fold = if words.is_empty() { "" } else { "\r\n " };
        words.push_str(&format!("{fold}=?UTF-8?B?{}?=", STANDARD.encode(word)));
    }
    words
}

/// Told without what was said of the address.
fn failure(error: &lettre::transport::smtp::Error) -> Failure {
    let Some(code) = error.status().map(u16::from) else {
        let told = if error.is_timeout() {
            "the mail server did not answer in time"
        } else if error.is_tls() {
            "no TLS with the mail server"
        } else {
            "no talk with the mail server"
        };
        return tried_again(told);
    };
    let told = format!("the mail server answered {code}");
    match code {
        ..500 => tried_again(told),
        code if WHO_WE_ARE.contains(&code) => Failure::permanent(FailureCode::Internal, told),
        code if THE_ADDRESS.contains(&code) => refused(told),
        _ => Failure::permanent(FailureCode::Internal, told),
    }
}

fn tried_again(detail: impl std::fmt::Display) -> Failure {
    Failure::transient(FailureCode::Internal, detail)
}

fn refused(detail: impl std::fmt::Display) -> Failure {
    Failure::rejected(FailureCode::InvalidRequest, detail)
}
