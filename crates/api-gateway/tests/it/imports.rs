//! `POST /imports`.

mod again;
mod kinds;
mod language;
mod limits;
mod memory;
mod trouble;

use domain::{ImportSpec, UploadFormat};
use reqwest::Method;
use serde_json::json;

use crate::form::{CSV, Form, IMPORTS};
use crate::house::{House, manager, token};

/// An empty workbook of the dataset `member`, as our own template is.
pub(crate) fn workbook() -> Vec<u8> {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");
    let catalog = service::read_catalog(shipped.as_ref()).unwrap();
    let mut file = Vec::new();
    tabular::write_template(catalog.get("member").unwrap(), "en", &mut file).unwrap();
    file
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(content))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_either_kind_becomes_a_pending_import_with_its_upload() {
    let house = House::open().await;
    let book = workbook();
    for (name, content, format) in [
        ("成员 六月.xlsx", book.as_slice(), UploadFormat::Xlsx),
        ("members.csv", CSV, UploadFormat::Csv),
    ] {
        let form = Form::new()
            .field("dataset", "member")
            .field("options", r#"{"mode": "upsert", "on_error": "abort"}"#)
            .file(name, content);
        let answer = house.import(&manager(), &form).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let task = answer.json();
        let id = task["id"].as_str().unwrap();
        let path = format!("/api/v1/tasks/{id}");
        assert_eq!(answer.header("location"), Some(path.as_str()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(
            (
                &task["kind"],
                &task["status"],
                &task["dataset"],
                &task["name"]
            ),
            (
                &json!("IMPORT"),
                &json!("PENDING"),
                &json!("member"),
                &json!(name)
            )
        );
        assert_eq!(
            task["options"],
            json!({"mode": "upsert", "on_error": "abort"})
        );
        let shown = house.get(&manager(), &path).await.json();
        let [file] = shown["files"].as_array().unwrap().as_slice() else {
            panic!("one file: {shown}");
        };
        assert_eq!(
            (&file["role"], &file["state"], &file["name"]),
            (&json!("UPLOAD"), &json!("AVAILABLE"), &json!(name))
        );
        assert_eq!(file["size"], content.len());
        assert_eq!(file["sha256"], sha256(content));

        let row =
            format!("SELECT lane, biz_type, context FROM compensate_biz WHERE task_id = {id}");
        let (lane, biz_type, context): (String, String, String) = house.database.one(&row).await;
        assert_eq!(
            (lane.as_str(), biz_type.as_str()),
            ("quayside.import.default", "IMPORT")
        );
        let spec: ImportSpec = serde_json::from_str(&context).unwrap();
        assert_eq!(
            (spec.upload.format, spec.locale.as_str()),
            (format, "zh-CN")
        );
        assert_eq!(spec.options.mode, domain::ImportMode::Upsert);
        let stored = house.storage.get(&spec.upload.object_key, None).await;
        assert_eq!(stored.unwrap().size, content.len() as u64);
        assert!(
            spec.upload.object_key.starts_with("acme/uploads/"),
            "{}",
            spec.upload.object_key
        );
        let file = format!("{path}/files/{}", file["id"].as_str().unwrap());
        let back = house.get(&manager(), &file).await;
        assert_eq!(back.body, content);
    }
    assert_eq!(house.written().await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_parts_may_come_in_any_order() {
    let house = House::open().await;
    let options = r#"{"locale": "en", "queue": "default", "timezone": "UTC"}"#;
    let last = Form::new()
        .field("options", options)
        .field("dataset", "member")
        .file("m.csv", CSV);
    let first = Form::new()
        .file("m.csv", CSV)
        .field("dataset", "member")
        .field("options", options);
    for form in [first, last] {
        let answer = house.import(&manager(), &form).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let sql = format!("SELECT context FROM compensate_biz WHERE task_id = {id}");
        let context: String = house.database.one(&sql).await;
        let spec: ImportSpec = serde_json::from_str(&context).unwrap();
        assert_eq!((spec.locale.as_str(), spec.timezone.name()), ("en", "UTC"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_contract_is_refused_with_code_and_field_and_nothing_is_left() {
    let house = House::open().await;
    let with = |options: &str| {
        [
            Form::new()
                .field("dataset", "member")
                .field("options", options)
                .file("m.csv", CSV),
            Form::new()
                .file("m.csv", CSV)
                .field("options", options)
                .field("dataset", "member"),
        ]
    };
    let dataset = |name: &str| {
        [
            Form::new().field("dataset", name).file("m.csv", CSV),
            Form::new().file("m.csv", CSV).field("dataset", name),
        ]
    };
    let once = |form: Form| [form.clone(), form];
    let cases = [
        (
            once(Form::new().file("m.csv", CSV)),
            400,
            "invalid_request",
            "/dataset",
        ),
        (
            once(Form::new().field("dataset", "member")),
            400,
            "invalid_request",
            "/file",
        ),
        (once(Form::new()), 400, "invalid_request", "/file"),
        (dataset("nobody"), 404, "dataset_not_found", "/dataset"),
        (dataset("../member"), 404, "dataset_not_found", "/dataset"),
        (
            once(Form::of_csv().field("force", "true")),
            400,
            "invalid_request",
            "/force",
        ),
        (
            once(Form::of_csv().field("a/b~c", "")),
            400,
            "invalid_request",
            "/a~1b~0c",
        ),
        (
            once(Form::of_csv().field("dataset", "member")),
            400,
            "invalid_request",
            "/dataset",
        ),
        (
            once(Form::of_csv().file("again.csv", CSV)),
            400,
            "invalid_request",
            "/file",
        ),
        (with("{"), 400, "invalid_request", "/options"),
        (with("[]"), 400, "invalid_request", "/options"),
        (
            with(r#"{"mood": 1}"#),
            400,
            "invalid_request",
            "/options/mood",
        ),
        (
            with(r#"{"mode": "replace"}"#),
            400,
            "invalid_request",
            "/options/mode",
        ),
        (
            with(r#"{"batch_size": 0}"#),
            400,
            "invalid_request",
            "/options/batch_size",
        ),
        (
            with(r#"{"batch_size": 5001}"#),
            400,
            "invalid_request",
            "/options/batch_size",
        ),
        (
            with(r#"{"validate_only": "yes"}"#),
            400,
            "invalid_request",
            "/options/validate_only",
        ),
        (
            with(r#"{"locale": "xx"}"#),
            400,
            "invalid_request",
            "/options/locale",
        ),
        (
            with(r#"{"timezone": "Mars"}"#),
            400,
            "invalid_request",
            "/options/timezone",
        ),
        (
            with(r#"{"queue": "express"}"#),
            422,
            "unknown_queue",
            "/options/queue",
        ),
    ];
    for (forms, status, code, pointer) in cases {
        for form in forms {
            let answer = house.import(&manager(), &form).await;
            let problem = answer.json();
            assert_eq!(
                (
                    answer.status,
                    answer.problem().as_str(),
                    &problem["errors"][0]["pointer"]
                ),
                (status, code, &json!(pointer)),
                "{problem}"
            );
        }
    }
    house.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_whole_form_is_refused() {
    let house = House::open().await;
    let whole = Form::of_csv();
    let boundary = whole.content_type();
    let body = whole.body();
    let no_disposition = b"--a-line-between\r\nX: y\r\n\r\nz\r\n--a-line-between--\r\n".to_vec();
    let cases = [
        ("application/json", b"{}".to_vec(), 415, "unsupported_media"),
        (
            "multipart/mixed; boundary=x",
            body.clone(),
            415,
            "unsupported_media",
        ),
        ("multipart/form-data", body.clone(), 400, "invalid_request"),
        (boundary.as_str(), Vec::new(), 400, "invalid_request"),
        (
            boundary.as_str(),
            b"nonsense".to_vec(),
            400,
            "invalid_request",
        ),
        (boundary.as_str(), no_disposition, 400, "invalid_request"),
        (
            boundary.as_str(),
            body[..body.len() - 30].to_vec(),
            400,
            "invalid_request",
        ),
    ];
    for (media, body, status, code) in cases {
        let request = house
            .request(Method::POST, IMPORTS)
            .bearer_auth(manager())
            .header("content-type", media)
            .body(body);
        let answer = house.send(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (status, code),
            "{media}"
        );
    }
    house.assert_nothing_is_left().await;
}

/// The shipped definitions, with `member` for MANAGER and `employee` for CLERK.
fn with_clerks() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");
    for (name, role) in [("member", "MANAGER"), ("employee", "CLERK")] {
        let file = format!("{name}.toml");
        let text = std::fs::read_to_string(std::path::Path::new(shipped).join(&file)).unwrap();
        let (from, to) = ("import = [\"MANAGER\"]", format!("import = [\"{role}\"]"));
        assert!(text.contains(from));
        std::fs::write(directory.path().join(file), text.replace(from, &to)).unwrap();
    }
    directory
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_import_into_a_dataset_may_import_read_its_template_and_write_its_rows() {
    let definitions = with_clerks();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    let forms = [
        Form::of_csv(),
        Form::new().file("m.csv", CSV).field("dataset", "member"),
    ];
    for roles in [&["CLERK"][..], &["NOBODY"], &[]] {
        let stranger = token("acme", "8", roles);
        for form in &forms {
            let answer = house.import(&stranger, form).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (403, "forbidden")
            );
        }
        let template = house
            .get(&stranger, "/api/v1/datasets/member/template")
            .await;
        assert_eq!(
            (template.status, template.problem().as_str()),
            (403, "forbidden")
        );
        let body = json!({"rows": []});
        let rows = house
            .post(&stranger, "/api/v1/datasets/member/rows", &body)
            .await;
        assert_eq!((rows.status, rows.problem().as_str()), (403, "forbidden"));
    }
    house.assert_nothing_is_left().await;
    for roles in [&["MANAGER"][..], &["SUPER_ADMIN"]] {
        let answer = house.import(&token("acme", "8", roles), &forms[1]).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_called_as_its_user_calls_it_as_far_as_that_is_safe() {
    let house = House::open().await;
    let named = |disposition: &str| {
        Form::new()
            .field("dataset", "member")
            .part(&format!("form-data; name=\"file\"{disposition}"), CSV)
    };
    for (disposition, name) in [
        ("; filename=\"成员.csv\"", "成员.csv"),
        ("; filename=\"C:\\\\me\\\\成员.csv\"", "成员.csv"),
        ("; filename=\"../../etc/passwd\"", "passwd.csv"),
        (
            "; filename*=UTF-8''%E6%88%90%E5%91%98.csv; filename=\"x.csv\"",
            "成员.csv",
        ),
        ("; filename=\"a\tb.CSV\"", "a_b.CSV"),
        ("; filename=\"\"", "upload.csv"),
        ("", "upload.csv"),
    ] {
        let answer = house.import(&manager(), &named(disposition)).await;
        assert_eq!(answer.status, 202, "{disposition}: {answer:?}");
        assert_eq!(answer.json()["name"], name, "{disposition}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_see_nothing_of_each_others_imports() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    let strangers = [
        token("globex", "7", &["SUPER_ADMIN"]),
        token("acme", "8", &["MANAGER"]),
    ];
    let shown = house
        .get(&manager(), &format!("/api/v1/tasks/{task}"))
        .await
        .json();
    let file = shown["files"][0]["id"].as_str().unwrap();
    for stranger in strangers {
        for path in [
            "",
            "/row-errors",
            "/row-errors?format=csv",
            "/download",
            &format!("/files/{file}"),
        ] {
            let answer = house
                .get(&stranger, &format!("/api/v1/tasks/{task}{path}"))
                .await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (404, "not_found"),
                "{path}"
            );
        }
        let list = house
            .get(&stranger, "/api/v1/tasks?kind=IMPORT")
            .await
            .json();
        assert_eq!(list["items"], json!([]));
    }
    let list = house
        .get(&manager(), "/api/v1/tasks?kind=IMPORT")
        .await
        .json();
    assert_eq!(list["items"][0]["id"], task);
}
