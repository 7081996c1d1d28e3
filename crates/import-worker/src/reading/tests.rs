//! A reading thread that panics or stands still, which no file is known to bring about.

use std::time::Duration;

use domain::{FailureCode, FailureKind};
use tokio_util::sync::CancellationToken;

use super::{Heard, Reading};

const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_panics_makes_the_file_no_workbook() {
    let mut reading = Reading::of(LONG, &CancellationToken::new(), |said, _, _| {
        said.blocking_send(Ok(Heard::Chunk(domain::SheetChunk::new(), 9)))
            .expect("heard");
        panic!("a parser's panic");
    });
    assert!(matches!(reading.hear().await, Ok(Heard::Chunk(..))));
    let failure = reading.hear().await.err().expect("a failure");
    assert_eq!(
        (failure.kind, failure.code),
        (FailureKind::Rejected, FailureCode::NotAWorkbook)
    );
    // what it said may quote the file
    assert_eq!(failure.detail, "reading the file panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stands_still_makes_the_file_no_workbook_and_is_told_to_end() {
    let (told, ended) = std::sync::mpsc::channel::<()>();
    let stall = Duration::from_millis(10);
    let mut reading = Reading::of(stall, &CancellationToken::new(), move |said, stop, _| {
        while !stop.is_cancelled() {
            std::thread::yield_now();
        }
        drop(said);
        told.send(()).expect("the test waits");
    });
    let failure = reading.hear().await.err().expect("a failure");
    assert_eq!(
        (failure.kind, failure.code),
        (FailureKind::Rejected, FailureCode::NotAWorkbook)
    );
    // nobody listens any more
    drop(reading);
    ended.recv().expect("the thread ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_must_stop_does_not_wait_for_its_reader() {
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let stop = CancellationToken::new();
    let mut reading = Reading::of(LONG, &stop, move |said, _, _| {
        wait.recv().expect_err("nothing is sent");
        drop(said);
    });
    stop.cancel();
    let failure = reading.hear().await.err().expect("a failure");
    assert_eq!(failure.kind, FailureKind::Cancelled);
    drop(done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_gives_nothing_is_tried_again_and_is_not_the_files_fault() {
    let (asking, asked) = tokio::sync::oneshot::channel();
    let (given, wait) = std::sync::mpsc::channel::<()>();
    let stall = Duration::from_millis(10);
    let mut reading = Reading::of(stall, &CancellationToken::new(), move |said, _, pulse| {
        pulse.fetch(|| {
            asking.send(()).expect("the test waits");
            wait.recv().expect_err("nothing is given");
        });
        drop(said);
    });
    asked.await.expect("the thread asks the disk");
    let failure = reading.hear().await.err().expect("a failure");
    assert_eq!(
        (failure.kind, failure.code),
        (FailureKind::Transient, FailureCode::StorageUnavailable)
    );
    drop(given);
}
