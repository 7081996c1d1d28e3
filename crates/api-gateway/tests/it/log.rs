//! Every act leaves an entry in the operation log, or work that will write one.

use domain::FailureCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::compensations;
use crate::dead_letters::{a_dead_export, operator};
use crate::form::Form;
use crate::house::{DAY, House, admin, manager, token};

/// With the operators of `acme` as those of the house.
async fn open() -> House {
    let database = testkit::TestDatabase::with_examples().await;
    House::over(database, |settings| {
        settings.dead_letters.house_tenant = domain::Tenant::parse("acme").unwrap();
    })
}

type Entry = (String, String, String, String, String);

/// Actor, action, kind and id of the object, outcome: what stands in the log, and behind that what is
/// submitted to stand there.
async fn logged(house: &House) -> Vec<Entry> {
    let mut entries: Vec<Entry> = house
        .database
        .query(
            "SELECT actor, action, object_kind, object_id, outcome FROM operation_log \
             WHERE tenant = 'acme' ORDER BY id",
        )
        .await;
    let waiting: Vec<String> = house
        .database
        .query(
            "SELECT context FROM compensate_biz WHERE tenant = 'acme' \
             AND biz_type = 'operation_log' AND created_by IS NULL ORDER BY id",
        )
        .await;
    for context in waiting {
        let note: Value = serde_json::from_str(&context).unwrap();
        assert!(note["request_id"].is_string(), "{note}");
        let text = |field: &str| note[field].as_str().unwrap().to_owned();
        entries.push((
            text("actor"),
            text("action"),
            text("object_kind"),
            text("object_id"),
            text("outcome"),
        ));
    }
    entries
}

/// What has been logged since the last look.
struct Log<'h> {
    house: &'h House,
    seen: Vec<Entry>,
}

