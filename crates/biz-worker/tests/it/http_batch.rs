//! Many rows in one call to a service that does not answer as it should: the rows that it is about
//! are tried again or given up, each with its reason, and no other.

use crate::house::{House, done};
use crate::service::{MOODS, Service};

/// A batch handler for this address.
fn batches(service: &Service, path: &str) -> String {
    format!(
        "kind = \"http\"\nbatch_size = 20\n[http]\nurl = \"http://127.0.0.1:{}{path}\"\n\
         private_ranges = [\"127.0.0.0/8\"]",
        service.port
    )
}

const FINE: &str = r#"{"status": "done"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn one_item_that_has_its_call_hang_drip_break_or_end_in_rubbish_is_given_up_alone() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("moody", &batches(&service, "/moody"));
    house.define("calm", &batches(&service, "/batch"));
    for mood in MOODS {
        let context = format!(r#"{{"status": "done", "mood": "{mood}"}}"#);
        house.ask("moody", mood, &context).await;
    }
    for number in 0..10 {
        house.ask("moody", &format!("fine-{number}"), FINE).await;
        house.ask("calm", &number.to_string(), FINE).await;
    }
    let worker = house.work();

    let (bad, fine): (Vec<_>, Vec<_>) = house
        .all_ended("moody")
        .await
        .into_iter()
        .partition(|row| MOODS.contains(&row.0.as_str()));
    let given_up = |mood: &str| (mood.to_owned(), "FAILED".to_owned(), 3);
    assert_eq!(bad, MOODS.map(given_up));
    assert_eq!(fine.len(), 10);
    let is_done = |row: &(String, String, u32)| row.1 == "SUCCESS" && row.2 <= 1;
    assert!(fine.iter().all(is_done), "{fine:?}");
    let letters = house.letters("moody").await;
    let broken = "the connection broke";
    let late = "no whole answer in time";
    let reasons = [
        broken,
        late,
        late,
        "the answer is no list of results",
        broken,
        "the service answered 503",
    ];
    assert_eq!(letters.len(), reasons.len(), "{letters:?}");
    for ((_, told), reason) in letters.iter().zip(reasons) {
        assert!(told.starts_with(reason), "{told} is not {reason}");
    }

    // with others the first time, alone from then on
    let items = |body: &str| body.matches("\"key\"").count();
    let calls = service.calls("/moody");
    assert!(calls.iter().any(|call| items(&call.body) > 1));
    for mood in MOODS {
        let of_it = calls.iter().filter(|call| call.body.contains(mood));
        let items: Vec<usize> = of_it.map(|call| items(&call.body)).collect();
        assert_eq!(items[1..], [1, 1], "{mood}: {items:?}");
    }
    let calm: Vec<_> = (0..10).map(|number| done(&number.to_string())).collect();
    assert_eq!(house.all_ended("calm").await, calm);
    assert!(worker.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_is_led_elsewhere_is_given_up_and_nobody_follows() {
    let (house, service) = (House::open().await, Service::open().await);
    let path = format!("/to/localhost:{}", service.port);
    house.define("away", &batches(&service, &path));
    for number in 0..3 {
        house.ask("away", &number.to_string(), FINE).await;
    }
    let _worker = house.work();
    let ended = house.all_ended("away").await;
    let given_up = |number: usize| (number.to_string(), "FAILED".to_owned(), 1);
    assert_eq!(ended, [0, 1, 2].map(given_up));
    for (_, told) in house.letters("away").await {
        assert!(told.contains("redirects are not followed"), "{told}");
    }
    assert_eq!(service.calls("/answer/200").len(), 0);
    assert!(service.calls(&path).len() <= 3);
}
