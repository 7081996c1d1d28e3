use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use tokio::runtime::Handle;

use crate::house::{Answer, DAY, House, manager};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const NAME: &str = "员工信息_20260102_030405.xlsx";

struct Exported {
    house: House,
    task: String,
}

impl Exported {
    async fn new() -> Self {
        let house = House::open().await;
        let task = house.an_export(&manager()).await;
        house.run(&task, NAME, b"0123456789", DAY).await;
        Self { house, task }
    }

    fn download(&self) -> String {
        format!("/api/v1/tasks/{}/download", self.task)
    }

    async fn with(&self, header: &[(&'static str, &str)]) -> Answer {
        let mut request = self
            .house
            .request(Method::GET, &self.download())
            .bearer_auth(manager());
        for (name, value) in header {
            request = request.header(*name, *value);
        }
        self.house.send(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_whole_with_name_size_and_tag() {
    let exported = Exported::new().await;
    let answer = exported.with(&[]).await;
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, &b"0123456789"[..])
    );
    assert_eq!(answer.header("content-type"), Some(XLSX));
    assert_eq!(answer.header("content-length"), Some("10"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        answer.header("content-disposition"),
        Some(
            "attachment; filename=\"__20260102_030405.xlsx\"; \
             filename*=UTF-8''%E5%91%98%E5%B7%A5%E4%BF%A1%E6%81%AF_20260102_030405.xlsx"
        )
    );
    // SHA-256 of the ten digits.
    let sha256 = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    assert_eq!(
        answer.header("etag"),
        Some(format!("\"{sha256}\"").as_str())
    );

    let shown = exported
        .house
        .get(&manager(), &format!("/api/v1/tasks/{}", exported.task))
        .await;
    let file = &shown.json()["files"][0];
    assert_eq!(file["sha256"], sha256);
    assert_eq!(
        (&file["role"], &file["state"]),
        (&"ARTIFACT".into(), &"AVAILABLE".into())
    );
    assert!(!String::from_utf8_lossy(&shown.body).contains("object_key"));
    let id = file["id"].as_str().unwrap();
    let path = format!("/api/v1/tasks/{}/files/{id}", exported.task);
    assert_eq!(
        exported.house.get(&manager(), &path).await.body,
        b"0123456789"
    );
    let other = format!("/api/v1/tasks/{}/files/{id}0", exported.task);
    assert_eq!(
        exported.house.get(&manager(), &other).await.problem(),
        "not_found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_tells_the_size_and_sends_nothing() {
    let exported = Exported::new().await;
    let head = exported
        .house
        .request(Method::HEAD, &exported.download())
        .bearer_auth(manager());
    let answer = exported.house.send(head).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-length"), Some("10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_range_is_served_and_anything_odd_gets_the_whole_file() {
    let exported = Exported::new().await;
    for (range, bytes, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=3-5", "345", "bytes 3-5/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=5-99", "56789", "bytes 5-9/10"),
    ] {
        let answer = exported.with(&[("range", range)]).await;
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (206, bytes.as_bytes()),
            "{range}"
        );
        assert_eq!(
            answer.header("content-range"),
            Some(content_range),
            "{range}"
        );
    }
    for range in ["bytes=0-1,3-4", "rows=1-2", "bytes=x"] {
        assert_eq!(
            exported.with(&[("range", range)]).await.status,
            200,
            "{range}"
        );
    }
    let outside = exported.with(&[("range", "bytes=10-")]).await;
    assert_eq!(
        (outside.status, outside.problem().as_str()),
        (416, "range_not_satisfiable")
    );
    assert_eq!(outside.header("content-range"), Some("bytes */10"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_another_file_gets_the_whole_one_and_a_known_file_is_not_sent() {
    let exported = Exported::new().await;
    let tag = exported.with(&[]).await.header("etag").unwrap().to_owned();
    let part = [("range", "bytes=1-2")];
    let same = [part[0], ("if-range", tag.as_str())];
    let other = [part[0], ("if-range", "\"other\"")];
    assert_eq!(exported.with(&same).await.status, 206);
    assert_eq!(exported.with(&other).await.status, 200);
    let known = exported.with(&[("if-none-match", tag.as_str())]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_before_there_is_a_file_is_409_with_a_time_to_come_back() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let path = format!("/api/v1/tasks/{task}/download");
    for _running in [false, true] {
        let answer = house.get(&manager(), &path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (409, "not_ready")
        );
        assert!(answer.header("retry-after").is_some());
        if !_running {
            house.claim(&task).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_time_is_over_or_that_is_gone_is_410() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    house.run(&task, NAME, b"abc", Duration::ZERO).await;
    let path = format!("/api/v1/tasks/{task}");
    let shown = house.get(&manager(), &path).await.json();
    assert_eq!(shown["files"][0]["state"], "EXPIRED");
    let answer = house.get(&manager(), &format!("{path}/download")).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (410, "file_expired")
    );

    let gone = house.an_export(&manager()).await;
    house.run(&gone, NAME, b"abc", DAY).await;
    house.storage.delete_prefix("test").await.unwrap();
    let answer = house
        .get(&manager(), &format!("/api/v1/tasks/{gone}/download"))
        .await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (410, "file_expired")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_and_a_zip_are_called_what_they_are() {
    let house = House::open().await;
    for (name, media) in [
        ("员工信息.csv", "text/csv; charset=utf-8"),
        ("员工信息.zip", "application/zip"),
        ("员工信息", "application/octet-stream"),
    ] {
        let task = house.an_export(&manager()).await;
        house.run(&task, name, b"abc", DAY).await;
        let path = format!("/api/v1/tasks/{task}/download");
        let answer = house.get(&manager(), &path).await;
        assert_eq!(answer.header("content-type"), Some(media), "{name}");
    }
}

/// Bytes of the file that is put together from ranges: several of storage's own pieces.
const SIZE: usize = 50_000;

/// Where the file is cut, in which order the parts are asked for, and how: a number for each part.
fn cuts() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    proptest::collection::vec(0..=SIZE, 0..6)
        .prop_map(|mut cuts| {
            cuts.extend([0, SIZE]);
            cuts.sort_unstable();
            cuts.dedup();
            cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
        })
        .prop_flat_map(|parts: Vec<(usize, usize)>| Just(parts).prop_shuffle())
        .prop_flat_map(|parts| {
            let ways = proptest::collection::vec(0_u8..4, parts.len());
            (Just(parts), ways)
        })
        .prop_map(|(parts, ways)| {
            let parts = parts.into_iter().zip(ways);
            parts.map(|((from, to), way)| (from, to, way)).collect()
        })
}

/// One range, said in one of the ways in which it can be said.
fn range((from, to, way): (usize, usize, u8)) -> String {
    match way {
        0 if to == SIZE => format!("bytes={from}-"),
        1 if to == SIZE => format!("bytes=-{}", to - from),
        2 if to == SIZE => format!("bytes={from}-{}", SIZE * 2),
        _ => format!("bytes={from}-{}", to - 1),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_put_together_equal_the_file_wherever_it_is_cut() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let content: Vec<u8> = (0..SIZE)
        .map(|place| u8::try_from(place * 31 % 251).unwrap())
        .collect();
    let content: &'static [u8] = content.leak();
    house.run(&task, NAME, content, DAY).await;
    let exported = Exported { house, task };
    let tag = exported.with(&[]).await.header("etag").unwrap().to_owned();
    let config = Config {
        cases: 24,
        ..Config::default()
    };
    let fetch = async |parts: Vec<(usize, usize, u8)>| {
        let mut file = vec![0; SIZE];
        for part in parts {
            let asked = range(part);
            let headers = [("range", asked.as_str()), ("if-range", tag.as_str())];
            let answer = exported.with(&headers).await;
            let (from, to, _) = part;
            let sent = format!("bytes {from}-{}/{SIZE}", to - 1);
            assert_eq!(
                (answer.status, answer.header("content-range")),
                (206, Some(sent.as_str()))
            );
            file[from..to].copy_from_slice(&answer.body);
        }
        file
    };
    TestRunner::new(config)
        .run(&cuts(), |parts| {
            let file = tokio::task::block_in_place(|| Handle::current().block_on(fetch(parts)));
            prop_assert!(file == content, "the parts make another file");
            Ok(())
        })
        .unwrap();
}
