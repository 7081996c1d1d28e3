//! In which language an upload is refused.

use crate::form::Form;
use crate::house::{House, manager};

const XLS: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more";

async fn detail(house: &House, form: &Form, accepted: Option<&str>) -> String {
    let mut request = house.import_request(&manager(), form);
    if let Some(accepted) = accepted {
        request = request.header("accept-language", accepted);
    }
    let answer = house.send(request).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_options_say_it_if_they_came_before_the_file_else_the_client_else_the_deployment() {
    let house = House::open().await;
    let bare = Form::new().field("dataset", "member");
    let options = bare.clone().field("options", r#"{"locale": "en-GB"}"#);
    let late = bare.clone().file("m.xls", XLS);
    let late = late.field("options", r#"{"locale": "en-GB"}"#);
    for (form, accepted, is_chinese) in [
        (bare.clone().file("m.xls", XLS), None, true),
        (
            bare.clone().file("m.xls", XLS),
            Some("en-US,en;q=0.9"),
            false,
        ),
        (
            bare.clone().file("m.xls", XLS),
            Some("de, zh-TW;q=0.4"),
            true,
        ),
        (
            bare.clone().file("m.xls", XLS),
            Some("not a language at all"),
            true,
        ),
        (options.clone().file("m.xls", XLS), Some("zh-CN"), false),
        (options.file("m.csv", b""), None, false),
        (late, None, true),
    ] {
        let detail = detail(&house, &form, accepted).await;
        assert_eq!(!detail.is_ascii(), is_chinese, "{accepted:?}: {detail}");
    }
    house.assert_nothing_is_left().await;
    let english = House::open_with(|settings| settings.defaults.locale = "en".into()).await;
    let refused = detail(&english, &bare.file("m.xls", XLS), None).await;
    assert!(refused.is_ascii(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_too_large_is_refused_so_too() {
    let definitions = super::limits::small();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    let file = super::limits::csv_of(super::limits::MEMBER_BYTES + 1);
    let form = Form::new().field("dataset", "member").file("m.csv", &file);
    let chinese = detail(&house, &form, Some("zh")).await;
    let english = detail(&house, &form, Some("en")).await;
    assert_eq!((chinese.is_ascii(), english.is_ascii()), (false, true));
}
