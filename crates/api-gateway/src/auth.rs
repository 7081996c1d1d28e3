//! Who is asking: the bearer token becomes a [`Caller`], or the request ends as 401; as 503 when the
//! identity provider is needed and away.
//!
//! HS256 with the configured secret; RS256, ES256 and EdDSA with the provider's keys (`jwks`). Each
//! key fixes its own algorithm: a token's `alg` only says among which keys to look, and a public key
//! is never a secret. `exp` must be there; issuer and audience are checked when configured. Tenant and
//! roles come from the token alone. Proven by `tests/it/auth.rs`.

mod jwks;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use anyhow::ensure;
use domain::{Access, Dataset, Tenant, UserId};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret;
use serde::Deserialize;
use service::{AuthSettings, Environment, Lifecycle};
use store::Visibility;

use jwks::{KeySet, Missing};

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
    secret: Option<DecodingKey>,
    keys: Option<Arc<KeySet>>,
    /// What holds whatever the algorithm.
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
    /// When there is neither a secret nor a provider, or a short secret outside development. There is
    /// no default.
    pub(crate) fn new(settings: &AuthSettings, environment: Environment) -> anyhow::Result<Self> {
        let secret = settings.jwt_secret.expose_secret().as_bytes();
        ensure!(
            !secret.is_empty() || settings.jwks_url.is_some(),
            "auth.jwt_secret is not set (QUAYSIDE__AUTH__JWT_SECRET), nor is auth.jwks_url; there is \
             no default"
        );
        ensure!(
            secret.is_empty()
                || secret.len() >= MIN_SECRET_BYTES
                || environment == Environment::Development,
            "auth.jwt_secret is shorter than {MIN_SECRET_BYTES} bytes, which only \
             environment = \"development\" allows"
        );
        let keys = settings.jwks_url.as_deref();
        let keys = keys.map(|url| KeySet::new(url, settings.jwks_refresh()));
        let mut validation = Validation {
            leeway: 0,
            validate_nbf: true,
            ..Validation::default()
        };
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
            secret: (!secret.is_empty()).then(|| DecodingKey::from_secret(secret)),
            keys: keys.transpose()?.map(Arc::new),
            validation,
        })
    }

    /// Fetches the provider's keys, where there is one, until the soft shutdown.
    pub(crate) fn start(&self, lifecycle: &Lifecycle) {
        if let Some(keys) = &self.keys {
            keys.start(lifecycle);
        }
    }

    async fn check(&self, request: &HttpRequest) -> Result<Caller, Problem> {
        let token = bearer(request).map_err(unauthenticated)?;
        let header = jsonwebtoken::decode_header(token).map_err(|error| refusal(&error))?;
        let claims = match header.alg {
            Algorithm::HS256 => {
                let secret = self.secret.as_ref().ok_or_else(invalid)?;
                self.claims(token, secret, Algorithm::HS256)?
            }
            Algorithm::RS256 | Algorithm::ES256 | Algorithm::EdDSA => {
                let keys = self.keys.as_ref().ok_or_else(invalid)?;
                let key = keys.find(&header).await.map_err(Problem::from)?;
                self.claims(token, &key.check, key.algorithm)?
            }
            _ => return Err(invalid()),
        };
        Ok(Caller {
            tenant: claims.tenant,
            user: claims.sub,
            roles: claims.roles,
            // Not negative: that would have expired.
            expires_at: Duration::try_from_secs_f64(claims.exp)
                .map_or(u64::MAX, |exp| exp.as_secs()),
        })
    }

    /// What the token says, by a key and the algorithm that it is for.
    fn claims(&self, token: &str, key: &DecodingKey, by: Algorithm) -> Result<Claims, Problem> {
        let mut validation = self.validation.clone();
        validation.algorithms = vec![by];
        let token = jsonwebtoken::decode::<Claims>(token, key, &validation);
        Ok(token.map_err(|error| refusal(&error))?.claims)
    }
}

/// The token of a request.
fn bearer(request: &HttpRequest) -> Result<&str, &'static str> {
    let header = request.headers().get(header::AUTHORIZATION);
    let header = header.ok_or("there is no token")?.to_str().ok();
    header
        .and_then(|header| header.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim())
        .ok_or("the Authorization header is not `Bearer <token>`")
}

/// `401 unauthenticated`.
pub(crate) fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Code::Unauthenticated, detail).with_header(header::WWW_AUTHENTICATE, "Bearer")
}

/// What a client is told; never how close it came.
fn refusal(error: &Error) -> Problem {
    match error.kind() {
        ErrorKind::ExpiredSignature => unauthenticated("the token has expired"),
        _ => invalid(),
    }
}

fn invalid() -> Problem {
    unauthenticated("the token is not valid")
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Key => invalid(),
            Missing::Provider => Self::provider_away(),
        }
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
    /// `401 unauthenticated`; `503 identity_unavailable` when nobody can tell.
    pub(crate) async fn of(state: &State, request: &HttpRequest) -> Result<Self, Problem> {
        state.authenticator.check(request).await
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
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let state = request.app_data::<web::Data<State>>();
            let state =
                state.ok_or_else(|| Problem::internal(anyhow::anyhow!("the app has no state")))?;
            Self::of(state, &request).await
        }
        .boxed_local()
    }
}
