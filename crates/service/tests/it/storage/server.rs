//! A real S3 server (s3s-fs) in the test's own process, on a port of its own. Before it answers it
//! can be told to fall silent, or to refuse, for one kind of request; it remembers what it was asked.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3ErrorCode, S3Result, s3_error};
use service::{StorageBackend, StorageSettings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const BUCKET: &str = "files";
pub(crate) const SECRET: &str = "the-secret-of-the-test";

/// What the server does instead of answering.
#[derive(Clone)]
pub(crate) enum Mood {
    Silent,
    Refusing(S3ErrorCode),
}

#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    asked: Vec<String>,
    mood: Option<(&'static str, Mood)>,
}

#[async_trait::async_trait]
impl S3Access for Desk {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        if cx.credentials().is_none() {
            return Err(s3_error!(AccessDenied, "a signature is required"));
        }
        let operation = cx.s3_op().name();
        let mood = {
            let mut book = self.0.lock().unwrap();
            book.asked.push(operation.to_owned());
            book.mood.clone()
        };
        match mood {
            Some((moody, Mood::Silent)) if moody == operation => std::future::pending().await,
            Some((moody, Mood::Refusing(code))) if moody == operation => Err(code.into()),
            Some(_) | None => Ok(()),
        }
    }
}

pub(crate) struct S3Server {
    pub(crate) address: SocketAddr,
    desk: Desk,
    serving: JoinSet<()>,
}

impl S3Server {
    /// Serves the directory `root`, with one empty bucket.
    pub(crate) async fn start(root: &Path) -> Self {
        std::fs::create_dir(root.join(BUCKET)).unwrap();
        let desk = Desk::default();
        let files = s3s_fs::FileSystem::new(root).unwrap();
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single("quayside", SECRET));
        service.set_access(desk.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, service.build()));
        Self {
            address,
            desk,
            serving,
        }
    }

    pub(crate) fn settings(&self) -> StorageSettings {
        StorageSettings {
            backend: StorageBackend::S3,
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(format!("http://{}", self.address)),
            access_key_id: "quayside".to_owned(),
            secret_access_key: SECRET.into(),
            path_style: true,
            request_seconds: 1,
            presign: true,
            ..StorageSettings::default()
        }
    }

    /// From now on, requests of this kind get no other answer.
    pub(crate) fn set_mood(&self, operation: &'static str, mood: Mood) {
        self.desk.0.lock().unwrap().mood = Some((operation, mood));
    }

    /// What the server was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.desk.0.lock().unwrap().asked.clone()
    }

    /// Closes all connections and the port.
    pub(crate) async fn stop(&mut self) {
        self.serving.shutdown().await;
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new());
            // A client that goes away is what some tests are about.
            drop(http.serve_connection(TokioIo::new(socket), service).await);
        });
    }
}
