//! `POST /datasets/{name}/rows`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{Answer, House, manager, token};

const MEMBERS: &str = "/api/v1/datasets/member/rows";

fn member(number: &str) -> Value {
    json!({"member_no": number, "name": "张三", "mobile": "13800000000", "level": 1, "points": 0,
        "balance": "1.50"})
}

async fn write(house: &House, body: &Value) -> Answer {
    house.post(&manager(), MEMBERS, body).await
}

/// Number and name of the members of a tenant.
async fn members(house: &House, tenant: &str) -> Vec<(String, String)> {
    let sql =
        format!("SELECT member_no, name FROM member WHERE tenant = '{tenant}' ORDER BY member_no");
    house.database.query(&sql).await
}

fn statuses(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let results = answer["results"].as_array().unwrap();
    let mut statuses = Vec::new();
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index);
        let failed = result["status"] == "FAILED";
        assert_eq!(
            failed,
            !result["errors"].as_array().unwrap().is_empty(),
            "{result}"
        );
        statuses.push(result["status"].as_str().unwrap().to_owned());
    }
    let count = |word: &str| statuses.iter().filter(|status| *status == word).count();
    assert_eq!(answer["total"], statuses.len());
    assert_eq!(answer["inserted"], count("INSERTED"));
    assert_eq!(answer["updated"], count("UPDATED"));
    assert_eq!(answer["failed"], count("FAILED"));
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_stored_is_stored_and_each_row_is_told_what_became_of_it() {
    let house = House::with_tables().await;
    assert_eq!(
        statuses(&write(&house, &json!({"rows": [member("M1")]})).await),
        ["INSERTED"]
    );
    let mut bad_mobile = member("M3");
    bad_mobile["mobile"] = json!("12");
    let mut no_name = member("M4");
    no_name["name"] = Value::Null;
    let rows = json!([
        member("M2"),
        bad_mobile,
        no_name,
        member("M1"),
        member("M5")
    ]);
    let answer = write(&house, &json!({"rows": rows})).await;
    assert_eq!(
        statuses(&answer),
        ["INSERTED", "FAILED", "FAILED", "FAILED", "INSERTED"]
    );
    let results = &answer.json()["results"];
    let fault = |index: usize| {
        let error = &results[index]["errors"][0];
        assert_eq!(
            (&error["row"], &error["sheet"], &error["column"]),
            (&json!(index), &Value::Null, &Value::Null)
        );
        assert!(
            error["message"]
                .as_str()
                .is_some_and(|text| !text.is_ascii()),
            "{error}"
        );
        (
            error["code"].as_str().unwrap().to_owned(),
            error["field"].clone(),
        )
    };
    assert_eq!(fault(1), ("pattern_mismatch".to_owned(), json!("mobile")));
    assert_eq!(fault(2), ("required".to_owned(), json!("name")));
    assert_eq!(fault(3).0, "duplicate_in_db");
    let numbers: Vec<String> = members(&house, "acme")
        .await
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(numbers, ["M1", "M2", "M5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fraction_of_a_second_that_the_table_does_not_keep_is_cut_and_carries_into_nothing() {
    let house = House::with_tables().await;
    let mut last = member("M1");
    last["created_at"] = json!("2026-12-31T23:59:59.600Z");
    let answer = write(&house, &json!({"rows": [last]})).await;
    assert_eq!(statuses(&answer), ["INSERTED"]);
    let stored: String = house
        .database
        .one("SELECT CAST(created_at AS CHAR) FROM member")
        .await;
    assert_eq!(stored, "2026-12-31 23:59:59");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_does_what_it_says_and_tells_inserted_from_updated() {
    let house = House::with_tables().await;
    write(&house, &json!({"rows": [member("M1"), member("M3")]})).await;
    let mut renamed = member("M1");
    renamed["name"] = json!("李四");
    let body =
        json!({"mode": "upsert", "rows": [member("M0"), renamed, member("M2"), member("M3")]});
    assert_eq!(
        statuses(&write(&house, &body).await),
        ["INSERTED", "UPDATED", "INSERTED", "UPDATED"]
    );
    let body = json!({"mode": "update", "rows": [
        {"member_no": "M2", "name": "王五"}, {"member_no": "M9", "name": "无"}]});
    let answer = write(&house, &body).await;
    assert_eq!(statuses(&answer), ["UPDATED", "FAILED"]);
    assert_eq!(
        answer.json()["results"][1]["errors"][0]["code"],
        "not_found"
    );
    let names = members(&house, "acme").await;
    let of = |number: &str| names.iter().find(|it| it.0 == number).unwrap().1.clone();
    assert_eq!(
        (of("M0"), of("M1"), of("M2")),
        ("张三".into(), "李四".into(), "王五".into())
    );
    let kept: String = house
        .database
        .one("SELECT mobile FROM member WHERE member_no = 'M2'")
        .await;
    assert_eq!(kept, "13800000000", "what a row does not name stays");
}

/// Code and related rows of the first error of each row that failed.
fn faults(answer: &Answer) -> Vec<(usize, String, Value)> {
    let results = answer.json()["results"].as_array().unwrap().clone();
    let failed = results.iter().enumerate();
    failed
        .filter(|(_, result)| result["status"] == "FAILED")
        .map(|(index, result)| {
            let error = &result["errors"][0];
            let code = error["code"].as_str().unwrap().to_owned();
            (index, code, error["related_rows"].clone())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rows_with_one_key_none_is_stored_in_any_mode_and_each_names_the_others() {
    let house = House::with_tables().await;
    let mut bad = member("M1");
    bad["mobile"] = json!("12");
    let rows = json!([
        member("M1"),
        member("M2"),
        member(" M1"),
        bad,
        member("m2"),
        member("M3")
    ]);
    let double = |index, others| (index, "duplicate_in_file".to_owned(), others);
    for mode in ["insert", "upsert", "update"] {
        let answer = write(&house, &json!({"mode": mode, "rows": rows})).await;
        let good = if mode == "insert" {
            "INSERTED"
        } else {
            "UPDATED"
        };
        assert_eq!(
            statuses(&answer),
            ["FAILED", good, "FAILED", "FAILED", good, good]
        );
        // what is wrong with a row by itself comes first
        let by_itself = (3, "pattern_mismatch".to_owned(), json!([]));
        let expected = [
            double(0, json!([2, 3])),
            double(2, json!([0, 3])),
            by_itself,
        ];
        assert_eq!(faults(&answer), expected, "{mode}");
        let second = &answer.json()["results"][3]["errors"][1];
        assert_eq!(second["code"], "duplicate_in_file");
        assert_eq!(second["field"], "member_no");
        assert_eq!(second["params"]["rows"], json!([0, 2]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn which_keys_are_one_is_what_the_tables_collation_says() {
    let house = House::with_tables().await;
    house
        .database
        .execute(
            "ALTER TABLE member MODIFY member_no VARCHAR(20) CHARACTER SET utf8mb4 \
             COLLATE utf8mb4_0900_ai_ci NOT NULL",
        )
        .await;
    let rows = json!([
        member("é1"),
        member("Z"),
        member("E1"),
        member("e 1"),
        member("z\u{200b}")
    ]);
    let answer = write(&house, &json!({"rows": rows})).await;
    assert_eq!(
        statuses(&answer),
        ["FAILED", "FAILED", "FAILED", "INSERTED", "FAILED"]
    );
    let double = |index, other: u32| (index, "duplicate_in_file".to_owned(), json!([other]));
    assert_eq!(
        faults(&answer),
        [double(0, 2), double(1, 4), double(2, 0), double(4, 1)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_holds_the_character_of_no_text_fails_its_row() {
    let house = House::with_tables().await;
    let mut row = member("M1");
    row["name"] = json!("a\u{0}b");
    let answer = write(
        &house,
        &json!({"rows": [row, member("M\u{0}2"), member("M3")]}),
    )
    .await;
    assert_eq!(statuses(&answer), ["FAILED", "FAILED", "INSERTED"]);
    let errors = |index: usize| answer.json()["results"][index]["errors"][0].clone();
    for (index, field) in [(0, "name"), (1, "member_no")] {
        let error = errors(index);
        assert_eq!(
            (
                &error["code"],
                &error["field"],
                &error["params"]["expected"]
            ),
            (&json!("type_mismatch"), &json!(field), &json!("string"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_told_in_the_language_that_the_client_accepts_if_there_is_one() {
    let house = House::with_tables().await;
    let body = json!({"rows": [{"member_no": null}]});
    for (accepted, is_chinese) in [
        (None, true),
        (Some("en-GB, zh;q=0.5"), false),
        (Some("fr, en;q=0.3, zh;q=0.8"), true),
        (Some("fr"), true),
        (Some("*"), true),
    ] {
        let mut request = house.request(Method::POST, MEMBERS).bearer_auth(manager());
        if let Some(accepted) = accepted {
            request = request.header("accept-language", accepted);
        }
        let answer = house.send(request.json(&body)).await.json();
        let message = answer["results"][0]["errors"][0]["message"].as_str();
        let message = message.unwrap().to_owned();
        assert_eq!(
            message.contains("不能为空"),
            is_chinese,
            "{accepted:?}: {message}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_rows_are_taken_and_one_more_is_not() {
    let house = House::with_tables().await;
    let rows = |count: usize| {
        let rows: Vec<Value> = (0..count).map(|at| member(&format!("M{at:05}"))).collect();
        json!({"rows": rows})
    };
    let refused = write(&house, &rows(1_001)).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (422, "too_many_rows")
    );
    assert_eq!(refused.json()["errors"][0]["pointer"], "/rows");
    assert_eq!(members(&house, "acme").await, []);
    let taken = write(&house, &rows(1_000)).await;
    assert!(statuses(&taken).iter().all(|status| status == "INSERTED"));
    assert_eq!(members(&house, "acme").await.len(), 1_000);
    assert_eq!(statuses(&write(&house, &rows(0)).await), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_contract_is_refused_with_code_and_field_and_nothing_is_written() {
    let house = House::with_tables().await;
    let row = |field: &str, value: Value| {
        let mut row = member("M2");
        row[field] = value;
        json!({"rows": [member("M1"), row]})
    };
    let cases = [
        (json!({}), 400, "invalid_request", "/rows"),
        (json!({"rows": {}}), 400, "invalid_request", "/rows"),
        (
            json!({"rows": [member("M1"), 7]}),
            400,
            "invalid_request",
            "/rows/1",
        ),
        (
            json!({"rows": [member("M1")], "mode": "replace"}),
            400,
            "invalid_request",
            "/mode",
        ),
        (
            json!({"rows": [member("M1")], "mode": 7}),
            400,
            "invalid_request",
            "/mode",
        ),
        (
            json!({"rows": [member("M1")], "force": true}),
            400,
            "invalid_request",
            "/force",
        ),
        (json!([]), 400, "invalid_request", ""),
        (row("wage", json!(1)), 422, "unknown_column", "/rows/1/wage"),
        (row("id", json!(1)), 422, "unknown_column", "/rows/1/id"),
        (
            row("tenant", json!("globex")),
            422,
            "unknown_column",
            "/rows/1/tenant",
        ),
    ];
    for (body, status, code, pointer) in cases {
        let answer = write(&house, &body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, code),
            "{body}"
        );
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let unknown = house
        .post(
            &manager(),
            "/api/v1/datasets/nobody/rows",
            &json!({"rows": []}),
        )
        .await;
    assert_eq!(
        (unknown.status, unknown.problem().as_str()),
        (404, "dataset_not_found")
    );
    let text = house.request(Method::POST, MEMBERS).bearer_auth(manager());
    let text = house
        .send(text.header("content-type", "text/plain").body("{}"))
        .await;
    assert_eq!(
        (text.status, text.problem().as_str()),
        (415, "unsupported_media")
    );
    let large = json!({"rows": [{"remark": "x".repeat(5 << 20)}]});
    let large = write(&house, &large).await;
    assert_eq!(
        (large.status, large.problem().as_str()),
        (413, "body_too_large")
    );
    assert_eq!(members(&house, "acme").await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_to_the_callers_tenant_and_the_same_keys_of_another_are_not_touched() {
    let house = House::with_tables().await;
    let globex = token("globex", "7", &["MANAGER"]);
    for who in [&manager(), &globex] {
        let answer = house
            .post(who, MEMBERS, &json!({"rows": [member("M1")]}))
            .await;
        assert_eq!(statuses(&answer), ["INSERTED"]);
    }
    let mut renamed = member("M1");
    renamed["name"] = json!("李四");
    write(&house, &json!({"mode": "upsert", "rows": [renamed]})).await;
    assert_eq!(
        members(&house, "acme").await,
        [("M1".into(), "李四".into())]
    );
    assert_eq!(
        members(&house, "globex").await,
        [("M1".into(), "张三".into())]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_503() {
    let house = House::open_with(|settings| {
        settings.mysql.url = "mysql://root@127.0.0.1:1/nowhere".into();
    })
    .await;
    let away = write(&house, &json!({"rows": [member("M1")]})).await;
    assert_eq!(
        (away.status, away.problem().as_str()),
        (503, "database_unavailable")
    );
}
