//! What the network does to a download, and where a download may lead.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::bucket::Bucket;
use crate::command::Ran;
use crate::house::{Bell, House};
use crate::relay::{Cut, Relay};

const ROWS: &str = "3000";

/// An export with a file of some 200 kB; its SHA-256.
async fn exported(house: &mut House) -> String {
    house.start_worker().await;
    assert_eq!(house.quay(&["seed", "employee", "--rows", ROWS]).code, 0);
    let done = house.quay(&["export", "employee", "--wait", "--json"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let task = done.json();
    assert!(task["files"][0]["size"].as_u64() > Some(100_000), "{task}");
    task["files"][0]["sha256"]
        .as_str()
        .expect("a hash")
        .to_owned()
}

fn sha256(path: &Path) -> String {
    hex::encode(Sha256::digest(std::fs::read(path).expect("a file")))
}

fn download(house: &House, url: &str, path: &Path) -> Ran {
    let path = path.to_str().expect("a plain path");
    house.quay_at(url, &["tasks", "download", "1", "-o", path])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_breaks_goes_on_where_it_broke() {
    let mut house = House::open(Bell::Embedded).await;
    let hash = exported(&mut house).await;
    let relay = Relay::before(house.url()).await;
    for _ in 0..2 {
        relay.cut_once("/download", Cut::Bytes(50_000));
    }
    let file = house.downloads().join("whole.xlsx");
    let saved = download(&house, &relay.url(), &file);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    assert!(
        saved.stderr.contains("going on from there"),
        "{}",
        saved.stderr
    );
    assert_eq!(sha256(&file), hash);
    let asked = relay.heard("/download");
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(!asked[0].contains("\r\nrange:"), "{}", asked[0]);
    for rest in &asked[1..] {
        assert!(rest.contains(&format!("if-range: \"{hash}\"")), "{rest}");
        assert!(rest.contains("\r\nrange: bytes="), "{rest}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_the_file_is_followed_without_the_token() {
    let bucket = Bucket::start().await;
    let on_the_way = Relay::before(&bucket.url()).await;
    let mut house = House::open_with(Bell::Embedded, &bucket.settings(&on_the_way.url())).await;
    let hash = exported(&mut house).await;
    let relay = Relay::before(house.url()).await;
    let folder = house.downloads().join("by-name/");
    let folder_with_slash = format!("{}/", folder.display());
    let saved = download(&house, &relay.url(), Path::new(&folder_with_slash));
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    let files: Vec<_> = std::fs::read_dir(&folder)
        .expect("made")
        .flatten()
        .collect();
    let [file] = &files[..] else {
        panic!("one file: {files:?}")
    };
    assert_eq!(sha256(&file.path()), hash);
    let name = file.file_name().into_string().expect("text");
    assert!(
        name.starts_with("员工信息_") && name.ends_with(".xlsx"),
        "{name}"
    );
    let [to_gateway] = &relay.heard("/download")[..] else {
        panic!("one request: {:?}", relay.heard(""))
    };
    assert!(
        to_gateway.contains("\r\nauthorization: bearer "),
        "{to_gateway}"
    );
    let by_link = on_the_way.heard("X-Amz-Signature");
    let [to_bucket] = &by_link[..] else {
        panic!("one request: {by_link:?}")
    };
    assert!(to_bucket.contains("\r\nuser-agent: quay/"), "{to_bucket}");
    for secret in ["authorization", "referer", "cookie"] {
        assert!(
            !to_bucket.contains(&format!("\r\n{secret}:")),
            "{to_bucket}"
        );
    }
    broken_at_the_bucket(&house, &relay, &on_the_way, &hash);
    drop(on_the_way);
    let away = download(&house, house.url(), &house.downloads().join("away.xlsx"));
    assert_eq!(away.code, 3, "{}", away.stderr);
    assert!(
        away.stderr.contains("the file store at http://127.0.0.1:"),
        "{}",
        away.stderr
    );
    assert!(
        !away.stderr.contains("X-Amz"),
        "a link is a right: {}",
        away.stderr
    );
}

/// The rest comes from the gateway, which knows by the hash that it is of the same file.
fn broken_at_the_bucket(house: &House, relay: &Relay, on_the_way: &Relay, hash: &str) {
    on_the_way.cut_once("X-Amz-Signature", Cut::Bytes(50_000));
    let file = house.downloads().join("resumed.xlsx");
    let saved = download(house, &relay.url(), &file);
    assert_eq!(saved.code, 0, "{}", saved.stderr);
    assert_eq!(sha256(&file), hash);
    let rest = relay.heard("/download").pop().expect("asked");
    assert!(rest.contains("\r\nrange: bytes="), "{rest}");
    assert!(rest.contains(&format!("if-range: \"{hash}\"")), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_of_anything_else_is_told_and_nothing_is_sent_there() {
    let house = House::open(Bell::Broken).await;
    let relay = Relay::before(house.url()).await;
    let elsewhere = Relay::before(house.url()).await;
    let moved = format!(
        "HTTP/1.1 301 Moved Permanently\r\nLocation: {}/api/v1/exports?secret\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
        elsewhere.url()
    );
    relay.answer("/exports", moved);
    let ran = house.quay_at(&relay.url(), &["export", "user"]);
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let says = format!("sends us on to {}\n", elsewhere.url());
    assert!(ran.stderr.contains(&says), "{}", ran.stderr);
    assert_eq!(elsewhere.heard(""), [""; 0]);
}
