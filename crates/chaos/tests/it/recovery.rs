//! What is told of recoveries.

use chaos::{End, Kind, Times};

/// The bound for a killed worker's rows is between these two.
const SOON: f64 = 5.0;
const LATE: f64 = 20.0;

#[test]
fn what_was_not_seen_is_late_and_what_another_fault_prolonged_is_told_apart() {
    let times = Times::default();
    let seen = [(SOON, false), (LATE, false), (SOON, true), (LATE, true)];
    for (seconds, prolonged) in seen {
        let unexplained = times.add(Kind::KilledRows, End::Seen(seconds), prolonged);
        assert_eq!(unexplained, seconds == LATE && !prolonged);
    }
    assert!(times.add(Kind::KilledRows, End::NotSeen, false));
    assert!(!times.add(Kind::KilledRows, End::NotSeen, true));
    assert!(!times.add(Kind::KilledRows, End::CutShort, false));

    let figures = &times.figures()[0];
    let of = |sum: &chaos::Sum| (sum.times, sum.late, sum.unseen, sum.most);
    assert_eq!(of(&figures.clear), (3, 2, 1, Some(LATE)));
    assert_eq!(of(&figures.all), (6, 4, 2, Some(LATE)));
    assert_eq!(figures.cut_short, 1);
}

#[test]
fn what_has_no_bound_is_never_late_and_is_counted_all_the_same_when_it_was_not_seen() {
    let times = Times::default();
    assert!(!times.add(Kind::Ready, End::Seen(LATE), false));
    assert!(!times.add(Kind::Ready, End::NotSeen, false));
    let clear = &times.figures()[0].clear;
    assert_eq!((clear.times, clear.late, clear.unseen), (2, 0, 1));
}
