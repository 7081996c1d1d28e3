//! Tickets: what a browser's `EventSource` shows instead of a token, because it cannot send headers.
//!
//! A ticket stands in a URL, so it opens one stream alone and only for a minute. It is signed with
//! a key of its own, made from the secret: no ticket is ever a token, and no token a ticket.
//! Any gateway with the same secret takes it; one without a secret takes its own tickets alone.

use std::time::Duration;

use domain::{TaskId, Tenant, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::auth::Caller;

/// How long a ticket opens its stream, in seconds; a token that ends earlier ends it earlier.
const TICKET_SECONDS: u64 = 60;

/// What the ticket's key is made from, besides the secret. No signed part of a JWT looks like it.
const PURPOSE: &[u8] = b"quayside: tickets for event streams";

/// Which stream is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// That of one task.
    Task(TaskId),
    /// That of all tasks of the caller.
    Own,
}

impl Scope {
    fn word(self) -> String {
        match self {
            Self::Task(id) => id.to_string(),
            Self::Own => "own".to_owned(),
        }
    }
}

/// Signs and checks tickets.
pub(crate) struct Tickets {
    sign: EncodingKey,
    check: DecodingKey,
    validation: Validation,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: UserId,
    tenant: Tenant,
    roles: Vec<String>,
    stream: String,
    /// When the token ends for which the ticket was given, in seconds since 1970.
    until: u64,
    /// When the ticket ends.
    exp: u64,
}

/// A ticket as it is given.
pub(crate) struct Ticket {
    pub(crate) text: String,
    /// In seconds since 1970.
    pub(crate) expires_at: u64,
}

impl Tickets {
    /// # Errors
    /// When the secret cannot sign.
    pub(crate) fn new(secret: &SecretString) -> anyhow::Result<Self> {
        let secret = match secret.expose_secret().as_bytes() {
            [] => EncodingKey::from_secret(
                &[Uuid::new_v4(), Uuid::new_v4()]
                    .map(Uuid::into_bytes)
                    .concat(),
            ),
            secret => EncodingKey::from_secret(secret),
        };
        let key = jsonwebtoken::crypto::sign(PURPOSE, &secret, Algorithm::HS256)?;
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_aud = false;
        Ok(Self {
            sign: EncodingKey::from_secret(key.as_bytes()),
            check: DecodingKey::from_secret(key.as_bytes()),
            validation,
        })
    }

    /// A ticket by which the caller opens that stream.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(crate) fn give(&self, caller: &Caller, scope: Scope) -> anyhow::Result<Ticket> {
        let claims = Claims {
            sub: caller.user.clone(),
            tenant: caller.tenant.clone(),
            roles: caller.roles.clone(),
            stream: scope.word(),
            until: caller.expires_at,
            exp: caller.expires_at.min(now() + TICKET_SECONDS),
        };
        Ok(Ticket {
            text: jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.sign)?,
            expires_at: claims.exp,
        })
    }

    /// Who was given the ticket, if it opens that stream, now.
    pub(crate) fn check(&self, ticket: &str, scope: Scope) -> Option<Caller> {
        let claims = jsonwebtoken::decode::<Claims>(ticket, &self.check, &self.validation)
            .ok()?
            .claims;
        (claims.stream == scope.word()).then_some(Caller {
            tenant: claims.tenant,
            user: claims.sub,
            roles: claims.roles,
            expires_at: claims.until,
        })
    }
}

/// What is left until then, at most `most`.
pub(crate) fn left_until(expires_at: u64, most: Duration) -> Duration {
    Duration::from_secs(expires_at.saturating_sub(now())).min(most)
}

/// Seconds since 1970, by the clock by which tokens are checked.
fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}
