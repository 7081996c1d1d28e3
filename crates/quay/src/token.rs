//! `quay token`: a signed token on stdout and nothing else.

use domain::{Tenant, UserId};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::cli::{TokenArgs, given};
use crate::exit::{Exit, Failure};
use crate::print::answer;

/// The claims of api.md, ground rules.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    tenant: &'a str,
    roles: &'a [String],
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

pub(crate) fn run(args: &TokenArgs) -> Result<Exit, Failure> {
    answer(sign(args, jsonwebtoken::get_current_timestamp())?);
    Ok(Exit::Done)
}

/// Signs the claims; `now` in seconds since 1970.
fn sign(args: &TokenArgs, now: u64) -> Result<String, Failure> {
    let secret = given(args.secret.as_deref()).ok_or_else(|| {
        Failure::usage("no secret to sign with").advise(
            "Set QUAYSIDE_JWT_SECRET to the gateway's [auth] jwt_secret, or give --secret.\n\
             On your own machine: ./dev token --user 7 --role MANAGER",
        )
    })?;
    UserId::parse(args.user.as_str()).map_err(|wrong| Failure::usage(wrong.to_string()))?;
    Tenant::parse(args.tenant.as_str()).map_err(|wrong| Failure::usage(wrong.to_string()))?;
    let claims = Claims {
        sub: &args.user,
        tenant: &args.tenant,
        roles: &args.roles,
        iat: now,
        exp: now + args.expires_in,
        iss: args.issuer.as_deref(),
        aud: args.audience.as_deref(),
    };
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(|error| Failure::local("cannot sign the token", error))
}
