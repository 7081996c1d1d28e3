use serde_json::json;

use super::*;
use crate::wire::Answered;

fn task(status: &str, progress: serde_json::Value) -> Task {
    let json = json!({"id": "7", "kind": "EXPORT", "dataset": "member", "status": status,
        "progress": progress, "version": 3});
    Answered::read(json).expect("a task").task
}

#[test]
fn an_estimate_is_shown_as_one() {
    let progress = json!({"phase": "exporting", "total_rows": 120_000, "total_is_estimate": true,
        "done_rows": 64_000, "percent": 53.3, "rows_per_second": 8100, "eta_seconds": 7});
    assert_eq!(
        describe(&task("PROCESSING", progress)),
        "PROCESSING exporting  64,000 of ~120,000 rows, ~53.3 %, 8,100 rows/s, ~7 s left"
    );
    let counted = json!({"total_rows": 120_000, "done_rows": 60_000, "percent": 50.0});
    assert_eq!(
        describe(&task("PROCESSING", counted)),
        "PROCESSING  60,000 of 120,000 rows, 50 %"
    );
}

#[test]
fn nothing_is_complete_before_the_gateway_says_so() {
    for percent in [99.9, 99.96, 100.0] {
        let progress = json!({"total_rows": 10, "done_rows": 10, "percent": percent});
        let working = task("PROCESSING", progress.clone());
        assert_eq!(describe(&working), "PROCESSING  10 of 10 rows, 99.9 %");
        assert_eq!(tenths(&working), Some(999), "the bar is not full");
    }
    let done = task(
        "SUCCESS",
        json!({"total_rows": 10, "done_rows": 10, "percent": 100.0}),
    );
    assert_eq!(describe(&done), "SUCCESS  10 of 10 rows, 100 %");
    let cancelled = task(
        "CANCELLED",
        json!({"total_rows": 10, "done_rows": 9, "percent": 90.0}),
    );
    assert_eq!(describe(&cancelled), "CANCELLED  9 of 10 rows, 90 %");
}

#[test]
fn a_total_that_is_not_known_is_not_made_up() {
    let progress = json!({"total_rows": 5000, "total_is_estimate": true, "done_rows": 5000,
        "percent": null, "rows_per_second": 900, "eta_seconds": null});
    assert_eq!(
        describe(&task("PROCESSING", progress)),
        "PROCESSING  5,000 rows, 900 rows/s"
    );
    let waiting = json!({"total_rows": 0, "total_is_estimate": true, "done_rows": 0,
        "percent": 0.0});
    assert_eq!(describe(&task("PENDING", waiting)), "PENDING");
}

#[test]
fn every_percent_with_one_decimal_is_shown_as_it_was_told() {
    for tenth in 0..1000_u32 {
        let told: f64 = format!("{}.{}", tenth / 10, tenth % 10)
            .parse()
            .expect("a number");
        let progress = json!({"total_rows": 2000, "done_rows": 1, "percent": told});
        assert_eq!(
            tenths(&task("PROCESSING", progress)),
            Some(u64::from(tenth))
        );
    }
}
