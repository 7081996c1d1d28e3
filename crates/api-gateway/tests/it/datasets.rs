use serde_json::json;

use crate::house::{House, manager, token};

#[tokio::test(flavor = "multi_thread")]
async fn the_datasets_are_listed_with_what_the_caller_may_do() {
    let house = House::open().await;
    let names = |list: &serde_json::Value| {
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|dataset| dataset["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    for (roles, may) in [
        (&["MANAGER"][..], true),
        (&["SUPER_ADMIN"], true),
        (&["CLERK"], false),
    ] {
        let list = house
            .get(&token("acme", "7", roles), "/api/v1/datasets")
            .await
            .json();
        assert_eq!(names(&list), ["coupon_grant", "employee", "member", "user"]);
        assert_eq!(list["next_cursor"], json!(null));
        assert_eq!(
            list["items"][1]["may"],
            json!({"export": may, "import": may})
        );
        assert_eq!(list["items"][1]["label"]["zh-CN"], "员工信息");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_has_the_shape_of_the_contract_and_tells_nothing_of_its_table() {
    let house = House::open().await;
    let answer = house.get(&manager(), "/api/v1/datasets/employee").await;
    insta::assert_json_snapshot!(answer.json());
    for secret in ["deleted_at", "\"table\"", "stored_in", ".toml"] {
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(secret),
            "{secret}"
        );
    }
}

/// A copy of the shipped definitions in which CLERK may export, but see nothing sensitive.
fn with_clerks() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let shipped = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/datasets/employee.toml"
    );
    let definition = std::fs::read_to_string(shipped).unwrap();
    let (from, to) = (
        "export = [\"MANAGER\"]",
        "export = [\"MANAGER\", \"CLERK\"]",
    );
    assert!(definition.contains(from));
    let definition = definition.replace(from, to);
    std::fs::write(directory.path().join("employee.toml"), definition).unwrap();
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_column_shows_as_one_that_only_some_may_export() {
    let definitions = with_clerks();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    for (roles, sees) in [
        (&["CLERK"][..], false),
        (&["CLERK", "MANAGER"], true),
        (&["SUPER_ADMIN"], true),
    ] {
        let token = token("acme", "7", roles);
        let dataset = house.get(&token, "/api/v1/datasets/employee").await.json();
        let columns = dataset["columns"].as_array().unwrap();
        let salary = columns.iter().find(|it| it["name"] == "salary").unwrap();
        assert_eq!(salary["sensitive"], true);
        assert_eq!(salary["importable"], true);
        assert_eq!(
            (&salary["exportable"], &salary["sortable"]),
            (&json!(sees), &json!(sees))
        );
        let filters = dataset["filters"].as_array().unwrap();
        let filter = filters.iter().any(|filter| filter["column"] == "salary");
        assert_eq!(filter, sees, "{roles:?}");
        assert_eq!(dataset["may"]["export"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_never_gives_a_sensitive_column_to_one_who_may_not_see_it() {
    let definitions = with_clerks();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    let clerk = token("acme", "7", &["CLERK"]);
    for (body, pointer) in [
        (json!({"columns": ["id", "salary"]}), "/columns/1"),
        (
            json!({"filters": {"salary": {"gt": 1000}}}),
            "/filters/salary",
        ),
        (json!({"sort": ["-salary"]}), "/sort/0"),
    ] {
        let mut body = body;
        body["dataset"] = json!("employee");
        let answer = house.post(&clerk, "/api/v1/exports", &body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (403, "forbidden"),
            "{body}"
        );
        let fault = &answer.json()["errors"][0];
        assert_eq!(
            (&fault["pointer"], &fault["code"]),
            (&json!(pointer), &json!("forbidden"))
        );
        let answer = house.post(&manager(), "/api/v1/exports", &body).await;
        assert_eq!(answer.status, 202, "{body}");
    }
    let bare = json!({"dataset": "employee", "force": true});
    for (token, sees) in [(clerk, false), (manager(), true)] {
        let answer = house.post(&token, "/api/v1/exports", &bare).await;
        assert_eq!(answer.status, 202);
        let id: u64 = answer.json()["id"].as_str().unwrap().parse().unwrap();
        let stored = format!("SELECT context FROM compensate_biz WHERE task_id = {id}");
        let stored: String = house.database.one(&stored).await;
        let spec: domain::ExportSpec = serde_json::from_str(&stored).unwrap();
        assert_eq!(spec.columns.contains(&"salary".to_owned()), sees);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_tells_the_rules_between_its_columns() {
    let directory = tempfile::tempdir().unwrap();
    let shipped = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/datasets/member.toml"
    );
    let definition = std::fs::read_to_string(shipped).unwrap();
    let rules = r#"rules = [
      { name = "worth", left = "points", op = "lte", right = "balance", message = { zh-CN = "积分过多", en = "Too many points." } },
      { name = "known", when = { column = "level", is = 5 }, required = "email", message = { en = "An e-mail, please." } },
    ]
    columns = ["#;
    let definition = definition.replacen("columns = [", rules, 1);
    std::fs::write(directory.path().join("member.toml"), definition).unwrap();
    let path = directory.path().to_owned();
    let house = House::of_datasets(path).await;
    let dataset = house
        .get(&manager(), "/api/v1/datasets/member")
        .await
        .json();
    assert_eq!(
        dataset["rules"],
        json!([
            {"name": "worth", "when": null, "left": "points", "op": "lte", "right": "balance",
                "required": null, "message": {"zh-CN": "积分过多", "en": "Too many points."}},
            {"name": "known", "when": {"column": "level", "is": "5"}, "left": null, "op": null,
                "right": null, "required": "email", "message": {"en": "An e-mail, please."}},
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_that_is_not_defined_is_404() {
    let house = House::open().await;
    for name in ["nobody", "EMPLOYEE", "..%2femployee", "%00"] {
        let answer = house
            .get(&manager(), &format!("/api/v1/datasets/{name}"))
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "dataset_not_found"),
            "{name}"
        );
    }
}

#[test]
fn a_directory_without_a_definition_or_with_a_wrong_one_is_refused_with_file_and_line() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = || format!("{:#}", service::read_catalog(directory.path()).unwrap_err());
    assert!(refusal().contains("no dataset definition"));
    std::fs::write(directory.path().join("wrong.toml"), "name = 7\n").unwrap();
    assert!(refusal().contains("wrong.toml:1"), "{}", refusal());
}
