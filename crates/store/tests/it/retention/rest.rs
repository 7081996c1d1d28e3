//! Groups without rows, notifications, and deliveries.

use testkit::TestDatabase;

use super::TERMS;

#[tokio::test(flavor = "multi_thread")]
async fn a_group_goes_when_it_has_ended_long_ago_and_nothing_is_left_of_it() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let group = |id: u32, sealed: bool, ended: u32, days: u32, task: &str| {
        let moment = format!("UTC_TIMESTAMP(6) - INTERVAL {days} DAY");
        format!("({id}, 'acme', {task}, 1, {sealed}, 2, {ended}, {moment}, {moment})")
    };
    let groups = [
        group(1, true, 2, 31, "NULL"),
        group(2, true, 2, 29, "NULL"),
        group(3, false, 2, 31, "NULL"),
        group(4, true, 1, 31, "NULL"),
        group(5, true, 2, 31, "7"),
        group(6, true, 2, 31, "NULL"),
        group(7, true, 2, 31, "99"),
    ];
    database
        .execute(&format!(
            "INSERT INTO compensate_group (id, tenant, task_id, total, sealed, generation, \
             ended_generation, created_at, updated_at) VALUES {}; \
             INSERT INTO task (id, tenant, kind, dataset, name, queue, params, locale, created_by) \
             VALUES (7, 'acme', 'IMPORT', 'member', 'x', 'default', '{{}}', 'en', '7'); \
             INSERT INTO compensate_biz (biz_type, biz_id, context, status, group_id) \
             VALUES ('COUPON', '1', '{{}}', 'SUCCESS', 6)",
            groups.join(",")
        ))
        .await;
    let (one, two) = tokio::join!(
        store.drop_empty_groups(0, TERMS.rows),
        store.drop_empty_groups(0, TERMS.rows)
    );
    assert_eq!(
        one.expect("walked").removed + two.expect("walked").removed,
        2
    );
    let left: Vec<u32> = database
        .query("SELECT id FROM compensate_group ORDER BY id")
        .await;
    assert_eq!(left, [2, 3, 4, 5, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_goes_when_nothing_new_came_to_it_for_long() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let told = |id: u32, first: u32, last: u32| {
        format!(
            "({id}, 'acme', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', '{id}', '{{}}', \
             UTC_TIMESTAMP(6) - INTERVAL {first} DAY, UTC_TIMESTAMP(6) - INTERVAL {last} DAY)"
        )
    };
    database
        .execute(&format!(
            "INSERT INTO notification (id, tenant, recipient_kind, recipient, kind, \
             notification_key, params, created_at, updated_at) VALUES {}, {}, {}",
            told(1, 40, 31),
            told(2, 40, 29),
            told(3, 3, 3),
        ))
        .await;
    let (one, two) = tokio::join!(
        store.drop_old_notifications(0, TERMS.rows),
        store.drop_old_notifications(0, TERMS.rows)
    );
    assert_eq!(
        one.expect("walked").removed + two.expect("walked").removed,
        1
    );
    let left: Vec<u32> = database
        .query("SELECT id FROM notification ORDER BY id")
        .await;
    assert_eq!(left, [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_goes_when_its_last_try_was_long_ago() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let days = |days: &str| format!("UTC_TIMESTAMP(6) - INTERVAL {days} DAY");
    let born = |id: u32, born: &str, tried: Option<&str>| {
        let tried = tried.map_or("NULL".to_owned(), days);
        format!(
            "({id}, 'acme', 1, 'TASK_FAILED', 1, {}, {tried})",
            days(born)
        )
    };
    database
        .execute(&format!(
            "INSERT INTO webhook_delivery (id, tenant, webhook_id, event, task_id, created_at, \
             attempted_at) VALUES {}, {}, {}, {}",
            born(1, "40", Some("31")),
            born(2, "40", Some("29")),
            born(3, "40", None),
            born(4, "3", None),
        ))
        .await;
    let (one, two) = tokio::join!(
        store.drop_old_deliveries(0, TERMS.rows),
        store.drop_old_deliveries(0, TERMS.rows)
    );
    assert_eq!(
        one.expect("walked").removed + two.expect("walked").removed,
        2
    );
    let left: Vec<u32> = database
        .query("SELECT id FROM webhook_delivery ORDER BY id")
        .await;
    assert_eq!(left, [2, 4]);
}
