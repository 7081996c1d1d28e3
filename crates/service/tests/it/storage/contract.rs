//! What storage promises wherever files lie; every law is run on a local directory and on S3.

use bytes::Bytes;
use hex::encode;
use service::{Label, Storage, StorageError, Stored};
use sha2::{Digest, Sha256};

use super::place::{MIB, Place, broken_after, in_pieces, noise, put, put_error, read};

pub(crate) async fn what_was_put_is_got_hashed_and_whole(place: Place) {
    let storage = place.storage();
    let key = "ac=E6=88=90me/tasks/1/e1/a b.xlsx";
    let stored = put(&storage, key, &Bytes::from("abc")).await;
    assert_eq!(stored.size, 3);
    // The test vector of FIPS 180-2 for "abc".
    assert_eq!(
        stored.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(read(&storage, key, None).await, "abc");
    assert_eq!(read(&storage, key, Some(1..2)).await, "b");
    let object = storage.get(key, Some(1..99)).await.unwrap();
    assert_eq!((object.size, object.range), (3, 1..3));
}

pub(crate) async fn a_file_of_any_number_of_parts_arrives_whole(place: Place) {
    let storage = place.storage();
    for length in [0, 5 * MIB, 5 * MIB + 1, 10 * MIB, 23_000_000] {
        let content = noise(length);
        let stored = put(&storage, "t/e1/big", &content).await;
        let sha256 = encode(Sha256::digest(&content));
        let size = length as u64;
        assert_eq!(stored, Stored { size, sha256 });
        assert!(
            read(&storage, "t/e1/big", None).await == content,
            "{length}"
        );
    }
}

pub(crate) async fn ranges_put_together_are_the_file(place: Place) {
    let storage = place.storage();
    let content = noise(6 * MIB);
    put(&storage, "t/e1/a", &content).await;
    let mut got = Vec::new();
    for begin in (0..content.len() as u64).step_by(1_234_567) {
        got.extend(read(&storage, "t/e1/a", Some(begin..begin + 1_234_567)).await);
    }
    assert!(got == content);
}

pub(crate) async fn content_that_fails_half_way_leaves_nothing_visible_and_nothing_behind(
    place: Place,
) {
    let storage = place.storage();
    for length in [0, 3, 5 * MIB + 1, 17 * MIB] {
        let broken = broken_after(&noise(length));
        let put = storage.put("t/e1/a", &Label::new("a.xlsx"), broken).await;
        let error = put.unwrap_err();
        assert!(matches!(error, StorageError::Content(_)), "{error:?}");
        let error = storage.get("t/e1/a", None).await.unwrap_err();
        assert!(matches!(error, StorageError::NotFound { .. }), "{error:?}");
        assert_eq!(place.files(), Vec::<std::path::PathBuf>::new(), "{length}");
    }
}

pub(crate) async fn a_failed_put_leaves_what_was_there(place: Place) {
    let storage = place.storage();
    put(&storage, "t/a", &Bytes::from("before")).await;
    let broken = broken_after(&noise(7 * MIB));
    let failed = storage.put("t/a", &Label::new("a.xlsx"), broken).await;
    assert!(failed.is_err());
    assert_eq!(read(&storage, "t/a", None).await, "before");
    put(&storage, "t/a", &Bytes::from("after")).await;
    assert_eq!(read(&storage, "t/a", None).await, "after");
}

pub(crate) async fn a_file_that_is_too_large_is_refused_for_good(mut place: Place) {
    place.settings.max_file_bytes = 6 * MIB as u64;
    let storage = place.storage();
    let error = put_error(&storage, "t/e1/a", &noise(6 * MIB + 1)).await;
    let limit = 6 * MIB as u64;
    assert!(
        matches!(error, StorageError::TooLarge { limit: told } if told == limit),
        "{error:?}"
    );
    assert!(!error.is_transient());
    assert_eq!(place.files(), Vec::<std::path::PathBuf>::new());
    put(&storage, "t/e1/a", &noise(6 * MIB)).await;
}

pub(crate) async fn deleting_is_idempotent_and_a_prefix_is_whole_segments(place: Place) {
    let storage = place.storage();
    let content = Bytes::from("x");
    for key in ["t/1/e1/a", "t/1/e1/b", "t/1/e1/c/d", "t/1/e12/a"] {
        put(&storage, key, &content).await;
    }
    assert_eq!(sorted(&storage, "t/1").await, ["e1", "e12"]);
    for _again in 0..2 {
        storage.delete_prefix("t/1/e1").await.unwrap();
        assert_eq!(sorted(&storage, "t/1").await, ["e12"]);
    }
    assert_eq!(read(&storage, "t/1/e12/a", None).await, "x");
    storage.delete_prefix("t/1/e12/a").await.unwrap();
    assert_eq!(read(&storage, "t/1/e12/a", None).await, "x");
    storage.delete("t/1/e12/a").await.unwrap();
    storage.delete("t/1/e12/a").await.unwrap();
    assert!(storage.get("t/1/e12/a", None).await.is_err());
    let nowhere = storage.directories("never/was").await.unwrap();
    assert_eq!(nowhere, Vec::<String>::new());
}

async fn sorted(storage: &Storage, prefix: &str) -> Vec<String> {
    let mut names = storage.directories(prefix).await.unwrap();
    names.sort();
    names
}

pub(crate) async fn no_key_leads_out_of_the_root(place: Place) {
    let storage = place.storage();
    let secret = place.root().parent().unwrap().join("secret");
    std::fs::write(&secret, "s").unwrap();
    for key in [
        "",
        "/",
        "../secret",
        "a/../../secret",
        "a//b",
        "/etc/passwd",
        "a/./b",
        "a\0b",
        ".",
    ] {
        let label = Label::new("a.xlsx");
        let content = in_pieces(&Bytes::from("x"));
        let longest = std::time::Duration::from_secs(9);
        for error in [
            storage.get(key, None).await.unwrap_err(),
            storage.put(key, &label, content).await.unwrap_err(),
            storage.presigned(key, longest).await.unwrap_err(),
            storage.delete(key).await.unwrap_err(),
            storage.delete_prefix(key).await.unwrap_err(),
            storage.directories(key).await.unwrap_err(),
        ] {
            let refused = matches!(error, StorageError::InvalidKey { .. });
            assert!(refused && !error.is_transient(), "{key:?}: {error:?}");
        }
    }
    assert_eq!(std::fs::read(secret).unwrap(), b"s");
}

pub(crate) async fn what_is_missing_is_not_found_and_not_worth_another_try(place: Place) {
    let error = place.storage().get("t/missing", None).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { .. }), "{error:?}");
    assert!(!error.is_transient());
    place.storage().ping().await.unwrap();
}
