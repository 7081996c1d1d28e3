use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use service::{Storage, StorageError, Stored};
use sha2::{Digest, Sha256};

struct Place {
    directory: tempfile::TempDir,
    storage: Storage,
}

fn place() -> Place {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::local(&directory.path().join("root")).unwrap();
    Place { directory, storage }
}

fn pieces(
    pieces: Vec<&'static [u8]>,
) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send {
    stream::iter(
        pieces
            .into_iter()
            .map(|piece| Ok(Bytes::from_static(piece))),
    )
}

async fn read(storage: &Storage, key: &str, range: Option<std::ops::Range<u64>>) -> Vec<u8> {
    let object = storage.get(key, range).await.unwrap();
    object
        .stream
        .try_collect::<Vec<_>>()
        .await
        .unwrap()
        .concat()
}

#[tokio::test]
async fn what_was_put_is_got_hashed_and_whole() {
    let place = place();
    let stored = place
        .storage
        .put("acme/1/a.xlsx", pieces(vec![b"ab", b"", b"c"]))
        .await
        .unwrap();
    assert_eq!(stored.size, 3);
    // The test vector of FIPS 180-2 for "abc".
    assert_eq!(
        stored.sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert_eq!(read(&place.storage, "acme/1/a.xlsx", None).await, b"abc");
    assert_eq!(
        read(&place.storage, "acme/1/a.xlsx", Some(1..2)).await,
        b"b"
    );
    let object = place
        .storage
        .get("acme/1/a.xlsx", Some(1..99))
        .await
        .unwrap();
    assert_eq!((object.size, object.range), (3, 1..3));
}

#[tokio::test]
async fn a_file_of_many_parts_arrives_whole() {
    let place = place();
    let content: Bytes = (0..23_000_000_u32).map(|n| (n % 251) as u8).collect();
    let pieces: Vec<_> = content
        .chunks(1_000_003)
        .map(|piece| Ok(content.slice_ref(piece)))
        .collect();
    let stored = place.storage.put("big", stream::iter(pieces)).await;
    let sha256 = hex::encode(Sha256::digest(&content));
    let size = 23_000_000;
    assert_eq!(stored.unwrap(), Stored { size, sha256 });
    assert!(read(&place.storage, "big", None).await == content);
}

#[tokio::test]
async fn content_that_fails_half_way_leaves_nothing_visible_and_nothing_behind() {
    let place = place();
    let broken = pieces(vec![b"abc"]).chain(stream::once(async {
        Err(std::io::Error::other("the pipe broke"))
    }));
    let error = place.storage.put("a", broken).await.unwrap_err();
    assert!(matches!(error, StorageError::Content(_)), "{error:?}");
    let error = place.storage.get("a", None).await.unwrap_err();
    assert!(matches!(error, StorageError::NotFound { .. }), "{error:?}");
    let left = std::fs::read_dir(place.directory.path().join("root"))
        .unwrap()
        .count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn deleting_is_idempotent_and_a_prefix_is_whole_segments() {
    let place = place();
    for key in ["t/1/e1/a", "t/1/e1/b", "t/1/e12/a"] {
        place.storage.put(key, pieces(vec![b"x"])).await.unwrap();
    }
    assert_eq!(place.storage.directories("t/1").await.unwrap().len(), 2);
    for _again in 0..2 {
        place.storage.delete_prefix("t/1/e1").await.unwrap();
        assert_eq!(place.storage.directories("t/1").await.unwrap(), ["e12"]);
    }
    assert_eq!(read(&place.storage, "t/1/e12/a", None).await, b"x");
    place.storage.delete_prefix("t/1/e12/a").await.unwrap();
    assert_eq!(read(&place.storage, "t/1/e12/a", None).await, b"x");
    place.storage.delete("t/1/e12/a").await.unwrap();
    place.storage.delete("t/1/e12/a").await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_left_of_an_upload_is_seen_and_goes_with_its_prefix() {
    let place = place();
    let root = place.directory.path().join("root");
    std::fs::create_dir_all(root.join("t/e1")).unwrap();
    std::fs::write(root.join("t/e1/1.xlsx#1"), "half a file").unwrap();
    assert_eq!(place.storage.directories("t").await.unwrap(), ["e1"]);
    place.storage.delete_prefix("t/e1").await.unwrap();
    assert!(!root.join("t/e1").exists());
    let none = place.storage.directories("t").await.unwrap();
    assert_eq!(none, Vec::<String>::new());
    let nowhere = place.storage.directories("never/was").await.unwrap();
    assert_eq!(nowhere, Vec::<String>::new());
}

#[cfg(unix)]
#[tokio::test]
async fn deleting_a_prefix_follows_no_link() {
    let place = place();
    let outside = place.directory.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "s").unwrap();
    let root = place.directory.path().join("root");
    std::fs::create_dir(root.join("t")).unwrap();
    for link in ["link", "t/link"] {
        std::os::unix::fs::symlink(&outside, root.join(link)).unwrap();
    }
    place.storage.delete_prefix("link").await.unwrap();
    place.storage.delete_prefix("t").await.unwrap();
    assert!(outside.join("secret").exists());
}

#[tokio::test]
async fn a_completion_that_fails_says_why_and_leaves_nothing_behind() {
    let place = place();
    let root = place.directory.path().join("root");
    // A directory where the object is to be: the last step, the renaming, fails.
    std::fs::create_dir_all(root.join("t/a/taken")).unwrap();
    let put = place.storage.put("t/a", pieces(vec![b"abc"])).await;
    let error = put.unwrap_err();
    let told = format!("{:#}", anyhow::Error::from(error));
    assert!(told.contains("directory"), "{told}");
    let left: Vec<_> = std::fs::read_dir(root.join("t"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["a"]);
}

#[tokio::test]
async fn no_key_leads_out_of_the_root() {
    let place = place();
    std::fs::write(place.directory.path().join("secret"), "s").unwrap();
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
        let got = place.storage.get(key, None).await.unwrap_err();
        assert!(
            matches!(got, StorageError::InvalidKey { .. }),
            "{key:?}: {got:?}"
        );
        let put = place
            .storage
            .put(key, pieces(vec![b"x"]))
            .await
            .unwrap_err();
        assert!(
            matches!(put, StorageError::InvalidKey { .. }),
            "{key:?}: {put:?}"
        );
        assert!(place.storage.delete_prefix(key).await.is_err(), "{key:?}");
        assert!(place.storage.directories(key).await.is_err(), "{key:?}");
    }
    assert_eq!(
        std::fs::read(place.directory.path().join("secret")).unwrap(),
        b"s"
    );
}

#[tokio::test]
async fn only_what_another_try_may_mend_is_transient() {
    let place = place();
    assert!(
        !place
            .storage
            .get("missing", None)
            .await
            .unwrap_err()
            .is_transient()
    );
    assert!(
        !place
            .storage
            .get("..", None)
            .await
            .unwrap_err()
            .is_transient()
    );
    // A directory where an object should be: an I/O error.
    std::fs::write(place.directory.path().join("root/file"), "").unwrap();
    let error = place
        .storage
        .put("file/below", pieces(vec![b"x"]))
        .await
        .unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}
