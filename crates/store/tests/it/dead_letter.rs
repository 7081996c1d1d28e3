//! Setting work and messages aside: what giving up writes, and what it does not.

use std::time::Duration;

use domain::{DEAD_LETTER, DeadLetterId, DeadLetterSource, DeadLetterStatus, Lane, Tenant};
use store::{
    BulkRedrive, Claimed, DeadLetter, DeadLetterContent, DeadLetterFilter, Ending, HOUSE_TENANT,
    Poisoned, Settled, Store, Story,
};
use testkit::{TestDatabase, a_lane, terms};

use crate::dead_letter_acts::operator;
use crate::group_import::settled;
use crate::retry::{broken, fail};
use crate::settle::a_claimed_export;

pub(crate) fn acme() -> Vec<Tenant> {
    vec![Tenant::parse("acme").expect("a name")]
}

pub(crate) fn house() -> Vec<Tenant> {
    vec![Tenant::parse(HOUSE_TENANT).expect("a name")]
}

pub(crate) async fn letters(store: &Store, tenants: &[Tenant]) -> Vec<DeadLetter> {
    let page = store
        .dead_letters(tenants, DeadLetterFilter::default(), None, 100)
        .await
        .expect("listed");
    page.items
}

/// The only letter of tenant acme.
pub(crate) async fn the_letter(store: &Store) -> DeadLetter {
    let mut letters = letters(store, &acme()).await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

pub(crate) fn a_message(lane: &Lane) -> Poisoned {
    Poisoned {
        lane: lane.clone(),
        reason: "malformed",
        detail: "1 of 2 bytes understood".to_owned(),
        payload: vec![1, 255],
        headers: "who: knows".to_owned(),
    }
}

async fn content(store: &Store, tenants: &[Tenant], id: DeadLetterId) -> DeadLetterContent {
    let found = store.dead_letter(tenants, id).await.expect("read");
    found.expect("it is theirs").1
}

/// The DEAD_LETTER row that waits on the lane.
async fn claim(store: &Store, lane: &Lane) -> Claimed {
    let mut due = store
        .claim_due(&lane.dead_letters(), 2, &terms("handler"))
        .await
        .expect("claimed");
    assert_eq!(due.len(), 1, "{due:?}");
    due.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_up_bears_a_letter_and_the_row_that_tells_of_it_and_rings_it() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    let born = settled(&store, &row, Ending::Failed(broken(), Duration::ZERO)).await;

    let letter = the_letter(&store).await;
    assert_eq!(
        (letter.source, letter.status, &*letter.lane, &*letter.reason),
        (
            DeadLetterSource::Row,
            DeadLetterStatus::Open,
            lane.as_str(),
            "internal"
        )
    );
    assert_eq!(letter.compensate_biz_id, Some(row.lease.id));
    assert_eq!(letter.task_id, row.task_id);
    assert_eq!(letter.biz_id.as_deref(), Some(row.biz_id.as_str()));
    assert_eq!(
        content(&store, &acme(), letter.id).await.payload,
        row.context.as_bytes()
    );

    let [(rung_lane, announced)] = born.as_slice() else {
        panic!("one row is to be rung: {born:?}");
    };
    assert_eq!(*rung_lane, lane.dead_letters());
    let claim = store
        .claim_rung(rung_lane, &[announced.rung], &terms("handler"))
        .await
        .expect("claimed");
    let told = &claim.claimed[0];
    assert_eq!(
        (told.biz_type.as_str(), &*told.biz_id.to_string()),
        (DEAD_LETTER, &*letter.id.to_string())
    );
    assert_eq!(told.context, format!("{{\"dead_letter\":{}}}", letter.id));
    assert_eq!(
        (told.tenant.as_str(), told.task_id),
        ("acme", None),
        "it is the tenant's, and no part of the task"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_worker_that_gives_up_leaves_neither_letter_nor_row() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    database
        .execute("UPDATE compensate_biz SET lease_epoch = lease_epoch + 1")
        .await;
    let ending = Ending::Failed(broken(), Duration::ZERO);
    let answer = store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    assert_eq!(answer.expect("answered"), Settled::Lost);
    let counts: (u64, u64) = database
        .one("SELECT (SELECT COUNT(*) FROM dead_letter), (SELECT COUNT(*) FROM compensate_biz)")
        .await;
    assert_eq!(counts, (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_was_rescued_for_the_last_time_is_told_of_by_the_scan() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    a_claimed_export(&store, &lane).await;
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6), hard_deadline = wake_at")
        .await;
    store.sweep(&lane, 10).await.expect("swept");
    let letter = the_letter(&store).await;
    assert_eq!(letter.reason, "timed_out");
    let told = claim(&store, &lane).await;
    assert_eq!(told.biz_id.as_str(), letter.id.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_nobody_could_be_told_of_is_parked_after_three_tries_and_makes_no_other() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    let row = a_claimed_export(&store, &lane).await;
    fail(&store, &row, broken()).await;
    database
        .execute("UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) WHERE announced")
        .await;
    for tried in 1..=3 {
        assert_eq!(the_letter(&store).await.status, DeadLetterStatus::Open);
        let told = claim(&store, &lane).await;
        assert_eq!(told.cnt + 1, tried);
        let away = domain::Failure::transient(domain::FailureCode::DatabaseUnavailable, "away");
        settled(&store, &told, Ending::Failed(away, Duration::ZERO)).await;
    }
    assert_eq!(the_letter(&store).await.status, DeadLetterStatus::Parked);
    let rows: Vec<(String, String)> = database
        .query("SELECT biz_type, status FROM compensate_biz ORDER BY id")
        .await;
    let failed = |biz_type: &str| (biz_type.to_owned(), "FAILED".to_owned());
    assert_eq!(rows, [failed("EXPORT"), failed(DEAD_LETTER)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_work_that_strayed_onto_a_lane_of_dead_letters_is_told_of_on_the_same_lane() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane().dead_letters();
    let row = a_claimed_export(&store, &lane).await;
    let born = settled(&store, &row, Ending::Failed(broken(), Duration::ZERO)).await;
    assert_eq!(born[0].0, lane);
    assert_eq!(the_letter(&store).await.lane, lane.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_on_a_lane_that_is_no_topic_is_set_aside_all_the_same() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let row = a_claimed_export(&store, &a_lane()).await;
    database
        .execute("UPDATE compensate_biz SET lane = 'quayside.biz.发放优惠券'")
        .await;
    let born = settled(&store, &row, Ending::Failed(broken(), Duration::ZERO)).await;
    assert_eq!(born, []);
    assert_eq!(the_letter(&store).await.lane, "quayside.biz.发放优惠券");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_a_letter_of_the_house_and_is_told_of() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    store.record_poison(a_message(&lane)).await.expect("kept");

    assert_eq!(letters(&store, &acme()).await, []);
    let kept = letters(&store, &house()).await.remove(0);
    assert_eq!(
        (kept.source, &*kept.reason, kept.biz_type.as_deref()),
        (DeadLetterSource::Message, "malformed", None)
    );
    let content = content(&store, &house(), kept.id).await;
    assert_eq!(content.payload, [1, 255]);
    assert_eq!(content.headers.as_deref(), Some("who: knows"));
    let told = claim(&store, &lane).await;
    assert_eq!(
        (told.tenant.as_str(), told.biz_id.as_str()),
        (HOUSE_TENANT, &*kept.id.to_string())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_on_a_lane_of_dead_letters_is_parked_and_makes_nothing() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let message = a_message(&a_lane().dead_letters());
    store.record_poison(message).await.expect("kept");
    let kept = letters(&store, &house()).await;
    assert_eq!(kept[0].status, DeadLetterStatus::Parked);
    let rows: u64 = database.one("SELECT COUNT(*) FROM compensate_biz").await;
    assert_eq!(rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_message_of_absurd_size_the_beginning_is_kept_and_the_size_told() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let message = Poisoned {
        payload: vec![7; 20 << 20],
        headers: "h".repeat(1 << 20),
        detail: "d".repeat(1 << 20),
        ..a_message(&a_lane())
    };
    store.record_poison(message).await.expect("kept");
    let kept = letters(&store, &house()).await.remove(0);
    let content = content(&store, &house(), kept.id).await;
    assert_eq!(content.payload_bytes, 20 << 20);
    assert_eq!(content.payload, vec![7; 64 << 10]);
    assert_eq!(content.headers.expect("some").len(), 8_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_paged_and_of_the_tenants_asked_for_alone() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    for _ in 0..3 {
        let row = a_claimed_export(&store, &lane).await;
        fail(&store, &row, broken()).await;
    }
    store.record_poison(a_message(&lane)).await.expect("kept");
    let both = [acme(), house()].concat();
    let filtered = async |filter: DeadLetterFilter| {
        let page = store.dead_letters(&both, filter, None, 100).await;
        page.expect("listed").items.len()
    };
    let now = letters(&store, &both).await[0].created_at;
    let any = DeadLetterFilter::default;
    let (exports, malformed) = (Some("EXPORT".to_owned()), Some("malformed".to_owned()));
    let open = Some(DeadLetterStatus::Open);
    for (found, filter) in [
        (4, any()),
        (
            4,
            DeadLetterFilter {
                status: open,
                ..any()
            },
        ),
        (
            3,
            DeadLetterFilter {
                biz_type: exports.clone(),
                ..any()
            },
        ),
        (
            3,
            DeadLetterFilter {
                status: open,
                biz_type: exports,
                ..any()
            },
        ),
        (
            1,
            DeadLetterFilter {
                status: open,
                reason: malformed,
                ..any()
            },
        ),
        (
            1,
            DeadLetterFilter {
                created_from: Some(now),
                ..any()
            },
        ),
        (
            3,
            DeadLetterFilter {
                created_to: Some(now),
                ..any()
            },
        ),
        (
            0,
            DeadLetterFilter {
                status: Some(DeadLetterStatus::Parked),
                ..any()
            },
        ),
    ] {
        assert_eq!(filtered(filter.clone()).await, found, "{filter:?}");
    }

    let first = store
        .dead_letters(&both, any(), None, 3)
        .await
        .expect("read");
    let before = first.items.last().map(|letter| letter.id);
    let second = store
        .dead_letters(&both, any(), before, 3)
        .await
        .expect("read");
    assert_eq!((first.more, second.more), (true, false));
    let ids = [first.items, second.items].concat();
    let ids: Vec<u64> = ids.iter().map(|letter| letter.id.0).collect();
    assert_eq!(ids, [4, 3, 2, 1]);

    let other = [Tenant::parse("globex").expect("a name")];
    assert_eq!(letters(&store, &other).await, []);
    let peeked = store.dead_letter(&other, DeadLetterId(1)).await;
    assert_eq!(peeked.expect("answered"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_counted_by_lane_type_and_reason() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let lane = a_lane();
    for _ in 0..2 {
        let row = a_claimed_export(&store, &lane).await;
        fail(&store, &row, broken()).await;
    }
    store.record_poison(a_message(&lane)).await.expect("kept");
    let both = [house(), acme()].concat();
    let groups = store
        .dead_letter_groups(&both, Some(DeadLetterStatus::Open))
        .await;
    let groups: Vec<_> = groups
        .expect("counted")
        .into_iter()
        .map(|group| (group.biz_type, group.reason, group.count))
        .collect();
    let expected = [
        (Some("EXPORT".to_owned()), "internal".to_owned(), 2),
        (None, "malformed".to_owned(), 1),
    ];
    assert_eq!(groups, expected);
    let open = store.open_dead_letters().await.expect("counted");
    assert_eq!(open.iter().map(|kind| kind.count).sum::<u64>(), 3);
}

/// Calls everything once, for `plans`.
pub(crate) async fn exercise(store: &Store, lane: &Lane) {
    let both = [acme(), house()].concat();
    for _ in 0..3 {
        let row = a_claimed_export(store, lane).await;
        let born = settled(store, &row, Ending::Failed(broken(), Duration::ZERO)).await;
        let (lane, announced) = &born[0];
        let told = crate::group_import::claim(store, lane, announced.rung).await;
        settled(store, &told, Ending::Failed(broken(), Duration::ZERO)).await;
    }
    let texts = |word: &str| [None, Some(word.to_owned())];
    for status in [None, Some(DeadLetterStatus::Open)] {
        for biz_type in texts("EXPORT") {
            for reason in texts("internal") {
                let before = reason.as_ref().map(|_| DeadLetterId(u64::MAX));
                let filter = DeadLetterFilter {
                    status,
                    biz_type: biz_type.clone(),
                    reason,
                    created_from: before.map(|_| chrono::DateTime::UNIX_EPOCH),
                    created_to: before.map(|_| chrono::DateTime::<chrono::Utc>::MAX_UTC),
                };
                let listed = store.dead_letters(&both, filter, before, 10).await;
                listed.expect("listed");
            }
        }
    }
    let groups = store.dead_letter_groups(&both, Some(DeadLetterStatus::Open));
    groups.await.expect("counted");
    store.open_dead_letters().await.expect("counted");
    let newest = letters(store, &acme()).await;
    store.dead_letter(&both, newest[0].id).await.expect("read");
    crate::dead_letter_acts::redrive(store, &acme(), newest[0].id).await;
    store
        .discard_dead_letter(&acme(), newest[1].id, &operator())
        .await
        .expect("answered");
    let row = a_claimed_export(store, lane).await;
    fail(store, &row, broken()).await;
    let row = a_claimed_export(store, lane).await;
    let deleted = fail(store, &row, broken()).await;
    crate::delete::delete(store, deleted).await;
    let bulk = BulkRedrive {
        filter: DeadLetterFilter::default(),
        dry_run: false,
        max: 3,
        step_micros: 1,
    };
    store
        .redrive_dead_letters(&both, &bulk, &operator())
        .await
        .expect("redriven");
}
