//! Handler kind `operation_log`: each row becomes one entry, and what is no entry fails alone.

use crate::house::{House, done};

type Entry = (String, String, String, Option<String>, Option<String>);

#[tokio::test(flavor = "multi_thread")]
async fn each_row_becomes_an_entry_of_its_tenant_once_whichever_of_two_workers_has_it() {
    let house = House::open().await;
    house.define("operation_log", "kind = \"operation_log\"");
    let workers = [house.work(), house.work()];
    for (number, context) in [
        r#"{"actor": "ann", "action": "PRICE_CHANGE", "object_kind": "PRODUCT", "object_id": "77", "detail": {"to": "9.90"}}"#,
        r#"{"actor": "ben", "action": "PRICE_CHANGE", "object_kind": "PRODUCT", "object_id": "78", "outcome": "REFUSED", "request_id": "r-1"}"#,
        r#"{"actor": "ann", "action": "price change", "object_kind": "PRODUCT", "object_id": "77"}"#,
        "no json",
    ]
    .into_iter()
    .enumerate()
    {
        house.ask("operation_log", &number.to_string(), context).await;
    }
    house
        .database
        .execute(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, created_by) VALUES \
             ('globex', 'operation_log', '9', '{\"action\": \"SALE\", \"object_kind\": \"PRODUCT\", \
             \"object_id\": \"1\"}', 'shop')",
        )
        .await;
    let ended = house.all_ended("operation_log").await;
    let failed = |biz_id: &str| (biz_id.to_owned(), "FAILED".to_owned(), 1);
    assert_eq!(
        ended,
        [done("0"), done("1"), failed("2"), failed("3"), done("9")]
    );
    let entries: Vec<Entry> = house
        .database
        .query(
            "SELECT CONCAT(tenant, '/', actor), CONCAT(action, ' ', object_kind, ' ', object_id), \
             outcome, detail, request_id FROM operation_log ORDER BY object_id DESC",
        )
        .await;
    let entry =
        |who: &str, what: &str, outcome: &str, detail: Option<&str>, request: Option<&str>| {
            let owned = |it: Option<&str>| it.map(str::to_owned);
            (
                who.to_owned(),
                what.to_owned(),
                outcome.to_owned(),
                owned(detail),
                owned(request),
            )
        };
    assert_eq!(
        entries,
        [
            entry(
                "acme/ben",
                "PRICE_CHANGE PRODUCT 78",
                "REFUSED",
                None,
                Some("r-1")
            ),
            entry(
                "acme/ann",
                "PRICE_CHANGE PRODUCT 77",
                "DONE",
                Some(r#"{"to":"9.90"}"#),
                None
            ),
            entry("globex/shop", "SALE PRODUCT 1", "DONE", None, None),
        ]
    );
    assert_eq!(house.letters("operation_log").await.len(), 2);
    for worker in workers {
        assert!(worker.end().await.success());
    }
}
