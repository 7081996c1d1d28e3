//! Threads that get on, that wait for others, and that stand still.

use std::sync::mpsc;
use std::time::Duration;

use domain::{Failure, FailureCode, FailureKind};
use tabular::Pulse;
use tokio::task::spawn_blocking;

use super::{Watch, watched};

const STALL: Duration = Duration::from_millis(10);

fn standstill(failure: &Failure) {
    assert_eq!(
        (failure.kind, failure.code),
        (FailureKind::Rejected, FailureCode::NotAWorkbook)
    );
}

#[test]
fn a_reader_that_gave_any_sign_is_not_given_up() {
    let (pulse, elsewhere) = (Pulse::default(), Pulse::default());
    let mut watch = Watch::besides(&pulse, &elsewhere);
    let signs: [&dyn Fn(); 3] = [&|| pulse.beat(), &|| pulse.fetch(|| ()), &|| {
        elsewhere.fetch(|| ())
    }];
    for sign in signs {
        for _ in 0..3 {
            sign();
            watch.silence().expect("it gets on");
        }
        standstill(&watch.silence().expect_err("no sign since"));
    }
}

#[test]
fn whoever_waits_for_others_does_not_stand_still_and_for_our_disk_is_tried_again() {
    let (pulse, elsewhere) = (Pulse::default(), Pulse::default());
    let mut watch = Watch::besides(&pulse, &elsewhere);
    elsewhere.fetch(|| {
        for _ in 0..3 {
            watch.silence().expect("it waits for others");
        }
    });
    watch.silence().expect("the waiting has ended");
    let failure = pulse.fetch(|| watch.silence().expect_err("the disk gives nothing"));
    assert_eq!(
        (failure.kind, failure.code),
        (FailureKind::Transient, FailureCode::StorageUnavailable)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_ends_is_heard_and_one_that_stands_still_is_given_up() {
    let watch = Watch::of(&Pulse::default());
    let ended = watched(spawn_blocking(|| 7), watch, Duration::from_secs(600)).await;
    assert_eq!(ended.expect("no standstill").expect("no panic"), 7);

    let (end, wait) = mpsc::channel::<()>();
    let thread = spawn_blocking(move || wait.recv());
    let given_up = watched(thread, Watch::of(&Pulse::default()), STALL).await;
    standstill(&given_up.map(drop).expect_err("given up"));
    drop(end);
}
