//! What only a local directory must be watched for.

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;

use super::place::{Place, put, put_error};

#[tokio::test]
async fn there_are_no_addresses_for_downloads() {
    let place = Place::local();
    let storage = place.storage();
    put(&storage, "t/a", &Bytes::from("x")).await;
    let none = storage.presigned("t/a", Duration::from_secs(60)).await;
    assert_eq!(none.unwrap(), None);
}

#[tokio::test]
async fn what_a_killed_process_left_of_an_upload_is_seen_and_goes_with_its_prefix() {
    let place = Place::local();
    let storage = place.storage();
    let root = place.root();
    std::fs::create_dir_all(root.join("t/e1")).unwrap();
    std::fs::write(root.join("t/e1/1.xlsx#1"), "half a file").unwrap();
    assert_eq!(storage.directories("t").await.unwrap(), ["e1"]);
    storage.delete_prefix("t/e1").await.unwrap();
    assert!(!root.join("t/e1").exists());
    let none = storage.directories("t").await.unwrap();
    assert_eq!(none, Vec::<String>::new());
}

#[tokio::test]
async fn deleting_a_prefix_follows_no_link() {
    let place = Place::local();
    let storage = place.storage();
    let (root, outside) = (place.root(), place.directory.path().join("outside"));
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), "s").unwrap();
    std::fs::create_dir(root.join("t")).unwrap();
    for link in ["link", "t/link"] {
        std::os::unix::fs::symlink(&outside, root.join(link)).unwrap();
    }
    storage.delete_prefix("link").await.unwrap();
    storage.delete_prefix("t").await.unwrap();
    assert!(outside.join("secret").exists());
}

#[tokio::test]
async fn a_completion_that_fails_says_why_and_leaves_nothing_behind() {
    let place = Place::local();
    let storage = place.storage();
    // A directory where the object is to be: the last step, the renaming, fails.
    std::fs::create_dir_all(place.root().join("t/a/taken")).unwrap();
    for length in [3, 6 * super::place::MIB] {
        let error = put_error(&storage, "t/a", &super::place::noise(length)).await;
        let told = format!("{:#}", anyhow::Error::from(error));
        assert!(told.contains("directory"), "{told}");
        let left: Vec<_> = std::fs::read_dir(place.root().join("t"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["a"]);
    }
}

#[tokio::test]
async fn an_error_of_the_disk_is_worth_another_try() {
    let place = Place::local();
    let storage = place.storage();
    // A file where a directory should be.
    std::fs::write(place.root().join("file"), "").unwrap();
    let error = put_error(&storage, "file/below", &Bytes::from("x")).await;
    assert!(error.is_transient(), "{error:?}");
    std::fs::remove_dir_all(place.root()).unwrap();
    let error = storage.ping().await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
}

/// A full disk cannot be had everywhere without mounting one, so here the kernel refuses to write
/// more for another reason: a limit on the size of files, which counts for the probe alone. It is
/// met at the same place as a full disk, in the middle of a write, with another number (EFBIG).
#[test]
fn a_disk_that_takes_no_more_is_worth_another_try_and_leaves_nothing_behind() {
    for behaviour in ["stores 2 MiB", "stores 8 MiB"] {
        let place = Place::local();
        let probe = Command::new("sh")
            // A shell counts in blocks of 512 or 1,024 bytes: 0.5 or 1 MiB.
            .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\""])
            .arg(env!("CARGO_BIN_EXE_service-probe"))
            .env("PROBE", behaviour)
            .env("QUAYSIDE__ADMIN__LISTEN", "127.0.0.1:0")
            .env("QUAYSIDE__STORAGE__ROOT", place.root())
            .output()
            .unwrap();
        let told = String::from_utf8(probe.stdout).unwrap();
        assert!(told.contains("transient: true"), "{told}");
        assert!(told.contains("File too large"), "{told}");
        assert_eq!(place.files(), Vec::<std::path::PathBuf>::new());
    }
}
