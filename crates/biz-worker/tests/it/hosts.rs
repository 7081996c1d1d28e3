//! Hosts that are slow or away: they cost the calls of no other host anything, and their own rows no
//! try but those that found it out, until the patience with it is over.

use testkit::eventually;

use crate::house::House;
use crate::service::Service;

fn call(hosts: &[u16]) -> String {
    let hosts: Vec<String> = hosts
        .iter()
        .map(|port| format!("\"127.0.0.1:{port}\""))
        .collect();
    format!(
        "kind = \"http\"\nconcurrency = 4\n[http]\nurl_field = \"url\"\nhosts = [{}]\n\
         private_ranges = [\"127.0.0.0/8\"]",
        hosts.join(", ")
    )
}

/// Rows of the kind that are still open, for services that listen there.
async fn open(house: &House, port: u16) -> u64 {
    let sql = format!(
        "SELECT COUNT(*) FROM compensate_biz WHERE finished_at IS NULL AND context LIKE '%:{port}/%'"
    );
    house.database.one(&sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_delays_no_call_of_another_host_of_the_same_kind() {
    let (house, hangs, well) = (
        House::open().await,
        Service::open().await,
        Service::open().await,
    );
    house.define("call", &call(&[hangs.port, well.port]));
    for number in 0..60 {
        let context = hangs.context("/hang");
        house.ask("call", &format!("hang-{number}"), &context).await;
    }
    let _worker = house.work();
    eventually("the host to hang", async || {
        (hangs.open_connections() >= 2).then_some(())
    })
    .await;
    for number in 0..20 {
        let context = well.context("/answer/200");
        house.ask("call", &format!("well-{number}"), &context).await;
    }
    eventually("the other host to have been called", async || {
        (open(&house, well.port).await == 0).then_some(())
    })
    .await;
    let left = open(&house, hangs.port).await;
    assert!(left > 30, "only {left} rows wait for the host that hangs");
    assert!(hangs.open_connections() <= 2, "half of all calls");
    assert_eq!(well.calls("/answer/200").len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_wait_for_a_host_that_is_away_without_spending_their_tries() {
    let house = House::open().await;
    let port = Service::open().await.close().await;
    house.define("call", &call(&[port]));
    for number in 0..60 {
        let context = format!(r#"{{"url": "http://127.0.0.1:{port}/answer/200"}}"#);
        house.ask("call", &format!("{number}"), &context).await;
    }
    let _worker = house.work();
    eventually("rows to be put off", async || {
        let sql = "SELECT COUNT(*) FROM compensate_biz WHERE cnt = 0 AND lease_epoch >= 2";
        let put_off: u64 = house.database.one(sql).await;
        (put_off > 10).then_some(())
    })
    .await;
    let service = Service::open_at(port).await;
    let ended = house.all_ended("call").await;
    let failed = ended.iter().filter(|row| row.1 != "SUCCESS").count();
    assert_eq!((ended.len(), failed), (60, 0), "{ended:?}");
    let untouched = ended.iter().filter(|row| row.2 == 0).count();
    assert!(untouched >= 30, "{untouched} rows lost no try");
    assert_eq!(
        service.calls("/answer/200").len(),
        60,
        "each was called once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_wait_for_a_busy_host_are_put_off_about_once_and_not_again_and_again() {
    let (house, slow, other) = (
        House::open().await,
        Service::open().await,
        Service::open().await,
    );
    house.define("call", &call(&[slow.port, other.port]));
    let rows = 60;
    for number in 0..rows {
        let context = slow.context("/slow/150");
        house.ask("call", &number.to_string(), &context).await;
    }
    let _worker = house.work();
    let ended = house.all_ended("call").await;
    assert!(ended.iter().all(|row| row.1 == "SUCCESS"), "{ended:?}");
    // A row that is put off is taken and given back, and its epoch rises with both.
    let sql = "SELECT CAST(SUM((lease_epoch - 1) DIV 2) AS UNSIGNED) FROM compensate_biz";
    let put_off: u64 = house.database.one(sql).await;
    assert!(put_off > 0, "the host was never busy");
    assert!(put_off <= rows * 5 / 2, "{put_off} times for {rows} rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_for_a_host_that_is_gone_for_good_end_and_those_for_another_go_on() {
    let (house, well) = (House::open().await, Service::open().await);
    let gone = Service::open().await.close().await;
    let patient = call(&[gone, well.port]) + "\nhost_patience = \"1s\"";
    house.define("call", &patient);
    for number in 0..60 {
        let context = format!(r#"{{"url": "http://127.0.0.1:{gone}/answer/200"}}"#);
        house.ask("call", &format!("gone-{number}"), &context).await;
    }
    let _worker = house.work();
    eventually("every row for the host that is gone to end", async || {
        (open(&house, gone).await == 0).then_some(())
    })
    .await;
    let tried = |row: &(String, String, u32)| row.1 == "FAILED" && row.2 == 3;
    let ended = house.rows("call").await;
    assert!(ended.iter().all(tried), "{ended:?}");
    let letters = house.letters("call").await;
    let waited = letters.iter().filter(|it| it.1 == "the host is away");
    let waited = waited.count();
    assert_eq!(letters.len(), 60);
    assert!(waited >= 20, "{waited} waited for it: {letters:?}");
    // one host of several is no matter of the lane's
    let paused: u64 = house.database.one("SELECT COUNT(*) FROM lane").await;
    assert_eq!(paused, 0);
    for number in 0..5 {
        let context = well.context("/answer/200");
        house.ask("call", &format!("well-{number}"), &context).await;
    }
    eventually("the other host to have been called", async || {
        (well.calls("/answer/200").len() == 5).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_of_a_host_are_made_at_once_than_its_host_concurrency() {
    let (house, service) = (House::open().await, Service::open().await);
    let narrow = call(&[service.port]).replace("concurrency = 4", "concurrency = 8");
    house.define("call", &(narrow + "\nhost_concurrency = 2"));
    for number in 0..16 {
        let context = service.context("/slow/100");
        house.ask("call", &number.to_string(), &context).await;
    }
    let _worker = house.work();
    let ended = house.all_ended("call").await;
    let is_done = |row: &(String, String, u32)| row.1 == "SUCCESS" && row.2 == 0;
    assert!(ended.len() == 16 && ended.iter().all(is_done), "{ended:?}");
    assert!(service.most_at_once() <= 2, "{}", service.most_at_once());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_for_many_rows_is_one_call_to_the_host_concurrency() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define(
        "many",
        &format!(
            "kind = \"http\"\nconcurrency = 40\nbatch_size = 10\n[http]\nhost_concurrency = 2\n\
             url = \"http://127.0.0.1:{}/batch/100\"\nprivate_ranges = [\"127.0.0.0/8\"]",
            service.port
        ),
    );
    for number in 0..60 {
        let fine = r#"{"status": "done"}"#;
        house.ask("many", &number.to_string(), fine).await;
    }
    let _worker = house.work();
    let ended = house.all_ended("many").await;
    let is_done = |row: &(String, String, u32)| row.1 == "SUCCESS" && row.2 == 0;
    assert!(ended.len() == 60 && ended.iter().all(is_done), "{ended:?}");
    assert!(service.most_at_once() <= 2, "{}", service.most_at_once());
    let calls = service.calls("/batch/100");
    let items = calls.iter().map(|it| it.body.matches("\"key\"").count());
    let most = items.max().unwrap();
    assert!((3..=10).contains(&most), "at most {most} rows in a call");
}
