//! What an upload costs the gateway's process.

use std::io::BufReader;
use std::process::Stdio;
use std::time::Duration;

use futures::stream;
use reqwest::Body;
use serde_json::Value;
use testkit::TestDatabase;

use crate::form::{CSV, Form, IMPORTS};
use crate::house::{SECRET, manager};
use crate::process::{Ended, address, command, peak};

const FILE_BYTES: usize = 90 << 20;
/// Two uploads at once: two parts under way and one being gathered of each, and what allocators keep.
const MOST_GROWTH_KIB: u64 = 70 << 10;

/// The form in pieces that are made while they are sent.
fn large(form: &Form) -> (String, Body) {
    let body = form.body();
    let at = body.windows(CSV.len()).position(|it| it == CSV).unwrap();
    let (head, tail) = (body[..at].to_vec(), body[at + CSV.len()..].to_vec());
    let piece: Vec<u8> = CSV.iter().copied().cycle().take(1 << 20).collect();
    let file = std::iter::repeat_n(piece, FILE_BYTES >> 20);
    let pieces = std::iter::once(head).chain(file).chain([tail]);
    let pieces = pieces.map(Ok::<_, std::io::Error>);
    (form.content_type(), Body::wrap_stream(stream::iter(pieces)))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_ninety_mib_at_once_are_never_in_memory() {
    let database = TestDatabase::with_examples().await;
    let storage = tempfile::tempdir().unwrap();
    let mut command = command(database.url(), SECRET, storage.path());
    let mut process = Ended(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(process.0.stderr.take().unwrap());
    let public = address(&mut log, "the gateway is open");
    // A log that nobody reads would hold the process up.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let send = async |form: Form, of_file: bool| {
        let (media, body) = if of_file {
            large(&form)
        } else {
            (form.content_type(), form.body().into())
        };
        let request = client.post(format!("http://{public}{IMPORTS}"));
        let request = request.bearer_auth(manager()).header("content-type", media);
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
        answer.json::<Value>().await.unwrap()
    };
    send(Form::of_csv(), false).await;
    let before = peak(&process.0);
    let first = Form::of_csv();
    let second = Form::new().file("m.csv", CSV).field("dataset", "member");
    let (one, _two) = futures::join!(send(first, true), send(second, true));
    assert_eq!(one["files"][0]["size"], FILE_BYTES);
    let growth = peak(&process.0) - before;
    assert!(growth < MOST_GROWTH_KIB, "grew by {growth} KiB");
}
