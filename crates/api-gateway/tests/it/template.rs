//! `GET /datasets/{name}/template`.

use reqwest::Method;

use crate::form::Form;
use crate::house::{House, manager};

const PATH: &str = "/api/v1/datasets/member/template";

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_in_either_format_in_the_users_language_under_a_name_in_it() {
    let house = House::open().await;
    for (query, name, ending, header) in [
        ("", "%E4%BC%9A%E5%91%98_", ".xlsx", None),
        (
            "?format=csv",
            "%E4%BC%9A%E5%91%98_",
            ".csv",
            Some("会员号,姓名,手机号,"),
        ),
        (
            "?format=csv&locale=en",
            "Member_template",
            ".csv",
            Some("Member no.,Name,Mobile,"),
        ),
        (
            "?format=xlsx&locale=en-GB",
            "Member_template",
            ".xlsx",
            None,
        ),
    ] {
        let answer = house.get(&manager(), &format!("{PATH}{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        let disposition = answer.header("content-disposition").unwrap();
        assert!(
            disposition.contains(name) && disposition.ends_with(ending),
            "{disposition}"
        );
        match header {
            Some(header) => {
                let text = String::from_utf8(answer.body).unwrap();
                assert!(text.starts_with(&format!("\u{feff}{header}")), "{text}");
            }
            None => assert_eq!(answer.body[..4], *b"PK\x03\x04"),
        }
    }
    let head = house.request(Method::HEAD, PATH).bearer_auth(manager());
    let head = house.send(head).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_file_that_an_import_takes() {
    let house = House::open().await;
    for format in ["xlsx", "csv"] {
        let template = house
            .get(&manager(), &format!("{PATH}?format={format}"))
            .await;
        let form = Form::new()
            .field("dataset", "member")
            .file("t", &template.body);
        let answer = house.import(&manager(), &form).await;
        assert_eq!(answer.status, 202, "{format}: {answer:?}");
        assert_eq!(answer.json()["name"], format!("t.{format}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_be_is_refused() {
    let house = House::open().await;
    for (path, status, code) in [
        (format!("{PATH}?format=pdf"), 400, "invalid_request"),
        (format!("{PATH}?locale=xx"), 400, "invalid_request"),
        (
            "/api/v1/datasets/nobody/template".to_owned(),
            404,
            "dataset_not_found",
        ),
    ] {
        let answer = house.get(&manager(), &path).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, code),
            "{path}"
        );
    }
}
