//! What a person does with an import, and what is shown of it on its way.

use domain::{Failure, FailureCode, RowCode};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use store::Ending;

use crate::house::{Answer, House, manager};
use crate::worker::{BATCH_ROWS, fault};

async fn act(house: &House, task: &str, act: &str) -> Answer {
    let (method, path) = match act {
        "delete" => (Method::DELETE, format!("/api/v1/tasks/{task}")),
        act => (Method::POST, format!("/api/v1/tasks/{task}/{act}")),
    };
    house
        .send(house.request(method, &path).bearer_auth(manager()))
        .await
}

async fn shown(house: &House, task: &str) -> Value {
    let path = format!("/api/v1/tasks/{task}");
    let task = house.get(&manager(), &path).await.json();
    let progress = &task["progress"];
    let count = |name: &str| progress[name].as_u64().unwrap();
    assert_eq!(
        count("total_rows"),
        count("done_rows")
            + count("failed_rows")
            + count("skipped_rows")
            + count("unprocessed_rows"),
        "{task}"
    );
    task
}

fn faults(rows: &[u32]) -> Vec<domain::RowError> {
    let rows = rows.iter();
    rows.map(|row| fault(*row, RowCode::Required, "x"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_on_its_way_tells_phase_counts_and_faults_at_every_step() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    let pending = shown(&house, &task).await;
    assert_eq!(
        (&pending["status"], &pending["errors_by_code"]),
        (&json!("PENDING"), &json!({}))
    );
    assert_eq!(pending["mends"], Value::Null);
    house.split(&task, 2).await;
    let split = shown(&house, &task).await;
    assert_eq!(
        (
            &split["status"],
            &split["progress"]["phase"],
            &split["progress"]["total_rows"]
        ),
        (
            &json!("PROCESSING"),
            &json!("importing"),
            &json!(2 * BATCH_ROWS)
        )
    );
    house.apply(&task, 1, faults(&[3, 9])).await;
    let half = shown(&house, &task).await;
    assert_eq!(
        (
            &half["progress"]["done_rows"],
            &half["progress"]["failed_rows"]
        ),
        (&json!(98), &json!(2))
    );
    assert_eq!(half["progress"]["percent"], 50.0);
    assert_eq!(half["errors_by_code"], json!({"required": 2}));
    assert!(half["version"].as_u64() > split["version"].as_u64());
    house.apply(&task, 2, Vec::new()).await;
    assert_eq!(
        shown(&house, &task).await["finished"],
        false,
        "its finish is yet to come"
    );
    let early = house
        .get(&manager(), &format!("/api/v1/tasks/{task}/download"))
        .await;
    assert_eq!((early.status, early.problem().as_str()), (409, "not_ready"));

    house.finish(&task, Some(b"the failures")).await;
    let done = shown(&house, &task).await;
    assert_eq!(
        (
            &done["status"],
            &done["progress"]["percent"],
            &done["errors_by_code"]
        ),
        (
            &json!("PARTIAL_SUCCESS"),
            &json!(100.0),
            &json!({"required": 2})
        )
    );
    let roles: Vec<&str> = done["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["UPLOAD", "FAILURES"]);
    let download = house
        .get(&manager(), &format!("/api/v1/tasks/{task}/download"))
        .await;
    assert_eq!(
        (download.status, download.body.as_slice()),
        (200, &b"the failures"[..])
    );
    let refused = act(&house, &task, "retry").await;
    assert_eq!(
        refused.problem(),
        "state_conflict",
        "no row is left to be tried"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_in_which_every_row_went_in_has_nothing_to_download() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    house.split(&task, 1).await;
    house.apply(&task, 1, Vec::new()).await;
    house.finish(&task, None).await;
    assert_eq!(shown(&house, &task).await["status"], "SUCCESS");
    let none = house
        .get(&manager(), &format!("/api/v1/tasks/{task}/download"))
        .await;
    assert_eq!((none.status, none.problem().as_str()), (409, "not_ready"));
    for what in ["cancel", "retry"] {
        let refused = act(&house, &task, what).await;
        assert_eq!(
            refused.json()["allowed_actions"],
            json!(["delete"]),
            "{what}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancel_ends_all_of_an_import_and_says_what_was_written() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    house.split(&task, 3).await;
    house.apply(&task, 1, faults(&[5])).await;
    let cancelled = act(&house, &task, "cancel").await;
    assert_eq!(cancelled.status, 202, "{cancelled:?}");
    let task_now = cancelled.json();
    assert_eq!(
        (
            &task_now["status"],
            &task_now["progress"]["done_rows"],
            &task_now["progress"]["failed_rows"]
        ),
        (&json!("CANCELLED"), &json!(99), &json!(1))
    );
    let open = "SELECT COUNT(*) FROM compensate_biz WHERE status IN ('WAIT_HANDLE', 'PROCESSING')";
    let open: u64 = house.database.one(open).await;
    assert_eq!(open, 0);
    assert_eq!(
        shown(&house, &task).await["progress"]["unprocessed_rows"],
        200
    );
    let refused = act(&house, &task, "retry").await;
    assert_eq!(
        (
            refused.problem().as_str(),
            &refused.json()["allowed_actions"]
        ),
        ("state_conflict", &json!(["delete"])),
        "a cancelled import is not tried again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_redrives_the_batch_that_died_and_the_import_completes() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    house.split(&task, 2).await;
    house.apply(&task, 1, faults(&[5])).await;
    let dead = house.claim_of(&task, "IMPORT_BATCH").await;
    let failure = Failure::permanent(FailureCode::Internal, "broken");
    house
        .end(&dead, Ending::Failed(failure, Duration::ZERO))
        .await;
    house.finish(&task, Some(b"one failure")).await;
    let partial = shown(&house, &task).await;
    assert_eq!(
        (&partial["status"], &partial["progress"]["unprocessed_rows"]),
        (&json!("PARTIAL_SUCCESS"), &json!(100))
    );
    let retried = act(&house, &task, "retry").await;
    assert_eq!(
        (retried.status, &retried.json()["status"]),
        (202, &json!("PROCESSING"))
    );
    let gone = house
        .get(&manager(), &format!("/api/v1/tasks/{task}/download"))
        .await;
    assert_eq!(
        (gone.status, gone.problem().as_str()),
        (409, "not_ready"),
        "it is written anew"
    );
    house.apply(&task, 2, faults(&[150])).await;
    house.finish(&task, Some(b"two failures")).await;
    let done = shown(&house, &task).await;
    assert_eq!(
        (
            &done["status"],
            &done["progress"]["failed_rows"],
            &done["progress"]["unprocessed_rows"]
        ),
        (&json!("PARTIAL_SUCCESS"), &json!(2), &json!(0))
    );
    let download = house
        .get(&manager(), &format!("/api/v1/tasks/{task}/download"))
        .await;
    assert_eq!(download.body, b"two failures");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_file_has_had_its_time_is_not_tried_again() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    let claimed = house.claim_of(&task, "IMPORT").await;
    let failure = Failure::permanent(FailureCode::Internal, "broken");
    house
        .end(&claimed, Ending::Failed(failure, Duration::ZERO))
        .await;
    house
        .database
        .execute("UPDATE task_file SET state = 'EXPIRED' WHERE role = 'UPLOAD'")
        .await;
    let refused = act(&house, &task, "retry").await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (409, "state_conflict")
    );
    let refused = refused.json();
    assert_eq!(refused["allowed_actions"], json!(["delete"]));
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("submit it anew"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_is_not_tried_again_and_delete_takes_the_upload_with_it() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    let claimed = house.claim_of(&task, "IMPORT").await;
    let failure = Failure::rejected(FailureCode::MissingColumns, "mobile");
    house
        .end(&claimed, Ending::Failed(failure, Duration::ZERO))
        .await;
    let failed = shown(&house, &task).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("FAILED"), &json!("missing_columns"))
    );
    let refused = act(&house, &task, "retry").await;
    assert_eq!(refused.json()["allowed_actions"], json!(["delete"]));
    assert_eq!(house.stored().len(), 1);
    assert_eq!(act(&house, &task, "delete").await.status, 204);
    assert_eq!(house.stored(), [""; 0], "the upload is gone");
    assert_eq!(house.uploads().await, ["DELETED"]);
    let path = format!("/api/v1/tasks/{task}");
    assert_eq!(house.get(&manager(), &path).await.problem(), "not_found");
}
