//! Who is asking: the bearer token becomes a [`Caller`], or the request ends as 401.
//!
//! HS256 with the configured secret and nothing else: a token's own `alg` never chooses how it is
//! checked. `exp` must be there; issuer and audience are checked when configured. Tenant and roles
//! come from the token alone. Proven by `tests/it/auth.rs`.

use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use anyhow::ensure;
use domain::{Access, Dataset, Tenant, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret;
use serde::Deserialize;
use service::{AuthSettings, Environment};
use store::Visibility;

use crate::problem::{Code, Problem};
use crate::state::State;

/// Least length of the secret outside development: the output of SHA-256 (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// The role that may do everything within its tenant.
const SUPER_ADMIN: &str = "SUPER_ADMIN";

/// The role that looks after work that went wrong.
pub(crate) const OPERATOR: &str = "OPERATOR";

/// Checks tokens.
pub(crate) struct Authenticator {
    key: DecodingKey,
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    sub: UserId,
    tenant: Tenant,
    #[serde(default)]
    roles: Vec<String>,
    /// Seconds since 1970, perhaps with a fraction (RFC 7519, 2).
    exp: f64,
}

impl Authenticator {
    /// # Errors
    /// When there is no secret, or a short one outside development. There is no default.
    pub(crate) fn new(settings: &AuthSettings, environment: Environment) -> anyhow::Result<Self> {
        let secret = settings.jwt_secret.expose_secret().as_bytes();
        ensure!(
            !secret.is_empty(),
            "auth.jwt_secret is not set (QUAYSIDE__AUTH__JWT_SECRET); there is no default"
        );
        ensure!(
            secret.len() >= MIN_SECRET_BYTES || environment == Environment::Development,
            "auth.jwt_secret is shorter than {MIN_SECRET_BYTES} bytes, which only \
             environment = \"development\" allows"
        );
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = 0;
        validation.validate_nbf = true;
        validation.set_required_spec_claims(&["exp", "sub"]);
        match &settings.issuer {
            Some(issuer) => {
                validation.set_issuer(&[issuer]);
                validation.required_spec_claims.insert("iss".to_owned());
            }
            None => validation.iss = None,
        }
        match &settings.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.required_spec_claims.insert("aud".to_owned());
            }
            None => validation.validate_aud = false,
        }
        Ok(Self {
            key: DecodingKey::from_secret(secret),
            validation,
        })
    }

    fn check(&self, request: &HttpRequest) -> Result<Caller, &'static str> {
        let header = request
            .headers()
            .get(header::AUTHORIZATION)
            .ok_or("there is no token")?;
        let (scheme, token) = header
            .to_str()
            .ok()
            .and_then(|header| header.split_once(' '))
            .ok_or("the Authorization header is not `Bearer <token>`")?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err("the Authorization header is not `Bearer <token>`");
        }
        let token = jsonwebtoken::decode::<Claims>(token.trim(), &self.key, &self.validation)
            .map_err(|error| refusal(error.kind()))?;
        let Claims {
            sub,
            tenant,
            roles,
            exp,
        } = token.claims;
        Ok(Caller {
            tenant,
            user: sub,
            roles,
            // Not negative: that would have expired.
            expires_at: Duration::try_from_secs_f64(exp).map_or(u64::MAX, |exp| exp.as_secs()),
        })
    }
}

/// `401 unauthenticated`.
pub(crate) fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail).with_header(header::WWW_AUTHENTICATE, "Bearer")
}

/// What a client is told; never how close it came.
fn refusal(kind: &jsonwebtoken::errors::ErrorKind) -> &'static str {
    match kind {
        jsonwebtoken::errors::ErrorKind::ExpiredSignature => "the token has expired",
        _ => "the token is not valid",
    }
}

/// The user behind a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) tenant: Tenant,
    pub(crate) user: UserId,
    pub(crate) roles: Vec<String>,
    /// When the token ends, in seconds since 1970.
    pub(crate) expires_at: u64,
}

impl Caller {
    /// Who sent the request, by its token.
    ///
    /// # Errors
    /// `401 unauthenticated`.
    pub(crate) fn of(state: &State, request: &HttpRequest) -> Result<Self, Problem> {
        state.authenticator.check(request).map_err(unauthenticated)
    }

    /// Whose quota a thing counts on.
    pub(crate) fn key(&self) -> (Tenant, UserId) {
        (self.tenant.clone(), self.user.clone())
    }

    pub(crate) fn is_super_admin(&self) -> bool {
        self.roles.iter().any(|role| role == SUPER_ADMIN)
    }

    /// Whether the caller may read what is for operators, of what it may see at all.
    pub(crate) fn is_operator(&self) -> bool {
        self.is_super_admin() || self.roles.iter().any(|role| role == OPERATOR)
    }

    pub(crate) fn may_export(&self, dataset: &Dataset) -> bool {
        self.is_super_admin() || dataset.may_export(&self.roles)
    }

    pub(crate) fn may_import(&self, dataset: &Dataset) -> bool {
        self.is_super_admin() || dataset.may_import(&self.roles)
    }

    /// What of a dataset the caller may see.
    pub(crate) fn access(&self, dataset: &Dataset) -> Access {
        Access {
            sensitive: self.is_super_admin() || dataset.may_see_sensitive(&self.roles),
        }
    }

    /// The tasks that the caller submitted.
    pub(crate) fn own(&self) -> Visibility {
        Visibility {
            tenant: self.tenant.clone(),
            user: Some(self.user.clone()),
        }
    }

    /// The tasks that the caller may reach by id: its own, or the whole tenant's for a SUPER_ADMIN.
    pub(crate) fn reach(&self) -> Visibility {
        let user = (!self.is_super_admin()).then(|| self.user.clone());
        Visibility {
            tenant: self.tenant.clone(),
            user,
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(state) = request.app_data::<web::Data<State>>() else {
            return ready(Err(Problem::internal(anyhow::anyhow!(
                "the app has no state"
            ))));
        };
        ready(Self::of(state, request))
    }
}
