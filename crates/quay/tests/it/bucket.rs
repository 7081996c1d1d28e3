//! A real S3 server (s3s-fs) with one bucket, in the test's own process.

use std::net::SocketAddr;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const BUCKET: &str = "files";
const KEY: &str = "quayside";
const SECRET: &str = "the secret of one bucket";

/// Ends when it is dropped.
pub(crate) struct Bucket {
    address: SocketAddr,
    _serving: JoinSet<()>,
    _root: TempDir,
}

impl Bucket {
    pub(crate) async fn start() -> Self {
        let root = TempDir::new().expect("a directory");
        std::fs::create_dir(root.path().join(BUCKET)).expect("a bucket");
        let files = s3s_fs::FileSystem::new(root.path()).expect("a file system");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, service.build()));
        Self {
            address,
            _serving: serving,
            _root: root,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What makes a house keep its files here, reached by way of `endpoint`.
    pub(crate) fn settings<'a>(&self, endpoint: &'a str) -> [(&'static str, &'a str); 8] {
        [
            ("QUAYSIDE__STORAGE__BACKEND", "s3"),
            ("QUAYSIDE__STORAGE__BUCKET", BUCKET),
            ("QUAYSIDE__STORAGE__REGION", "us-east-1"),
            ("QUAYSIDE__STORAGE__ENDPOINT", endpoint),
            ("QUAYSIDE__STORAGE__ACCESS_KEY_ID", KEY),
            ("QUAYSIDE__STORAGE__SECRET_ACCESS_KEY", SECRET),
            ("QUAYSIDE__STORAGE__PATH_STYLE", "true"),
            ("QUAYSIDE__STORAGE__PRESIGN", "true"),
        ]
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new());
            // A client that goes away ends its connection, and nothing else.
            drop(http.serve_connection(TokioIo::new(socket), service).await);
        });
    }
}
