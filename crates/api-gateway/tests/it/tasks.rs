use std::time::Duration;

use domain::{Failure, FailureCode};
use reqwest::Method;
use serde_json::{Value, json};
use store::{Ending, Story};

use crate::house::{DAY, House, admin, manager, token};

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_malformed_or_unknown_is_404() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let long = "9".repeat(30);
    let ids = [
        "0",
        "4711",
        "-1",
        "abc",
        "1.5",
        "%00",
        "%ff",
        "%27",
        "18446744073709551616",
        &long,
    ];
    let padded = [format!("0{task}"), format!("+{task}"), format!("{task}%20")];
    for id in ids.into_iter().chain(padded.iter().map(String::as_str)) {
        let answer = house.get(&manager(), &format!("/api/v1/tasks/{id}")).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not_found"),
            "{id}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_task_says_when_to_ask_again_the_longer_the_older_it_is() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let path = format!("/api/v1/tasks/{task}");
    for (age, wait) in [
        (0, "1"),
        (1, "2"),
        (3, "4"),
        (7, "8"),
        (15, "15"),
        (3600, "15"),
    ] {
        let age_it = format!(
            "UPDATE task SET created_at = UTC_TIMESTAMP(6) - INTERVAL {age} SECOND WHERE id = {task}"
        );
        house.database.execute(&age_it).await;
        let answer = house.get(&manager(), &path).await;
        assert_eq!(
            answer.header("retry-after"),
            Some(wait),
            "at the age of {age} s"
        );
    }
    house.run(&task, "a.xlsx", b"abc", DAY).await;
    let answer = house.get(&manager(), &path).await;
    assert_eq!(answer.json()["finished"], true);
    assert_eq!(answer.header("retry-after"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_client_has_is_not_sent_again() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let path = format!("/api/v1/tasks/{task}");
    let first = house.get(&manager(), &path).await;
    let tag = first.header("etag").unwrap().to_owned();
    let again = || {
        house
            .request(Method::GET, &path)
            .bearer_auth(manager())
            .header("if-none-match", format!("\"other\", {tag}"))
    };
    let answer = house.send(again()).await;
    assert_eq!((answer.status, answer.body.len()), (304, 0));
    assert_eq!(answer.header("etag"), Some(tag.as_str()));
    house.claim(&task).await;
    let answer = house.send(again()).await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), Some(tag.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_paged_newest_first_without_gap_or_repetition() {
    let house = House::open().await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.insert(0, house.an_export(&manager()).await);
    }
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/api/v1/tasks?limit=2&unknown=ignored&cursor=".to_owned();
    for last in [false, false, true] {
        let page = house.get(&manager(), &path).await.json();
        seen.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/tasks?limit=2&cursor={cursor}"),
            None => assert!(last),
        }
        // A task that comes meanwhile disturbs no page.
        house.an_export(&manager()).await;
    }
    assert_eq!(seen, expected);
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|task| task["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_by_kind_status_and_dataset() {
    let house = House::open().await;
    let done = house.an_export(&manager()).await;
    house.run(&done, "a.xlsx", b"abc", DAY).await;
    let open = house
        .post(&manager(), "/api/v1/exports", &json!({"dataset": "user"}))
        .await
        .json();
    let open = open["id"].as_str().unwrap();
    let list = async |query: &str| {
        ids(&house
            .get(&manager(), &format!("/api/v1/tasks?{query}"))
            .await
            .json())
    };
    assert_eq!(list("").await, [open, &done]);
    assert_eq!(list("status=SUCCESS").await, [done.as_str()]);
    assert_eq!(list("status=PENDING&kind=EXPORT").await, [open]);
    assert_eq!(list("dataset=employee").await, [done.as_str()]);
    assert!(list("kind=IMPORT").await.is_empty());
    assert!(list("dataset=%27%20OR%201%3D1%20--%20").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_super_admin_lists_the_tasks_of_all_users_of_its_own_tenant() {
    let house = House::open().await;
    let mine = house.an_export(&manager()).await;
    let theirs = house.an_export(&token("globex", "7", &["MANAGER"])).await;
    let all = house.get(&admin(), "/api/v1/tasks?all=true").await.json();
    assert_eq!(ids(&all), [mine.as_str()]);
    assert!(ids(&house.get(&admin(), "/api/v1/tasks").await.json()).is_empty());
    let refused = house.get(&manager(), "/api/v1/tasks?all=true").await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (403, "forbidden")
    );
    assert_eq!(
        ids(&house
            .get(&manager(), "/api/v1/tasks?all=false")
            .await
            .json()),
        [mine]
    );
    assert_eq!(
        ids(&house
            .get(&token("globex", "7", &[]), "/api/v1/tasks")
            .await
            .json()),
        [theirs]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_is_not_understood_is_refused_by_name() {
    let house = House::open().await;
    for (query, name) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("kind=export", "kind"),
        ("status=DONE", "status"),
        ("all=yes", "all"),
        ("cursor=x", "cursor"),
        ("cursor=a", "cursor"),
        ("cursor=a-1", "cursor"),
        ("cursor=affffffffffffffffff", "cursor"),
    ] {
        let answer = house
            .get(&manager(), &format!("/api/v1/tasks?{query}"))
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (400, "invalid_request"),
            "{query}"
        );
        assert_eq!(
            answer.json()["errors"][0]["pointer"],
            format!("/{name}"),
            "{query}"
        );
    }
    assert_eq!(
        house
            .get(&manager(), "/api/v1/tasks?limit=200")
            .await
            .status,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_task_is_cancelled_once_and_a_finished_one_is_a_state_conflict() {
    let house = House::open().await;
    let (waiting, running) = (
        house.an_export(&manager()).await,
        house.an_export(&manager()).await,
    );
    house.claim(&running).await;
    for task in [&waiting, &running] {
        let path = format!("/api/v1/tasks/{task}/cancel");
        let answer = house
            .send(house.request(Method::POST, &path).bearer_auth(manager()))
            .await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.json()["status"], "CANCELLED");
        assert_eq!(answer.json()["finished"], true);
        let again = house.post(&manager(), &path, &json!({})).await;
        assert_eq!(
            (again.status, again.problem().as_str()),
            (409, "state_conflict")
        );
        assert_eq!(again.json()["state"], "CANCELLED");
        assert_eq!(again.json()["allowed_actions"], json!(["delete", "retry"]));
    }
    let download = house
        .get(&manager(), &format!("/api/v1/tasks/{waiting}/download"))
        .await;
    assert_eq!(
        (download.status, download.problem().as_str()),
        (409, "not_ready")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_task_tells_the_user_what_and_not_the_operators_text() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let claimed = house.claim(&task).await;
    let failure = Failure::permanent(FailureCode::Internal, "secret table `x` in /var/lib");
    let ending = Ending::Failed(failure, Duration::ZERO);
    house
        .store
        .settle_held(&claimed.lease, ending, Story::default())
        .await
        .unwrap();
    let answer = house
        .get(&manager(), &format!("/api/v1/tasks/{task}"))
        .await;
    let shown = answer.json();
    assert_eq!(shown["status"], "FAILED");
    assert_eq!(
        shown["error"],
        json!({"code": "internal", "message": "系统内部错误，请联系管理员"})
    );
    assert!(!String::from_utf8_lossy(&answer.body).contains("secret table"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_add_up_at_every_moment() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    for counts in [
        "total_rows = NULL, done_rows = 0",
        "total_rows = NULL, done_rows = 7",
        "total_rows = 10, done_rows = 5, failed_rows = 1, skipped_rows = 1",
        "total_rows = 3, total_is_estimate = TRUE, done_rows = 5",
    ] {
        house
            .database
            .execute(&format!("UPDATE task SET {counts} WHERE id = {task}"))
            .await;
        let shown = house
            .get(&manager(), &format!("/api/v1/tasks/{task}"))
            .await
            .json();
        let rows = |name: &str| shown["progress"][format!("{name}_rows")].as_u64().unwrap();
        let sum = rows("done") + rows("failed") + rows("skipped") + rows("unprocessed");
        assert_eq!(rows("total"), sum, "{counts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn speed_and_remaining_time_follow_from_what_the_present_attempt_has_told() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    house.claim(&task).await;
    let told = async |changes: &str| {
        let sql = format!("UPDATE task SET {changes} WHERE id = {task}");
        house.database.execute(&sql).await;
        let path = format!("/api/v1/tasks/{task}");
        house.get(&manager(), &path).await.json()["progress"].clone()
    };
    let silent = told("total_rows = 2000, done_rows = 0").await;
    assert_eq!(silent["rows_per_second"], Value::Null);
    // The first attempt began an hour ago; this one has told of 500 rows after 10 s.
    let progress = told(
        "started_at = UTC_TIMESTAMP(6) - INTERVAL 1 HOUR, done_rows = 500, \
         attempt_at = UTC_TIMESTAMP(6) - INTERVAL 25 SECOND, \
         progress_at = attempt_at + INTERVAL 10 SECOND",
    )
    .await;
    assert_eq!(progress["percent"], 25.0);
    assert_eq!(
        (&progress["rows_per_second"], &progress["eta_seconds"]),
        (&json!(50), &json!(30))
    );
    let packing = told("done_rows = 2000").await;
    assert_eq!(packing["percent"], 99.9, "the file is not there yet");
    assert_eq!(packing["eta_seconds"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_narrowed_by_time_and_name_and_says_what_it_does_not_understand() {
    let house = House::open().await;
    let id = house.an_export(&manager()).await;
    for (query, found) in [
        ("created_to=2000-01-01T00:00:00Z", false),
        ("created_from=2000-01-01T00:00:00Z", true),
        (
            "created_from=2000-01-01T08:00:00%2B08:00&created_to=2999-01-01T00:00:00Z",
            true,
        ),
        ("q=%E5%91%98%E5%B7%A5", true),
        ("q=XLSX", true),
        ("q=%25", false),
        ("q=%00", false),
        ("created_from=0000-01-01T00:00:00Z", true),
        ("created_from=0000-01-01T00:00:00%2B23:59", true),
        ("created_to=9999-12-31T23:59:60-23:59", true),
        ("created_to=2016-12-31T23:59:60Z", false),
    ] {
        let page = house
            .get(&manager(), &format!("/api/v1/tasks?{query}"))
            .await
            .json();
        let ids: Vec<_> = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| &task["id"])
            .collect();
        assert_eq!(ids == [&json!(id)], found, "{query}");
    }
    let refused = house
        .get(&manager(), "/api/v1/tasks?created_from=yesterday")
        .await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["errors"][0]["pointer"], "/created_from");
}
