//! Every state with every event.

use domain::{BizStatus, Event, FailureKind, RowState, transition};
use proptest::prelude::*;

fn row(status: BizStatus, cnt: u32) -> RowState {
    RowState {
        status,
        cnt,
        max_cnt: 3,
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Claim),
        Just(Event::Finish),
        prop::sample::select(FailureKind::ALL).prop_map(Event::Fail),
        Just(Event::HandBack),
        any::<bool>().prop_map(|deadline_passed| Event::Rescue { deadline_passed }),
        Just(Event::Cancel),
        Just(Event::Redrive),
    ]
}

#[test]
fn a_transient_failure_is_tried_again_exactly_max_cnt_times() {
    for cnt in 0..3 {
        let change = transition(
            row(BizStatus::Processing, cnt),
            Event::Fail(FailureKind::Transient),
        );
        let change = change.expect("a held row may fail");
        assert_eq!((change.to, change.cnt), (BizStatus::WaitHandle, cnt + 1));
        assert!(!change.dead_letter);
    }
    let spent = transition(
        row(BizStatus::Processing, 3),
        Event::Fail(FailureKind::Transient),
    );
    let spent = spent.expect("a held row may fail");
    assert_eq!(spent.to, BizStatus::Failed);
    assert!(spent.dead_letter);
}

#[test]
fn a_rejected_row_leaves_no_dead_letter_and_a_permanent_one_does() {
    for (kind, dead_letter) in [
        (FailureKind::Rejected, false),
        (FailureKind::Permanent, true),
    ] {
        let change = transition(row(BizStatus::Processing, 0), Event::Fail(kind)).expect("legal");
        assert_eq!(
            (change.to, change.dead_letter),
            (BizStatus::Failed, dead_letter)
        );
    }
}

#[test]
fn a_row_past_its_hard_deadline_gets_no_further_try() {
    let change = transition(
        row(BizStatus::Processing, 0),
        Event::Rescue {
            deadline_passed: true,
        },
    );
    let change = change.expect("legal");
    assert_eq!(change.to, BizStatus::Failed);
    assert!(change.raises_epoch);
}

/// The table of design.md §5, written down a second time: state, event, what it becomes, whether
/// the epoch rises, whether a dead letter is written. What is not here is illegal.
const TABLE: &[(BizStatus, Event, BizStatus, bool, bool)] = {
    use BizStatus::{Cancelled, Failed, Processing, Success, WaitHandle};
    &[
        (WaitHandle, Event::Claim, Processing, true, false),
        (WaitHandle, Event::Cancel, Cancelled, true, false),
        (Processing, Event::Finish, Success, false, false),
        (
            Processing,
            Event::Fail(FailureKind::Transient),
            WaitHandle,
            false,
            false,
        ),
        (
            Processing,
            Event::Fail(FailureKind::Permanent),
            Failed,
            false,
            true,
        ),
        (
            Processing,
            Event::Fail(FailureKind::Rejected),
            Failed,
            false,
            false,
        ),
        (Processing, Event::HandBack, WaitHandle, true, false),
        (
            Processing,
            Event::Rescue {
                deadline_passed: false,
            },
            WaitHandle,
            true,
            false,
        ),
        (
            Processing,
            Event::Rescue {
                deadline_passed: true,
            },
            Failed,
            true,
            true,
        ),
        (Processing, Event::Cancel, Cancelled, true, false),
        (Failed, Event::Redrive, WaitHandle, true, false),
        (Cancelled, Event::Redrive, WaitHandle, true, false),
    ]
};

#[test]
fn every_state_with_every_event_does_what_the_table_says_and_nothing_else() {
    let failures = FailureKind::ALL.iter().map(|kind| Event::Fail(*kind));
    let rescues = [true, false].map(|deadline_passed| Event::Rescue { deadline_passed });
    let others = [
        Event::Claim,
        Event::Finish,
        Event::HandBack,
        Event::Cancel,
        Event::Redrive,
    ];
    let events: Vec<Event> = failures.chain(rescues).chain(others).collect();
    for from in BizStatus::ALL {
        for event in &events {
            let expected = TABLE.iter().find(|row| (row.0, row.1) == (*from, *event));
            let found = transition(row(*from, 0), *event).ok();
            assert_eq!(
                found.map(|change| (change.to, change.raises_epoch, change.dead_letter)),
                expected.map(|row| (row.2, row.3, row.4)),
                "{from} with {event:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn the_epoch_rises_exactly_when_the_right_to_run_changes_hands(
        status in prop::sample::select(BizStatus::ALL), cnt in 0_u32..5, event in event(),
    ) {
        let Ok(change) = transition(row(status, cnt), event) else { return Ok(()) };
        let by_holder = matches!(event, Event::Finish | Event::Fail(_));
        prop_assert_eq!(change.raises_epoch, !by_holder);
    }

    #[test]
    fn what_is_final_moves_only_by_redrive(
        status in prop::sample::select(BizStatus::ALL), cnt in 0_u32..5, event in event(),
    ) {
        if status.is_final() && transition(row(status, cnt), event).is_ok() {
            prop_assert!(matches!(status, BizStatus::Failed | BizStatus::Cancelled));
            prop_assert_eq!(event, Event::Redrive);
        }
    }

    #[test]
    fn a_dead_letter_is_written_only_with_a_failed_row(
        status in prop::sample::select(BizStatus::ALL), cnt in 0_u32..5, event in event(),
    ) {
        if let Ok(change) = transition(row(status, cnt), event) && change.dead_letter {
            prop_assert_eq!(change.to, BizStatus::Failed);
        }
    }
}
