//! What only a bucket must be watched for: labels, addresses for downloads, where the bucket stands,
//! and in which requests a file is sent.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::channel::mpsc;
use reqwest::header;
use service::{Label, Storage, StorageSettings};
use testkit::eventually;

use super::place::{MIB, Place, broken_after, in_pieces, noise, put, read};

const AN_HOUR: Duration = Duration::from_secs(3_600);

fn browser() -> reqwest::Client {
    reqwest::Client::builder().build().unwrap()
}

async fn address(storage: &Storage, key: &str) -> String {
    storage.presigned(key, AN_HOUR).await.unwrap().unwrap()
}

#[tokio::test]
async fn anybody_with_a_presigned_address_downloads_the_file_under_its_chinese_name() {
    let place = Place::s3().await;
    let storage = place.storage();
    for length in [3, 6 * MIB] {
        let content = noise(length);
        put(&storage, "t/e1/1.xlsx", &content).await;
        let url = address(&storage, "t/e1/1.xlsx").await;
        let answer = browser().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let told = answer.headers();
        assert_eq!(
            told[header::CONTENT_DISPOSITION],
            "attachment; filename=\"_.xlsx\"; filename*=UTF-8''%E6%88%90%E5%91%98.xlsx"
        );
        assert_eq!(
            told[header::CONTENT_TYPE],
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        );
        assert_eq!(told[header::CACHE_CONTROL], "private, no-cache");
        assert!(answer.bytes().await.unwrap() == content);
        let part = browser().get(&url).header(header::RANGE, "bytes=1-2");
        let part = part.send().await.unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(part.bytes().await.unwrap(), content[1..3]);
    }
}

#[tokio::test]
async fn a_presigned_address_is_good_for_nothing_else() {
    let place = Place::s3().await;
    let storage = place.storage();
    put(&storage, "t/a", &Bytes::from("a")).await;
    put(&storage, "t/b", &Bytes::from("b")).await;
    let url = address(&storage, "t/a").await;
    let bare = url.split('?').next().unwrap();
    for denied in [
        browser().get(url.replace("/t/a?", "/t/b?")),
        browser().get(url.replace("Expires=300", "Expires=301")),
        browser().get(bare),
        browser().put(&url).body("mine"),
        browser().delete(&url),
    ] {
        assert_eq!(denied.send().await.unwrap().status(), 403);
    }
    assert_eq!(read(&storage, "t/a", None).await, "a");
}

#[tokio::test]
async fn a_presigned_address_ends_with_the_shorter_of_setting_and_wish() {
    let place = Place::s3().await;
    let storage = place.storage();
    put(&storage, "t/a", &Bytes::from("a")).await;
    let by_setting = address(&storage, "t/a").await;
    assert!(by_setting.contains("X-Amz-Expires=300&"), "{by_setting}");
    let second = Duration::from_millis(1_900);
    let by_wish = storage.presigned("t/a", second).await.unwrap().unwrap();
    assert!(by_wish.contains("X-Amz-Expires=1&"), "{by_wish}");
    eventually("the address to end", async || {
        let answer = browser().get(&by_wish).send().await.unwrap();
        (answer.status() == 403).then_some(())
    })
    .await;
    let nothing_left = Duration::from_millis(999);
    assert_eq!(storage.presigned("t/a", nothing_left).await.unwrap(), None);
}

#[tokio::test]
async fn there_is_no_presigned_address_unless_the_setting_says_so() {
    let mut place = Place::s3().await;
    place.settings.presign = false;
    let none = place.storage().presigned("t/a", AN_HOUR).await;
    assert_eq!(none.unwrap(), None);
}

#[tokio::test]
async fn the_bucket_stands_in_the_host_unless_told_otherwise() {
    let amazon = StorageSettings {
        path_style: false,
        endpoint: None,
        region: "eu-west-1".to_owned(),
        ..Place::s3().await.settings
    };
    let own = StorageSettings {
        endpoint: Some("https://s3.example.com:9000".to_owned()),
        ..amazon.clone()
    };
    let in_path = StorageSettings {
        path_style: true,
        ..own.clone()
    };
    for (settings, begin) in [
        (amazon, "https://files.s3.eu-west-1.amazonaws.com/t/a?"),
        (own, "https://files.s3.example.com:9000/t/a?"),
        (in_path, "https://s3.example.com:9000/files/t/a?"),
    ] {
        let url = address(&Storage::open(&settings).unwrap(), "t/a").await;
        assert!(url.starts_with(begin), "{url}");
    }
}

#[tokio::test]
async fn a_prefix_keeps_installations_apart() {
    let mut place = Place::s3().await;
    let whole = place.storage();
    place.settings.prefix = "quayside/test".to_owned();
    let mine = place.storage();
    place.settings.prefix = "quayside/te".to_owned();
    let other = place.storage();
    put(&mine, "t/e1/a", &Bytes::from("mine")).await;
    put(&other, "t/e1/a", &Bytes::from("other")).await;
    assert!(place.root().join("quayside/test/t/e1/a").exists());
    assert_eq!(mine.directories("t").await.unwrap(), ["e1"]);
    other.delete_prefix("t").await.unwrap();
    assert!(other.get("t/e1/a", None).await.is_err());
    assert_eq!(read(&mine, "t/e1/a", None).await, "mine");
    assert_eq!(read(&whole, "quayside/test/t/e1/a", None).await, "mine");
    place.settings.prefix = "../up".to_owned();
    assert!(Storage::open(&place.settings).is_err());
}

#[tokio::test]
async fn a_small_file_is_one_request_and_a_large_one_is_sent_while_it_comes() {
    let place = Place::s3().await;
    let storage = place.storage();
    put(&storage, "t/small", &noise(5 * MIB)).await;
    assert_eq!(place.server().asked(), ["PutObject"]);
    // The rest of the content comes only after the server has been asked for its first part.
    let (rest, later) = mpsc::unbounded();
    let content = in_pieces(&noise(6 * MIB)).chain(later);
    let label = Label::new("a.zip");
    let feeding = async {
        eventually("a part to be sent", async || {
            let asked = place.server().asked();
            asked.iter().any(|name| name == "UploadPart").then_some(())
        })
        .await;
        rest.unbounded_send(Ok(noise(10 * MIB))).unwrap();
        rest.close_channel();
    };
    let (stored, ()) = tokio::join!(storage.put("t/large", &label, content), feeding);
    assert_eq!(stored.unwrap().size, 16 * MIB as u64);
    let mut asked = place.server().asked().split_off(1);
    assert_eq!(asked.remove(0), "CreateMultipartUpload");
    assert_eq!(asked.pop().unwrap(), "CompleteMultipartUpload");
    assert_eq!(asked, ["UploadPart"; 4]);
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted_after_its_last_part() {
    let place = Place::s3().await;
    let broken = broken_after(&noise(12 * MIB));
    let storage = place.storage();
    let label = Label::new("a.xlsx");
    storage.put("t/a", &label, broken).await.unwrap_err();
    let asked = place.server().asked();
    assert_eq!(
        asked,
        [
            "CreateMultipartUpload",
            "UploadPart",
            "UploadPart",
            "AbortMultipartUpload"
        ]
    );
}
