//! Handler kind `code`: Rust code that the worker has, by name.

use crate::house::{House, done};

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_of_work_is_done_by_the_code_that_its_definition_names() {
    let house = House::open().await;
    house.define("bird", "kind = \"code\"\n[code]\nhandler = \"canary\"");
    for biz_id in ["1", "2"] {
        house.ask("bird", biz_id, "{}").await;
    }
    let worker = house.work();
    assert_eq!(house.all_ended("bird").await, [done("1"), done("2")]);
    assert!(worker.end().await.success());
}
