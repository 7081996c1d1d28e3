//! Files in a bucket of a real S3 server (s3s-fs), in the test's own process.

use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use reqwest::Method;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use service::{Settings, StorageBackend, StorageSettings};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::house::{DAY, House, manager};

const BUCKET: &str = "files";
const S3_SECRET: &str = "the-secret-of-the-test";
const NAME: &str = "员工信息_20260102_030405.xlsx";

struct Bucket {
    endpoint: String,
    _serving: JoinSet<()>,
}

impl Bucket {
    async fn open(root: &Path) -> Self {
        std::fs::create_dir(root.join(BUCKET)).unwrap();
        let files = s3s_fs::FileSystem::new(root).unwrap();
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single("quayside", S3_SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, service.build()));
        Self {
            endpoint,
            _serving: serving,
        }
    }

    fn configure(&self, settings: &mut Settings, presign: bool) {
        settings.storage = StorageSettings {
            backend: StorageBackend::S3,
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(self.endpoint.clone()),
            access_key_id: "quayside".to_owned(),
            secret_access_key: S3_SECRET.into(),
            path_style: true,
            presign,
            ..StorageSettings::default()
        };
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        connections.spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new());
            // A client may go away.
            drop(http.serve_connection(TokioIo::new(socket), service).await);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_sent_to_storage_where_that_is_offered_and_its_ranges_are_not() {
    let root = tempfile::tempdir().unwrap();
    let bucket = Bucket::open(root.path()).await;
    let house = House::open_with(|settings| bucket.configure(settings, true)).await;
    let task = house.an_export(&manager()).await;
    house.run(&task, NAME, b"0123456789", DAY).await;
    let path = format!("/api/v1/tasks/{task}/download");

    let sent = house.get(&manager(), &path).await;
    assert_eq!((sent.status, sent.body.len()), (303, 0));
    assert_eq!(sent.header("cache-control"), Some("no-store"));
    let address = sent.header("location").unwrap().to_owned();
    assert!(address.starts_with(&bucket.endpoint), "{address}");
    let fetched = reqwest::get(&address).await.unwrap();
    assert_eq!(fetched.status(), 200);
    let disposition = fetched.headers()["content-disposition"].to_str().unwrap();
    assert!(disposition.contains("%E5%91%98%E5%B7%A5"), "{disposition}");
    assert_eq!(fetched.bytes().await.unwrap().as_ref(), b"0123456789");

    let ask = |method: Method| house.request(method, &path).bearer_auth(manager());
    let part = house
        .send(ask(Method::GET).header("range", "bytes=3-5"))
        .await;
    assert_eq!((part.status, part.body.as_slice()), (206, &b"345"[..]));
    let head = house.send(ask(Method::HEAD)).await;
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some("10"))
    );
    let tag = head.header("etag").unwrap();
    let known = house
        .send(ask(Method::GET).header("if-none-match", tag))
        .await;
    assert_eq!(known.status, 304);

    house
        .database
        .execute("UPDATE task_file SET expires_at = UTC_TIMESTAMP(6)")
        .await;
    assert_eq!(house.get(&manager(), &path).await.problem(), "file_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_clients_do_not_reach_is_read_for_them_and_emptied_with_the_task() {
    let root = tempfile::tempdir().unwrap();
    let bucket = Bucket::open(root.path()).await;
    let house = House::open_with(|settings| bucket.configure(settings, false)).await;
    let task = house.an_export(&manager()).await;
    house.run(&task, NAME, b"0123456789", DAY).await;
    let path = format!("/api/v1/tasks/{task}");
    let whole = house.get(&manager(), &format!("{path}/download")).await;
    assert_eq!(
        (whole.status, whole.body.as_slice()),
        (200, &b"0123456789"[..])
    );
    let delete = house.request(Method::DELETE, &path).bearer_auth(manager());
    assert_eq!(house.send(delete).await.status, 204);
    let key = format!("test/{task}/e1/file");
    assert!(house.storage.get(&key, None).await.is_err());
}
