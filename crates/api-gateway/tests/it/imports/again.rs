//! The same upload again.

use reqwest::Method;

use crate::form::{CSV, Form};
use crate::house::{Answer, House, manager, token};

async fn submit(house: &House, token: &str, key: &str, form: &Form) -> Answer {
    let request = house.import_request(token, form);
    house.send(request.header("Idempotency-Key", key)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_fields_and_content_are_the_first_task_again_whatever_the_form_looks_like() {
    let house = House::open().await;
    let options = r#"{"mode": "upsert", "empty_means": "keep"}"#;
    let form = Form::new()
        .field("dataset", "member")
        .field("options", options)
        .file("m.csv", CSV);
    let first = submit(&house, &manager(), "k", &form).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (202, None)
    );
    let other_form = Form::with_boundary("0123456789")
        .file("june.csv", CSV)
        .field("options", r#"{"empty_means":"keep","mode":"upsert"}"#)
        .field("dataset", "member");
    let again = submit(&house, &manager(), "k", &other_form).await;
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (202, Some("true"))
    );
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(house.written().await, (1, 1));
    assert_eq!(house.uploads().await, ["AVAILABLE", "DELETED"]);
    assert_eq!(house.stored().len(), 1, "the second copy is removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_for_other_content_or_other_fields_is_refused_and_belongs_to_its_user_alone() {
    let house = House::open().await;
    submit(&house, &manager(), "k", &Form::of_csv()).await;
    let other_content = Form::new()
        .field("dataset", "member")
        .file("m.csv", b"a,b\r\n1,2\r\n");
    let other_fields = Form::of_csv().field("options", r#"{"mode": "update"}"#);
    let other_dataset = Form::new().field("dataset", "user").file("m.csv", CSV);
    for form in [&other_content, &other_fields, &other_dataset] {
        let refused = submit(&house, &manager(), "k", form).await;
        assert_eq!(
            (refused.status, refused.problem().as_str()),
            (422, "idempotency_key_reused")
        );
    }
    assert_eq!(house.stored().len(), 1, "what was refused is removed");
    let colleague = token("acme", "8", &["MANAGER"]);
    let theirs = submit(&house, &colleague, "k", &other_content).await;
    assert_eq!(theirs.status, 202);
    assert_eq!(house.written().await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_an_export_is_another_than_that_of_an_import() {
    let house = House::open().await;
    let export = house
        .request(Method::POST, "/api/v1/exports")
        .bearer_auth(manager())
        .header("Idempotency-Key", "k")
        .json(&serde_json::json!({"dataset": "member"}));
    assert_eq!(house.send(export).await.status, 202);
    let import = submit(&house, &manager(), "k", &Form::of_csv()).await;
    assert_eq!(import.status, 202, "{import:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_upload_does_not_use_its_key_up_and_without_a_key_each_is_an_import() {
    let house = House::open().await;
    let empty = Form::new().field("dataset", "member").file("m.csv", b"");
    let refused = submit(&house, &manager(), "k", &empty).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (422, "empty_file")
    );
    let right = submit(&house, &manager(), "k", &Form::of_csv()).await;
    assert_eq!(right.status, 202);
    let first = house.an_import(&manager()).await;
    assert_ne!(first, house.an_import(&manager()).await);
}
