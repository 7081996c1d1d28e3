//! A server that is away, silent, full or unwilling: what is worth another try, in bounded time, and
//! what is for an operator.

use std::time::Duration;

use futures::{StreamExt, stream};
use s3s::S3ErrorCode;
use service::{Label, Storage, StorageError, StorageSettings};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::place::{MIB, Place, in_pieces, noise, put_error};
use super::server::{Mood, SECRET};

/// Every way to use storage, all at once, each with what went wrong.
async fn errors(storage: &Storage) -> Vec<(&'static str, StorageError)> {
    let (small, large) = (noise(3), noise(6 * MIB));
    let (put, parts, get, delete, prefix, list, ping) = tokio::join!(
        put_error(storage, "t/small", &small),
        put_error(storage, "t/large", &large),
        storage.get("t/a", None),
        storage.delete("t/a"),
        storage.delete_prefix("t"),
        storage.directories("t"),
        storage.ping(),
    );
    vec![
        ("put", put),
        ("put in parts", parts),
        ("get", get.unwrap_err()),
        ("delete", delete.unwrap_err()),
        ("prefix", prefix.unwrap_err()),
        ("list", list.unwrap_err()),
        ("ping", ping.unwrap_err()),
    ]
}

/// The answer of what our own bounds, a few seconds here, must end. Without them a request would wait
/// for ever, or for the 30 s after which reqwest's sockets give up bytes that nobody takes.
async fn given_up<T>(asked: impl Future<Output = T>) -> T {
    let answer = tokio::time::timeout(Duration::from_secs(20), asked).await;
    answer.expect("a silent server is given up")
}

#[tokio::test]
async fn a_server_that_is_away_is_told_in_bounded_time_and_worth_another_try() {
    let mut place = Place::s3().await;
    let storage = place.storage();
    place.server.as_mut().unwrap().stop().await;
    for (what, error) in errors(&storage).await {
        assert!(error.is_transient(), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_given_up_and_worth_another_try() {
    let place = Place::s3().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let storage = Storage::open(&StorageSettings {
        endpoint: Some(format!("http://{}", silent.local_addr().unwrap())),
        ..place.settings
    });
    for (what, error) in given_up(errors(&storage.unwrap())).await {
        assert!(error.is_transient(), "{what}: {error:?}");
    }
}

#[tokio::test]
async fn an_upload_whose_parts_are_never_answered_is_given_up_and_aborted() {
    let place = Place::s3().await;
    let storage = place.storage();
    place.server().set_mood("UploadPart", Mood::Silent);
    let content = noise(23 * MIB);
    let error = given_up(put_error(&storage, "t/a", &content)).await;
    assert!(error.is_transient(), "{error:?}");
    let last = place.server().asked().pop().unwrap();
    assert_eq!(last, "AbortMultipartUpload");
    assert_eq!(place.files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_server_that_goes_away_in_mid_upload_is_worth_another_try() {
    let mut place = Place::s3().await;
    let storage = place.storage();
    let first = noise(11 * MIB);
    let server = place.server.as_mut().unwrap();
    let stopping = stream::once(async move {
        server.stop().await;
        Ok(noise(11 * MIB))
    });
    let content = in_pieces(&first).chain(stopping);
    let stored = storage.put("t/a", &Label::new("a.xlsx"), content).await;
    let error = stored.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(!place.root().join("t/a").exists());
}

#[tokio::test]
async fn a_server_that_is_full_or_overloaded_is_worth_another_try_and_keeps_no_parts() {
    for code in [
        S3ErrorCode::InternalError,
        S3ErrorCode::ServiceUnavailable,
        S3ErrorCode::SlowDown,
    ] {
        for operation in ["UploadPart", "CompleteMultipartUpload"] {
            let place = Place::s3().await;
            let storage = place.storage();
            place
                .server()
                .set_mood(operation, Mood::Refusing(code.clone()));
            let error = put_error(&storage, "t/a", &noise(6 * MIB)).await;
            assert!(error.is_transient(), "{operation}: {error:?}");
            assert_eq!(place.files(), Vec::<std::path::PathBuf>::new());
        }
    }
}

#[tokio::test]
async fn an_upload_that_somebody_else_ended_is_worth_another_try() {
    let place = Place::s3().await;
    let gone = Mood::Refusing(S3ErrorCode::NoSuchUpload);
    place.server().set_mood("CompleteMultipartUpload", gone);
    let error = put_error(&place.storage(), "t/a", &noise(6 * MIB)).await;
    assert!(error.is_transient(), "{error:?}");
}

/// An error that another try cannot mend, which says `word`.
fn assert_permanent(error: StorageError, word: &str) {
    assert!(!error.is_transient(), "{error:?}");
    let told = format!("{:#}", anyhow::Error::from(error));
    assert!(told.contains(word), "{told}");
}

#[tokio::test]
async fn a_wrong_secret_is_for_an_operator_and_not_for_another_try() {
    let mut place = Place::s3().await;
    place.settings.secret_access_key = "guessed".into();
    for (_, error) in errors(&place.storage()).await {
        assert_permanent(error, "SignatureDoesNotMatch");
    }
    assert_eq!(place.files(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_for_an_operator_and_not_for_another_try() {
    let mut place = Place::s3().await;
    place.settings.bucket = "elsewhere".to_owned();
    let storage = place.storage();
    for error in [
        storage.directories("t").await.unwrap_err(),
        storage.delete_prefix("t").await.unwrap_err(),
        storage.ping().await.unwrap_err(),
    ] {
        assert_permanent(error, "NoSuchBucket");
    }
    // This server would make the bucket for these, and calls the object missing.
    for (operation, length) in [("PutObject", 3), ("CreateMultipartUpload", 6 * MIB)] {
        let missing = Mood::Refusing(S3ErrorCode::NoSuchBucket);
        place.server().set_mood(operation, missing);
        let error = put_error(&storage, "t/a", &noise(length)).await;
        assert_permanent(error, "NoSuchBucket");
    }
    let missing = Mood::Refusing(S3ErrorCode::NoSuchBucket);
    place.server().set_mood("GetObject", missing);
    let error = storage.get("t/a", None).await.unwrap_err();
    assert_permanent(error, "NoSuchBucket");
}

#[tokio::test]
async fn an_https_endpoint_is_spoken_to_in_tls() {
    let place = Place::s3().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let storage = Storage::open(&StorageSettings {
        endpoint: Some(format!("https://{}", listener.local_addr().unwrap())),
        ..place.settings
    });
    let storage = storage.unwrap();
    let listening = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        // The type of a handshake record (RFC 8446, section 5.1).
        assert_eq!(socket.read_u8().await.unwrap(), 22);
        drop((socket, listener));
    };
    let (pinged, ()) = tokio::join!(storage.ping(), listening);
    assert!(pinged.unwrap_err().is_transient());
}

#[tokio::test]
async fn the_secret_is_neither_in_errors_nor_in_debug_output() {
    let mut place = Place::s3().await;
    let storage = place.storage();
    place.server.as_mut().unwrap().stop().await;
    let mut shown = format!("{storage:?}");
    for (_, error) in errors(&storage).await {
        shown.push_str(&format!("{error:?}"));
        shown.push_str(&format!("{:#}", anyhow::Error::from(error)));
    }
    assert!(!shown.contains(SECRET), "{shown}");
}
