//! One process for each kind of work, by a setting.

use testkit::eventually;

use crate::house::{House, done};
use crate::service::Service;

const CANARY: &str = "kind = \"code\"\n[code]\nhandler = \"canary\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_the_kinds_of_work_that_it_is_told_and_no_other() {
    let (house, service) = (House::open().await, Service::open().await);
    house.define("one", CANARY);
    house.define("other", CANARY);
    // whoever does not do it needs no secret for it
    let call = "kind = \"http\"\n[http]\nurl = \"https://a.example/\"\nsecret = \"bakery\"";
    house.define("call", call);
    for biz_type in ["one", "other"] {
        for biz_id in ["1", "2"] {
            house.ask(biz_type, biz_id, &service.context("/")).await;
        }
    }
    let worker = house.work_with(&[("QUAYSIDE__HANDLERS__ONLY", "one")]);
    assert_eq!(house.all_ended("one").await, [done("1"), done("2")]);
    assert!(
        house
            .rows("other")
            .await
            .iter()
            .all(|row| row.1 == "WAIT_HANDLE")
    );
    // what comes later is done, too, and what the other kind has goes on waiting
    house.ask("one", "3", "{}").await;
    eventually("the third to be done", async || {
        (house.rows("one").await[2] == done("3")).then_some(())
    })
    .await;
    assert!(
        house
            .rows("other")
            .await
            .iter()
            .all(|row| row.1 == "WAIT_HANDLE")
    );
    assert!(worker.end().await.success());
    let _worker = house.work_with(&[("QUAYSIDE__HANDLERS__ONLY", "other, one")]);
    assert_eq!(house.all_ended("other").await, [done("1"), done("2")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_of_work_that_no_definition_has_keeps_it_from_starting() {
    let house = House::open().await;
    house.define("one", CANARY);
    house.define("other", CANARY);
    let mut worker = house.work_with(&[("QUAYSIDE__HANDLERS__ONLY", "one,othr")]);
    assert_eq!(worker.ended().await.code(), Some(1));
    let told = "handlers.only names `othr`, which has no definition; there are: one, other";
    let log = house.log();
    assert!(log.contains(told), "{log}");
}
