//! An identity provider: a real HTTP server that serves a set of keys, or does worse; and its keys.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::house::from_now;

/// Keys of these tests alone: whoever reads them can sign for nobody.
pub(super) const RSA: &[u8] = include_bytes!("keys/rsa.pem");
pub(super) const RSA_OTHER: &[u8] = include_bytes!("keys/rsa_other.pem");
pub(super) const RSA_SHORT: &[u8] = include_bytes!("keys/rsa_short.pem");
pub(super) const EC: &[u8] = include_bytes!("keys/ec.pem");
pub(super) const ED: &[u8] = include_bytes!("keys/ed.pem");

fn encoding(pem: &[u8], by: Algorithm) -> EncodingKey {
    let key = match by {
        Algorithm::ES256 => EncodingKey::from_ec_pem(pem),
        Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
        _ => EncodingKey::from_rsa_pem(pem),
    };
    key.unwrap()
}

/// The public key as a set shows it.
pub(super) fn jwk(kid: &str, pem: &[u8], by: Algorithm) -> Value {
    let jwk = Jwk::from_encoding_key(&encoding(pem, by), by).unwrap();
    let mut jwk = serde_json::to_value(jwk).unwrap();
    jwk["kid"] = kid.into();
    jwk["use"] = "sig".into();
    jwk
}

/// What user 7 of acme, a MANAGER, is.
pub(super) fn claims() -> Value {
    json!({"sub": "7", "tenant": "acme", "roles": ["MANAGER"], "exp": from_now(600)})
}

pub(super) fn signed(kid: Option<&str>, pem: &[u8], by: Algorithm, claims: &Value) -> String {
    let header = Header {
        kid: kid.map(str::to_owned),
        ..Header::new(by)
    };
    jsonwebtoken::encode(&header, claims, &encoding(pem, by)).unwrap()
}

/// What it answers.
#[derive(Clone)]
pub(super) enum Mood {
    Keys(Vec<Value>),
    /// A status and a body.
    Other(u16, Vec<u8>),
    /// Nothing at all.
    Silent,
}

pub(super) struct Provider {
    pub(super) url: String,
    pub(super) port: u16,
    mood: Arc<Mutex<Mood>>,
    fetches: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Provider {
    pub(super) async fn open(keys: Vec<Value>) -> Self {
        Self::open_at(0, Mood::Keys(keys)).await
    }

    pub(super) async fn open_at(port: u16, mood: Mood) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mood, fetches) = (Arc::new(Mutex::new(mood)), Arc::<AtomicUsize>::default());
        let (told, count) = (mood.clone(), fetches.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mood = told.lock().unwrap().clone();
                connections.spawn(answer(stream, mood));
            }
        });
        Self {
            url: format!("http://127.0.0.1:{port}/keys"),
            port,
            mood,
            fetches,
            _serving: serving,
        }
    }

    pub(super) fn turn(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// Waits until it was asked so many times more.
    pub(super) async fn asked_again(&self, times: usize) {
        let until = self.fetches() + times;
        eventually("the provider is asked", async || self.fetches() >= until).await;
    }
}

pub(super) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// One answer a connection, so that connections are fetches.
async fn answer(mut stream: TcpStream, mood: Mood) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let (status, body) = match mood {
        Mood::Keys(keys) => (200, json!({"keys": keys}).to_string().into_bytes()),
        Mood::Other(status, body) => (status, body),
        Mood::Silent => {
            // Until the client gives up.
            drop(stream.read_u8().await);
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\
         location: http://127.0.0.1:1/\r\n\r\n",
        body.len()
    );
    let answer = [head.into_bytes(), body].concat();
    // The client may have heard enough.
    drop(stream.write_all(&answer).await);
}
