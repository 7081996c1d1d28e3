//! What large calls cost the gateway's process, and who shares the room for them.

use std::io::BufReader;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::{Body, Method};
use serde_json::json;
use testkit::{TestDatabase, eventually};
use tokio::sync::Semaphore;

use super::{PATH, item};
use crate::house::{House, SECRET, manager};
use crate::process::{Ended, address, command, peak};

const CALLS: usize = 10;
const CONTEXTS: usize = 24;
/// There is room for two such calls; a call costs four to five times its bytes while it is read (buffers
/// that grow, and what is made of them), so all ten at once would cost a gibibyte.
const MOST_GROWTH_KIB: u64 = 300 << 10;

/// A call whose last item is of a kind that nobody knows, so that all of it is read and nothing kept.
fn call() -> Vec<u8> {
    let large = "x".repeat((1 << 20) - 100);
    let mut items: Vec<_> = (0..CONTEXTS)
        .map(|n| {
            let mut item = item(&format!("m{n}"));
            item["context"]["batch"] = json!(large);
            item
        })
        .collect();
    items.push(json!({"biz_type": "nobody_knows", "biz_id": "1", "context": {}}));
    json!({ "items": items }).to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_large_calls_at_once_are_read_as_there_is_room_and_all_are_answered() {
    let database = TestDatabase::with_examples().await;
    let storage = tempfile::tempdir().unwrap();
    let mut command = command(database.url(), SECRET, storage.path());
    command.env(
        "QUAYSIDE__HANDLERS__DIR",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/handlers"),
    );
    let mut process = Ended(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(process.0.stderr.take().unwrap());
    let public = address(&mut log, "the gateway is open");
    // A log that nobody reads would hold the process up.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let call = call();
    let (head, end) = call.split_at(call.len() - 1);
    let pieces: Vec<Vec<u8>> = head.chunks(1 << 20).map(<[u8]>::to_vec).collect();
    let (sent, let_go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let send = async || {
        let (sent, let_go, end) = (sent.clone(), let_go.clone(), end.to_vec());
        // The last byte waits until it is let go.
        let end = stream::once(async move {
            sent.fetch_add(1, Ordering::Relaxed);
            let_go.acquire().await.unwrap().forget();
            end
        });
        let pieces = stream::iter(pieces.clone()).chain(end);
        let request = client.post(format!("http://{public}{PATH}"));
        let request = request
            .bearer_auth(manager())
            .header("content-type", "application/json")
            .header("content-length", call.len())
            .timeout(Duration::from_secs(60));
        let body = Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>));
        request.body(body).send().await.unwrap().status()
    };
    let before = peak(&process.0);
    let all = futures::future::join_all((0..CALLS).map(|_| send()));
    let watch = async {
        eventually("two of them to be nearly there", async || {
            (sent.load(Ordering::Relaxed) >= 2).then_some(())
        })
        .await;
        let_go.add_permits(CALLS);
    };
    let (answers, ()) = futures::join!(all, watch);
    assert!(answers.iter().all(|it| it.as_u16() == 422), "{answers:?}");
    let growth = peak(&process.0) - before;
    assert!(growth < MOST_GROWTH_KIB, "grew by {growth} KiB");
}

/// Two calls of 32 MiB have all the room that there is.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_list_of_rows_waits_for_the_same_room_and_a_small_one_needs_none() {
    const ROWS: &str = "/api/v1/datasets/member/rows";
    let house = House::with_tables().await;
    let (sent, let_go) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let hold = async || {
        let (sent, let_go) = (sent.clone(), let_go.clone());
        let end = stream::once(async move {
            sent.fetch_add(1, Ordering::Relaxed);
            let_go.acquire().await.unwrap().forget();
            vec![b' '; 1 << 20]
        });
        let pieces = stream::iter(vec![vec![b' '; 1 << 20]; 31]).chain(end);
        let request = house.request(Method::POST, PATH).bearer_auth(manager());
        let request = request
            .header("content-type", "application/json")
            .header("content-length", 32 << 20)
            .body(Body::wrap_stream(pieces.map(Ok::<_, std::io::Error>)));
        house.send(request).await
    };
    let order = Mutex::new(Vec::new());
    let write = async |remark: usize, times: usize, name: &'static str| {
        let body = json!({"rows": [{"remark": "x".repeat(remark)}]});
        for _ in 0..times {
            let answer = house.post(&manager(), ROWS, &body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        order.lock().unwrap().push(name);
    };
    let lists = async {
        eventually("the large calls to be nearly there", async || {
            (sent.load(Ordering::Relaxed) == 2).then_some(())
        })
        .await;
        let small = async {
            write(1, 5, "small").await;
            let_go.add_permits(2);
        };
        futures::join!(write(100 << 10, 1, "large"), small);
    };
    futures::join!(hold(), hold(), lists);
    assert_eq!(*order.lock().unwrap(), ["small", "large"]);
}
