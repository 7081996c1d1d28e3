//! Bytes and uploads under way.

use std::path::Path;

use reqwest::{Body, Method};

use crate::form::{CSV, Form, HalfUpload, IMPORTS};
use crate::house::{House, manager, token};

pub(super) const MEMBER_BYTES: usize = 300_000;
const EMPLOYEE_BYTES: usize = 2_000_000;

/// The shipped definitions with small limits.
pub(super) fn small() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/datasets");
    for (name, bytes) in [("member", MEMBER_BYTES), ("employee", EMPLOYEE_BYTES)] {
        let file = format!("{name}.toml");
        let text = std::fs::read_to_string(shipped.join(&file)).unwrap();
        let limits = format!("limits = {{ max_upload_bytes = {bytes} }}\n");
        std::fs::write(directory.path().join(file), limits + &text).unwrap();
    }
    directory
}

pub(super) fn csv_of(bytes: usize) -> Vec<u8> {
    CSV.iter().copied().cycle().take(bytes).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_limit_is_taken_and_one_byte_more_is_not_wherever_the_dataset_stands() {
    let definitions = small();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    let forms = |bytes: usize| {
        let file = csv_of(bytes);
        [
            Form::new().field("dataset", "member").file("m.csv", &file),
            Form::new().file("m.csv", &file).field("dataset", "member"),
        ]
    };
    for form in forms(MEMBER_BYTES + 1) {
        let answer = house.import(&manager(), &form).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (413, "file_too_large")
        );
        let detail = answer.json()["detail"].to_string();
        assert!(detail.contains(&MEMBER_BYTES.to_string()), "{detail}");
    }
    house.assert_nothing_is_left().await;
    for form in forms(MEMBER_BYTES) {
        let answer = house.import(&manager(), &form).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }
}

/// The form in pieces, without a length of the whole.
fn streamed(form: &Form) -> Body {
    let pieces: Vec<_> = form.body().chunks(8 * 1024).map(<[u8]>::to_vec).collect();
    let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
    Body::wrap_stream(futures::stream::iter(pieces))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_too_large_while_it_streams_is_refused_and_what_came_of_it_is_removed() {
    let definitions = small();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    for form in [
        Form::new()
            .field("dataset", "member")
            .file("m.csv", &csv_of(1_000_000)),
        Form::new()
            .file("m.csv", &csv_of(EMPLOYEE_BYTES + 1))
            .field("dataset", "member"),
    ] {
        let request = house
            .import_request(&manager(), &form)
            .body(streamed(&form));
        let answer = house.send(request).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (413, "file_too_large")
        );
    }
    assert_eq!(
        house.uploads().await,
        ["DELETED", "DELETED"],
        "they had been begun"
    );
    house.assert_nothing_is_left().await;
    let small = house.import(&manager(), &Form::of_csv()).await;
    assert_eq!(small.status, 202, "the gateway goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_is_too_large_is_refused_before_the_first_byte() {
    let definitions = small();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    let all = Form::new().file("m.csv", &csv_of(4_000_000));
    let all = HalfUpload::begin(&house, &manager(), &all, all.body().len()).await;
    let of_member = Form::new()
        .field("dataset", "member")
        .file("m.csv", &csv_of(1_500_000));
    // All but the file and the end of its part's head.
    let left = 1_500_000 + 30;
    let of_member = HalfUpload::begin(&house, &manager(), &of_member, left).await;
    for half in [all, of_member] {
        let answer = half.answer().await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("\"file_too_large\""), "{answer}");
    }
    assert_eq!(house.uploads().await, [""; 0]);
    house.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_a_large_file_to_its_end_reads_the_refusal() {
    let definitions = small();
    let directory = definitions.path().to_owned();
    let house = House::of_datasets(directory).await;
    let form = Form::new()
        .field("dataset", "member")
        .file("m.csv", &csv_of(20_000_000));
    let answer = house.import(&manager(), &form).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (413, "file_too_large")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_around_the_file_is_bounded_too() {
    let house = House::open().await;
    let long = "x".repeat(300_000);
    let preamble = |form: &Form| {
        let mut body = "nothing\r\n".repeat(15_000_000).into_bytes();
        body.extend(form.body());
        body
    };
    let options = Form::of_csv().field("options", &long);
    let name = Form::new().field("dataset", &long).file("m.csv", CSV);
    for form in [options, name] {
        let answer = house.import(&manager(), &form).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (413, "body_too_large")
        );
    }
    let form = Form::of_csv();
    let body = preamble(&form);
    let pieces: Vec<_> = body.chunks(65_536).map(<[u8]>::to_vec).collect();
    let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
    let request = house
        .request(Method::POST, IMPORTS)
        .bearer_auth(manager())
        .header("content-type", form.content_type())
        .body(Body::wrap_stream(futures::stream::iter(pieces)));
    let answer = house.send(request).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (413, "body_too_large")
    );
    house.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_upload_too_many_of_a_user_is_429_until_one_has_ended_and_no_other_user_is_held_up() {
    let house = House::open_with(|settings| settings.quotas.open_uploads_per_user = 1).await;
    let large = Form::new()
        .field("dataset", "member")
        .file("m.csv", &csv_of(200_000));
    let half = HalfUpload::begin(&house, &manager(), &large, 50_000).await;
    testkit::eventually("the upload is begun", async || {
        (house.uploads().await == ["PENDING"]).then_some(())
    })
    .await;
    let refused = house.import(&manager(), &Form::of_csv()).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (429, "quota_exceeded")
    );
    assert!(refused.header("retry-after").is_some());
    let colleague = token("acme", "8", &["MANAGER"]);
    let elsewhere = token("globex", "7", &["MANAGER"]);
    for other in [colleague, elsewhere] {
        assert_eq!(house.import(&other, &Form::of_csv()).await.status, 202);
    }
    let answer = half.finish().await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    assert_eq!(house.import(&manager(), &Form::of_csv()).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_counts_among_the_open_tasks_and_is_refused_without_a_trace() {
    let house = House::open_with(|settings| settings.quotas.open_tasks_per_user = 1).await;
    house.an_import(&manager()).await;
    let refused = house.import(&manager(), &Form::of_csv()).await;
    assert_eq!(
        (refused.status, refused.problem().as_str()),
        (429, "too_many_open_tasks")
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(house.uploads().await, ["AVAILABLE", "DELETED"]);
    assert_eq!(house.stored().len(), 1);
}