impl Log<'_> {
    /// Each of these, once, and nothing else: `actor ACTION OBJECT id OUTCOME`.
    async fn grew_by(&mut self, wanted: &[&str]) {
        let now = logged(self.house).await;
        let mut new = now.clone();
        for entry in &self.seen {
            let at = new.iter().position(|it| it == entry);
            new.remove(at.expect("the log only grows"));
        }
        let mut new: Vec<String> = new
            .iter()
            .map(|(actor, action, kind, id, outcome)| {
                format!("{actor} {action} {kind} {id} {outcome}")
            })
            .collect();
        let mut wanted: Vec<String> = wanted.iter().map(|it| (*it).to_owned()).collect();
        new.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(new, wanted);
        self.seen = now;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_on_tasks_and_files_is_logged_once_with_who_did_it_to_what_and_how_it_went() {
    let house = open().await;
    let mut log = Log {
        house: &house,
        seen: Vec::new(),
    };
    let task = house.an_export(&manager()).await;
    log.grew_by(&[&format!("7 TASK_SUBMIT TASK {task} DONE")])
        .await;
    let act = async |who: &str, verb: &str| {
        let path = format!("/api/v1/tasks/{task}/{verb}");
        house.post(who, &path, &json!({})).await.status
    };
    assert_eq!(act(&manager(), "cancel").await, 202);
    assert_eq!(act(&admin(), "cancel").await, 409);
    assert_eq!(
        act(&token("globex", "8", &["MANAGER"]), "cancel").await,
        404
    );
    log.grew_by(&[
        &format!("7 TASK_CANCEL TASK {task} DONE"),
        &format!("1 TASK_CANCEL TASK {task} REFUSED"),
    ])
    .await;
    assert_eq!(act(&manager(), "retry").await, 202);
    assert_eq!(act(&manager(), "retry").await, 409);
    log.grew_by(&[
        &format!("7 TASK_RETRY TASK {task} DONE"),
        &format!("7 TASK_RETRY TASK {task} REFUSED"),
    ])
    .await;
    let delete = async || {
        let request = house.request(Method::DELETE, &format!("/api/v1/tasks/{task}"));
        house.send(request.bearer_auth(manager())).await.status
    };
    assert_eq!(delete().await, 409);
    house.run(&task, "a.xlsx", b"0123456789", DAY).await;
    log.grew_by(&[&format!("7 TASK_DELETE TASK {task} REFUSED")])
        .await;
    let sql = format!("SELECT id FROM task_file WHERE task_id = {task}");
    let file: u64 = house.database.one(&sql).await;
    let main = format!("/api/v1/tasks/{task}/download");
    let same = format!("/api/v1/tasks/{task}/files/{file}");
    let fetched = format!("7 FILE_DOWNLOAD FILE {file} DONE");
    for path in [&main, &same] {
        let answer = house.get(&manager(), path).await;
        assert_eq!(answer.body, b"0123456789");
        log.grew_by(&[&fetched]).await;
        // what brings no byte is no download
        let head = house.request(Method::HEAD, path).bearer_auth(manager());
        assert_eq!(house.send(head).await.status, 200);
        let known = house.request(Method::GET, path).bearer_auth(manager());
        let known = known.header("if-none-match", answer.header("etag").unwrap());
        assert_eq!(house.send(known).await.status, 304);
        let beyond = house.request(Method::GET, path).bearer_auth(manager());
        let beyond = house.send(beyond.header("range", "bytes=10-")).await;
        assert_eq!(beyond.status, 416);
        let stranger = house.get(&token("acme", "8", &["MANAGER"]), path).await;
        assert_eq!(stranger.status, 404);
    }
    log.grew_by(&[]).await;
    // the parts that one user fetches within an hour are one download
    for range in ["bytes=0-3", "bytes=4-7", "bytes=8-"] {
        let part = house.request(Method::GET, &main).bearer_auth(manager());
        assert_eq!(house.send(part.header("range", range)).await.status, 206);
    }
    let part = house.request(Method::GET, &main).bearer_auth(admin());
    house.send(part.header("range", "bytes=0-3")).await;
    let boss = format!("1 FILE_DOWNLOAD FILE {file} DONE");
    log.grew_by(&[&fetched, &boss]).await;
    assert_eq!(delete().await, 204);
    log.grew_by(&[&format!("7 TASK_DELETE TASK {task} DONE")])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_on_rows_and_business_work_is_logged_once() {
    let house = open().await;
    let mut log = Log {
        house: &house,
        seen: Vec::new(),
    };
    let rows = "/api/v1/datasets/member/rows";
    let body = json!({"rows": [{"member_no": "M1", "name": "n", "mobile": "13800000000",
        "level": 1, "points": 0, "balance": "1.50"}]});
    assert_eq!(house.post(&manager(), rows, &body).await.status, 200);
    log.grew_by(&["7 ROWS_SUBMIT DATASET member DONE"]).await;
    let keyed = async || {
        let request = house.request(Method::POST, rows).bearer_auth(manager());
        let request = request.header("Idempotency-Key", "k").json(&body);
        house.send(request).await.status
    };
    assert_eq!((keyed().await, keyed().await), (200, 200));
    log.grew_by(&["7 ROWS_SUBMIT DATASET member DONE"]).await;
    let done = compensations::submit(&house, &compensations::items(&["a", "b"])).await;
    let id = done["items"][0]["id"].as_str().unwrap();
    log.grew_by(&[&format!("7 COMPENSATION_SUBMIT COMPENSATION {id} DONE")])
        .await;
    for (verb, action) in [("cancel", "CANCEL"), ("retry", "RETRY")] {
        let path = format!("{}/{id}/{verb}", compensations::PATH);
        for (status, outcome) in [(202, "DONE"), (409, "REFUSED")] {
            let answer = house.post(&operator(), &path, &json!({})).await;
            assert_eq!(answer.status, status);
            let entry = format!("op COMPENSATION_{action} COMPENSATION {id} {outcome}");
            log.grew_by(&[&entry]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_of_operators_is_logged_once() {
    let house = open().await;
    let (_, redriven) = a_dead_export(&house, FailureCode::Internal).await;
    let (_, discarded) = a_dead_export(&house, FailureCode::Internal).await;
    let (_, many) = a_dead_export(&house, FailureCode::TimedOut).await;
    let mut log = Log {
        house: &house,
        seen: logged(&house).await,
    };
    for (verb, id, action) in [
        ("redrive", &redriven, "REDRIVE"),
        ("discard", &discarded, "DISCARD"),
    ] {
        let path = format!("/api/v1/dead-letters/{id}/{verb}");
        for (status, outcome) in [(200, "DONE"), (409, "REFUSED")] {
            assert_eq!(
                house.post(&operator(), &path, &json!({})).await.status,
                status
            );
            let entry = format!("op DEAD_LETTER_{action} DEAD_LETTER {id} {outcome}");
            log.grew_by(&[&entry]).await;
        }
    }
    let redrive = "/api/v1/dead-letters/redrive";
    let body = json!({"filter": {"reason": "timed_out"}});
    assert_eq!(house.post(&operator(), redrive, &body).await.status, 200);
    log.grew_by(&[&format!("op DEAD_LETTER_REDRIVE DEAD_LETTER {many} DONE")])
        .await;
    let lane = "quayside.export.default";
    let act = async |verb: &str| {
        let path = format!("/api/v1/lanes/{lane}/{verb}");
        let body = match verb {
            "pause" => json!({"reason": "x"}),
            _ => json!({}),
        };
        house.post(&operator(), &path, &body).await.status
    };
    for (verb, status, entry) in [
        ("scan", 200, "LANE_SCAN LANE quayside.export.default DONE"),
        ("pause", 200, "LANE_PAUSE LANE quayside.export.default DONE"),
        (
            "scan",
            409,
            "LANE_SCAN LANE quayside.export.default REFUSED",
        ),
        (
            "resume",
            200,
            "LANE_RESUME LANE quayside.export.default DONE",
        ),
    ] {
        assert_eq!(act(verb).await, status);
        log.grew_by(&[&format!("op {entry}")]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_has_no_right_to_is_logged_as_refused() {
    let house = open().await;
    let mut log = Log {
        house: &house,
        seen: Vec::new(),
    };
    let clerk = token("acme", "9", &["CLERK"]);
    let export = json!({"dataset": "employee"});
    let rows = json!({"rows": []});
    let work = compensations::items(&["a"]);
    let none = json!({});
    for (path, body, entry) in [
        ("exports", &export, "TASK_SUBMIT TASK "),
        ("datasets/member/rows", &rows, "ROWS_SUBMIT DATASET member"),
        ("compensations", &work, "COMPENSATION_SUBMIT COMPENSATION "),
        (
            "compensations/5/retry",
            &none,
            "COMPENSATION_RETRY COMPENSATION 5",
        ),
        (
            "compensations/5/cancel",
            &none,
            "COMPENSATION_CANCEL COMPENSATION 5",
        ),
        (
            "dead-letters/redrive",
            &none,
            "DEAD_LETTER_REDRIVE DEAD_LETTER ",
        ),
        (
            "dead-letters/5/redrive",
            &none,
            "DEAD_LETTER_REDRIVE DEAD_LETTER 5",
        ),
        (
            "dead-letters/5/discard",
            &none,
            "DEAD_LETTER_DISCARD DEAD_LETTER 5",
        ),
        (
            "lanes/quayside.x/pause",
            &none,
            "LANE_PAUSE LANE quayside.x",
        ),
        (
            "lanes/quayside.x/resume",
            &none,
            "LANE_RESUME LANE quayside.x",
        ),
        ("lanes/quayside.x/scan", &none, "LANE_SCAN LANE quayside.x"),
    ] {
        let answer = house.post(&clerk, &format!("/api/v1/{path}"), body).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (403, "forbidden"),
            "{path}"
        );
        log.grew_by(&[&format!("9 {entry} REFUSED")]).await;
    }
    assert_eq!(house.import(&clerk, &Form::of_csv()).await.status, 403);
    log.grew_by(&["9 TASK_SUBMIT TASK  REFUSED"]).await;
    // to look is no act, and nobody knows who sends a bad token
    assert_eq!(house.get(&clerk, "/api/v1/dead-letters").await.status, 403);
    let nobody = house.post("x", "/api/v1/exports", &export).await;
    assert_eq!(nobody.status, 401);
    log.grew_by(&[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_state_does_not_allow_is_logged_as_refused_though_nothing_of_it_was_done() {
    let house = open().await;
    let group = |biz_id: &str, group: Value| {
        let mut body = compensations::items(&[biz_id]);
        body["group"] = group;
        body
    };
    let follow = json!([{"biz_type": "callback", "context": {"url": "x"}}]);
    compensations::submit(&house, &group("a", json!({"key": "open"}))).await;
    compensations::submit(&house, &group("b", json!({"key": "shut", "seal": true}))).await;
    for _ in 0..10 {
        let hook = json!({"url": "https://example.com/hook"});
        let made = house.post(&manager(), "/api/v1/webhooks", &hook).await;
        assert_eq!(made.status, 201);
    }
    let usual = "quayside.biz.coupon_grant";
    let pause = format!("/api/v1/lanes/{usual}/pause");
    let reason = json!({"reason": "x"});
    let paused = house.post(&operator(), &pause, &reason).await;
    assert_eq!(paused.status, 200);
    let mut log = Log {
        house: &house,
        seen: logged(&house).await,
    };
    let (seven, eight) = (manager(), token("acme", "8", &["MANAGER"]));
    let scan = format!("lanes/{usual}.high/scan");
    let scanned = format!("op LANE_SCAN LANE {usual}.high REFUSED");
    for (who, path, body, entry) in [
        (
            &seven,
            "compensations",
            group("c", json!({"key": "shut"})),
            "7 COMPENSATION_SUBMIT COMPENSATION  REFUSED",
        ),
        (
            &seven,
            "compensations",
            group("c", json!({"key": "open", "on_finished": follow})),
            "7 COMPENSATION_SUBMIT COMPENSATION  REFUSED",
        ),
        (
            &eight,
            "compensations",
            group("c", json!({"key": "open"})),
            "8 COMPENSATION_SUBMIT COMPENSATION  REFUSED",
        ),
        (
            &seven,
            "webhooks",
            json!({"url": "https://example.com/hook"}),
            "7 WEBHOOK_CREATE WEBHOOK  REFUSED",
        ),
        (&operator(), &scan, json!({}), &scanned),
    ] {
        let answer = house.post(who, &format!("/api/v1/{path}"), &body).await;
        assert_eq!(
            (answer.status, &*answer.problem()),
            (409, "state_conflict"),
            "{path}"
        );
        log.grew_by(&[entry]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_cannot_be_logged_is_not_told_as_one() {
    let house = House::over(testkit::TestDatabase::create().await, |settings| {
        // nobody listens there
        settings.mysql.url = "mysql://root@127.0.0.1:1/nowhere".into();
    });
    let answer = house
        .post(
            &token("acme", "9", &["CLERK"]),
            "/api/v1/dead-letters/5/discard",
            &json!({}),
        )
        .await;
    assert_eq!(
        (answer.status, &*answer.problem()),
        (503, "database_unavailable")
    );
}
