//! Lists of business work: newest first, whole whatever the pages, and nobody else's.

use domain::{BizStatus, CompensateBizId};
use store::{CompensationFilter, CompensationReach, Store};
use testkit::{TestDatabase, a_lane, an_export};

use super::group::of;
use super::{actor, call, reach, submit};

pub(super) fn every_kind_of_filter(group: u64) -> Vec<CompensationFilter> {
    let none = CompensationFilter::default();
    vec![
        none.clone(),
        CompensationFilter {
            biz_type: Some("grant".to_owned()),
            status: Some(BizStatus::WaitHandle),
            ..none.clone()
        },
        CompensationFilter {
            biz_id: Some("p-1".to_owned()),
            ..none.clone()
        },
        CompensationFilter {
            biz_type: Some("grant".to_owned()),
            biz_id: Some("p-1".to_owned()),
            ..none.clone()
        },
        CompensationFilter {
            group_id: Some(group),
            ..none
        },
    ]
}

async fn listed(
    store: &Store,
    reach: &CompensationReach,
    filter: &CompensationFilter,
) -> Vec<String> {
    let (mut keys, mut before) = (Vec::new(), None);
    loop {
        let page = store.compensations(reach, filter.clone(), before, 3).await;
        let (items, next) = page.expect("listed");
        assert!(items.len() <= 3);
        keys.extend(items.into_iter().map(|item| item.biz_id));
        before = next;
        if before.is_none() {
            return keys;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_put_together_are_all_rows_newest_first_and_none_of_tasks_or_other_tenants() {
    let database = TestDatabase::create().await;
    let store = database.store();
    for key in ["a", "b", "c", "d", "e", "f", "g"] {
        submit(&store, call(&[key])).await;
        store
            .submit_export(an_export(&a_lane()))
            .await
            .expect("accepted");
    }
    let mut of_another = call(&["z"]);
    of_another.actor = actor("globex");
    submit(&store, of_another).await;
    let all = listed(&store, &reach(), &CompensationFilter::default()).await;
    assert_eq!(all, ["g", "f", "e", "d", "c", "b", "a"]);

    let own = CompensationReach {
        user: Some(actor("acme").user),
        ..reach()
    };
    assert_eq!(
        listed(&store, &own, &CompensationFilter::default())
            .await
            .len(),
        7
    );
    let of_nobody = CompensationReach {
        user: Some(domain::UserId::parse("8").expect("a name")),
        ..reach()
    };
    assert!(
        listed(&store, &of_nobody, &CompensationFilter::default())
            .await
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_for_kind_state_id_and_group() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(&store, call(&["a", "b"])).await;
    let group = submit(&store, of("spring", &["c", "d"])).await.group_id;
    database
        .execute("UPDATE compensate_biz SET status = 'FAILED' WHERE biz_id IN ('b', 'd')")
        .await;
    let none = CompensationFilter::default();
    let failed = CompensationFilter {
        status: Some(BizStatus::Failed),
        ..none.clone()
    };
    assert_eq!(listed(&store, &reach(), &failed).await, ["d", "b"]);
    let of_group = CompensationFilter {
        group_id: group,
        ..failed.clone()
    };
    assert_eq!(listed(&store, &reach(), &of_group).await, ["d"]);
    let by_id = CompensationFilter {
        biz_id: Some("c".to_owned()),
        ..none.clone()
    };
    assert_eq!(listed(&store, &reach(), &by_id).await, ["c"]);
    let of_no_kind = CompensationFilter {
        biz_type: Some("notice".to_owned()),
        ..none
    };
    assert!(listed(&store, &reach(), &of_no_kind).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_ends_after_so_many_rows_and_the_list_goes_on_behind_them() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(&store, call(&["first"])).await;
    database
        .execute(
            "SET cte_max_recursion_depth = 1000000; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20500) \
             SELECT 'globex', 'grant', n, '{}' FROM s",
        )
        .await;
    let none = CompensationFilter::default();
    let page = store.compensations(&reach(), none.clone(), None, 50).await;
    let (items, next) = page.expect("listed");
    assert!(items.is_empty(), "the newest are all another tenant's");
    let next: Option<CompensateBizId> = next;
    let (items, end) = store
        .compensations(&reach(), none, next, 50)
        .await
        .expect("listed");
    assert_eq!((items.len(), end), (1, None));
    assert!(next.is_some());
}
