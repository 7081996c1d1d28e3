use std::time::Duration;

use serde_json::{Value, json};

use crate::lifecycle::{ready, signal};

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

async fn get(url: String) -> (u16, String) {
    let answer = client().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_ready_process_is_alive_ready_and_measured() {
    let mut running = ready("ends when told", 20);
    assert_eq!(get(format!("{}/livez", running.admin)).await.0, 200);
    assert_eq!(get(format!("{}/metrics", running.admin)).await.0, 200);
    assert_eq!(get(format!("{}/elsewhere", running.admin)).await.0, 404);
    signal(&running.child, "TERM");
    assert!(running.child.wait().unwrap().success());
}

#[tokio::test]
async fn a_dependency_that_is_away_or_silent_is_detail_and_does_not_make_a_process_unready() {
    let mut running = ready("ends when told", 20);
    let (status, body) = get(format!("{}/readyz", running.admin)).await;
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"state": "ready", "dependencies": [
            {"name": "sound", "state": "up"},
            {"name": "broken", "state": "down", "detail": "out of order"},
            {"name": "silent", "state": "down", "detail": "no answer within 1 s"},
            {"name": "doors", "state": "open"},
            {"name": "windows", "state": "shut", "detail": "it rains"},
        ]})
    );
    signal(&running.child, "TERM");
    assert!(running.child.wait().unwrap().success());
}

#[tokio::test]
async fn a_draining_process_is_alive_and_not_ready() {
    let mut running = ready("ends when cut off", 600);
    signal(&running.child, "TERM");
    let readyz = format!("{}/readyz", running.admin);
    let bound = tokio::time::Instant::now() + Duration::from_secs(10);
    let mut answer = get(readyz.clone()).await;
    while answer.0 == 200 && tokio::time::Instant::now() < bound {
        answer = get(readyz.clone()).await;
    }
    assert_eq!(answer.0, 503);
    assert!(answer.1.contains(r#""state":"draining""#), "{}", answer.1);
    assert_eq!(get(format!("{}/livez", running.admin)).await.0, 200);
    signal(&running.child, "TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(143));
}
