//! Imports and small lists.

use domain::RowCode;
use serde_json::json;

use super::check::Check;
use crate::form::{CSV, Form, IMPORTS};
use crate::house::{House, manager};
use crate::worker::fault;

pub(super) async fn check_imports(house: &House, check: &mut Check<'_>) {
    for form in [
        Form::of_csv(),
        Form::of_csv().field("x", ""),
        Form::new().field("dataset", "nobody").file("m.csv", CSV),
        Form::new().field("dataset", "member").file("m.csv", b""),
        Form::new()
            .field("dataset", "member")
            .file("m.xlsx", b"\x89PNG\r\n\x1a\n\0\0"),
    ] {
        let answer = house.import(&manager(), &form).await;
        check.answer("POST", IMPORTS, &answer);
    }
    let import = house.an_import(&manager()).await;
    house.split(&import, 1).await;
    let fault = fault(3, RowCode::Required, "");
    house.apply(&import, 1, vec![fault]).await;
    let member = "/api/v1/datasets/member";
    for (route, path) in [
        ("/api/v1/tasks/{id}", format!("/api/v1/tasks/{import}")),
        (
            "/api/v1/tasks/{id}/row-errors",
            format!("/api/v1/tasks/{import}/row-errors"),
        ),
        (
            "/api/v1/tasks/{id}/row-errors",
            format!("/api/v1/tasks/{import}/row-errors?format=csv"),
        ),
        (
            "/api/v1/tasks/{id}/row-errors",
            format!("/api/v1/tasks/{import}/row-errors?code=x"),
        ),
        (
            "/api/v1/tasks/{id}/row-errors",
            "/api/v1/tasks/0/row-errors".to_owned(),
        ),
        (
            "/api/v1/datasets/{name}/template",
            format!("{member}/template"),
        ),
        (
            "/api/v1/datasets/{name}/template",
            format!("{member}/template?format=x"),
        ),
        (
            "/api/v1/datasets/{name}/template",
            "/api/v1/datasets/x/template".to_owned(),
        ),
    ] {
        let answer = house.get(&manager(), &path).await;
        check.answer("GET", route, &answer);
    }
    let good = json!({"member_no": "M1", "name": "a", "mobile": "13800000000", "level": 1,
        "points": 0, "balance": 0});
    for body in [
        json!({"rows": [good, {"member_no": "M2"}]}),
        json!({"rows": [{"x": 1}]}),
        json!({"rows": 1}),
    ] {
        let answer = house
            .post(&manager(), &format!("{member}/rows"), &body)
            .await;
        check.answer("POST", "/api/v1/datasets/{name}/rows", &answer);
    }
}
