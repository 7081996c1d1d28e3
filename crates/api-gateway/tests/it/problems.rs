use reqwest::Method;
use serde_json::json;

use crate::house::{House, manager};

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_has_the_shape_of_the_contract() {
    let house = House::open().await;
    let body = json!({"dataset": "employee", "columns": ["wage"], "colums": []});
    for body in [
        body,
        json!({"dataset": "employee", "columns": ["wage"], "sort": ["x"]}),
    ] {
        let request = house
            .request(Method::POST, "/api/v1/exports?x=1")
            .bearer_auth(manager());
        let answer = house
            .send(request.json(&body).header("x-request-id", "r-1"))
            .await;
        answer.problem();
        insta::assert_json_snapshot!(answer.json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_does_not_exist_is_404_and_a_method_that_is_not_allowed_405() {
    let house = House::open().await;
    for path in [
        "/",
        "/api/v1",
        "/api/v2/tasks",
        "/api/v1/tasks/",
        "/api/v1//tasks",
        "/metrics",
    ] {
        let answer = house.get(&manager(), path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (404, "not_found"),
            "{path}"
        );
    }
    for (method, path, allow) in [
        (Method::GET, "/api/v1/exports", "POST"),
        (Method::PUT, "/api/v1/tasks", "GET, HEAD"),
        (Method::PATCH, "/api/v1/tasks/1", "GET, HEAD"),
        (Method::GET, "/api/v1/tasks/1/cancel", "POST"),
        (Method::POST, "/openapi.json", "GET, HEAD"),
        (Method::TRACE, "/api/v1/datasets", "GET, HEAD"),
    ] {
        let answer = house
            .send(house.request(method, path).bearer_auth(manager()))
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (405, "method_not_allowed"),
            "{path}"
        );
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}
