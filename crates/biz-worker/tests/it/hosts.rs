//! Hosts that are slow or away: they cost the calls of no other host anything, and their own rows no
//! try but those that found it out.

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
