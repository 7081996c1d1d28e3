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
        assert_eq!(names(&list), ["employee", "member", "user"]);
        assert_eq!(list["next_cursor"], json!(null));
        assert_eq!(
            list["items"][0]["may"],
            json!({"export": may, "import": may})
        );
        assert_eq!(list["items"][0]["label"]["zh-CN"], "员工信息");
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
