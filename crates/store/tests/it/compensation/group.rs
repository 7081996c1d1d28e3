//! Groups that clients name: added to until one call seals them, ended once.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime};
use domain::{BizStatus, BizType, Lane};
use store::{
    CompensationReach, CompensationsOnce, Due, Effects, Ending, FollowUp, Group, GroupRefusal,
    NewCompensations, NewGroup, Store, Story, SubmittedCompensations,
};
use testkit::{MoodyProxy, TestDatabase, terms};

use super::{actor, behind, call, lane, reach, send, submit};

const FOLLOW_UPS: &str =
    "SELECT biz_id, announced FROM compensate_biz WHERE biz_type = 'tell' ORDER BY id";

fn follow_up(context: &str) -> FollowUp {
    FollowUp {
        biz_type: BizType::parse("tell").expect("a name"),
        lane: Lane::parse("quayside.biz.tell").expect("a topic"),
        context: context.to_owned(),
        max_cnt: 3,
        priority: 0,
        due: Due::Now,
    }
}

pub(super) fn grouped(key: &str, seal: bool) -> NewGroup {
    NewGroup {
        key: key.to_owned(),
        seal,
        of_anyone: false,
        on_finished: None,
    }
}

/// A call that adds to the group and leaves it open.
pub(super) fn of(key: &str, biz_ids: &[&str]) -> NewCompensations {
    NewCompensations {
        group: Some(grouped(key, false)),
        ..call(biz_ids)
    }
}

fn sealing(key: &str, biz_ids: &[&str]) -> NewCompensations {
    NewCompensations {
        group: Some(grouped(key, true)),
        ..call(biz_ids)
    }
}

fn opening(key: &str, biz_ids: &[&str]) -> NewCompensations {
    let mut call = of(key, biz_ids);
    let group = call.group.as_mut().expect("a group");
    group.on_finished = Some(vec![follow_up("{}")]);
    call
}

async fn group(store: &Store, id: Option<u64>) -> Group {
    let id = id.expect("a group");
    let found = store.compensation_group(&reach(), id).await;
    found.expect("read").expect("it is there")
}

async fn finish(store: &Store, done: &SubmittedCompensations) {
    let rung: Vec<_> = done.rung.iter().map(|(_, row)| row.rung).collect();
    let claimed = store.claim_rung(&lane(), &rung, &terms("one")).await;
    for row in claimed.expect("claimed").claimed {
        let ending = Ending::Finished(Effects::none());
        let settled = store.settle_held(&row.lease, ending, Story::default());
        settled.await.expect("settled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_add_to_a_group_until_one_seals_it_and_its_end_bears_the_follow_up_once() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let one = submit(&store, opening("spring", &["a", "b"])).await;
    let two = submit(&store, of("spring", &["c", "a"])).await;
    assert_eq!(one.group_id, two.group_id);
    for done in [&one, &two] {
        finish(&store, done).await;
    }
    let open = group(&store, one.group_id).await;
    assert_eq!((open.total, open.succeeded, open.sealed), (3, 3, false));
    assert_eq!(open.key.as_deref(), Some("spring"));
    assert!(!open.finished);
    assert!(
        database
            .query::<(String, bool)>(FOLLOW_UPS)
            .await
            .is_empty()
    );

    let last = submit(&store, sealing("spring", &[])).await;
    assert!(group(&store, one.group_id).await.finished);
    let follow_up = (format!("{}/1", one.group_id.expect("a group")), true);
    let born = database.query::<(String, bool)>(FOLLOW_UPS).await;
    assert_eq!(born, [follow_up], "announced");
    assert_eq!(last.rung.len(), 1, "and to be rung");
    let tell = Lane::parse("quayside.biz.tell").expect("a topic");
    assert_eq!(last.rung[0].0, tell);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_group_takes_nothing_new_but_the_same_call_again() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let first = submit(&store, sealing("spring", &["a", "b"])).await;
    let refused = send(&store, of("spring", &["a", "c"])).await;
    assert_eq!(refused, CompensationsOnce::Refused(GroupRefusal::Sealed));
    assert_eq!(
        database.query::<String>(super::KEYS).await,
        ["a", "b"],
        "nothing of it was stored"
    );
    let again = submit(&store, sealing("spring", &["a", "b"])).await;
    assert_eq!(again.duplicates(), 2);
    assert_eq!(group(&store, first.group_id).await.total, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_is_given_with_the_first_call_and_may_only_be_repeated() {
    let store = TestDatabase::create().await.store();
    submit(&store, opening("spring", &["a"])).await;
    submit(&store, opening("spring", &["b"])).await;
    submit(&store, of("spring", &["c"])).await;
    let mut other = opening("spring", &["d"]);
    let of_other = other.group.as_mut().expect("a group");
    of_other.on_finished = Some(vec![follow_up(r#"{"x": 1}"#)]);
    let refused = send(&store, other).await;
    assert_eq!(
        refused,
        CompensationsOnce::Refused(GroupRefusal::OtherFollowUps)
    );
    for due_or_urgent in [
        FollowUp {
            due: Due::After(Duration::from_secs(5)),
            ..follow_up("{}")
        },
        FollowUp {
            priority: 5,
            ..follow_up("{}")
        },
    ] {
        let mut other = opening("spring", &["d"]);
        let of_other = other.group.as_mut().expect("a group");
        of_other.on_finished = Some(vec![due_or_urgent]);
        let refused = send(&store, other).await;
        assert_eq!(
            refused,
            CompensationsOnce::Refused(GroupRefusal::OtherFollowUps)
        );
    }
    submit(&store, of("plain", &["e"])).await;
    let refused = send(&store, opening("plain", &["f"])).await;
    assert_eq!(
        refused,
        CompensationsOnce::Refused(GroupRefusal::OtherFollowUps)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_before_stays_where_it_was_and_is_not_counted() {
    let database = TestDatabase::create().await;
    let store = database.store();
    submit(&store, call(&["a"])).await;
    submit(&store, of("winter", &["b"])).await;
    let done = submit(&store, sealing("spring", &["a", "b", "c"])).await;
    assert_eq!(group(&store, done.group_id).await.total, 1);
    let alone: Option<u64> = database
        .one("SELECT group_id FROM compensate_biz WHERE biz_id = 'a'")
        .await;
    assert_eq!(alone, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_open_one_group_and_every_row_is_counted() {
    let database = TestDatabase::create().await;
    let store = database.store_with_pool(8);
    let keys: Vec<[String; 2]> = (0..12)
        .map(|n| [format!("a{n}"), format!("b{n}")])
        .collect();
    let sent = keys.iter().map(|keys| {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        submit(&store, opening("spring", &keys))
    });
    let done = futures::future::join_all(sent).await;
    let ids: Vec<_> = done.iter().map(|done| done.group_id).collect();
    assert!(
        ids.iter().all(|id| *id == ids[0] && id.is_some()),
        "{ids:?}"
    );
    assert_eq!(group(&store, ids[0]).await.total, 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_commit_was_not_answered_counts_and_ends_its_group_once() {
    let database = TestDatabase::create().await;
    let proxy = MoodyProxy::before(database.url()).await;
    let store = behind(&proxy, &database);
    submit(&store, opening("spring", &["a"])).await;
    proxy.cut_next_commits(1);
    let done = submit(&store, sealing("spring", &["b"])).await;
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(done.duplicates(), 0);
    let counted = group(&store, done.group_id).await;
    assert_eq!((counted.total, counted.sealed), (2, true));
    assert_eq!(done.items[0].status, BizStatus::WaitHandle);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_group_ends_when_it_is_sealed() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let mut empty = opening("spring", &[]);
    empty.group.as_mut().expect("a group").seal = true;
    let done = submit(&store, empty).await;
    assert!(group(&store, done.group_id).await.finished);
    assert_eq!(database.query::<(String, bool)>(FOLLOW_UPS).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_its_tenants_and_its_openers() {
    let store = TestDatabase::create().await.store();
    let done = submit(&store, of("spring", &["a"])).await;
    let mut other = of("spring", &["a"]);
    other.actor = actor("globex");
    let theirs = submit(&store, other).await;
    assert_ne!(done.group_id, theirs.group_id);
    let id = done.group_id.expect("a group");
    for (tenant, user, seen) in [
        ("acme", None, true),
        ("acme", Some("7"), true),
        ("acme", Some("8"), false),
        ("globex", None, false),
    ] {
        let user = user.map(|user| domain::UserId::parse(user).expect("a name"));
        let tenants = vec![actor(tenant).tenant];
        let reach = CompensationReach { tenants, user };
        let found = store.compensation_group(&reach, id).await.expect("read");
        assert_eq!(found.is_some(), seen, "{reach:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_opened_a_group_adds_to_it_or_seals_it_unless_they_may_with_anyones() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let done = submit(&store, of("spring", &["a"])).await;
    let by_another = |mut call: NewCompensations| {
        call.actor.user = domain::UserId::parse("8").expect("a name");
        call
    };
    for call in [of("spring", &["b"]), sealing("spring", &[])] {
        let refused = send(&store, by_another(call)).await;
        assert_eq!(refused, CompensationsOnce::Refused(GroupRefusal::Foreign));
    }
    let untouched = group(&store, done.group_id).await;
    assert_eq!((untouched.total, untouched.sealed), (1, false));
    let mut call = by_another(sealing("spring", &["b"]));
    call.group.as_mut().expect("a group").of_anyone = true;
    submit(&store, call).await;
    let sealed = group(&store, done.group_id).await;
    assert_eq!((sealed.total, sealed.sealed), (2, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_is_told_what_the_group_came_to_and_what_the_client_wrote_stays_as_it_is() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let counts = |id: u64, key: &str| {
        format!(
            r#""group":{{"cancelled":0,"dead":0,"generation":1,"id":"{id}","key":"{key}","succeeded":2,"total":2}}"#
        )
    };
    // an odd number of many digits, no field at all, a field of the client's own, no object
    for (key, context, told) in [
        (
            "a",
            r#"{"n": 1.234567890123456789012} "#,
            r#"{"n": 1.234567890123456789012,GROUP}"#,
        ),
        ("b", " {} ", " {GROUP}"),
        ("c", r#"{"group": 7}"#, r#"{"group": 7}"#),
        ("d", "[7]", "[7]"),
    ] {
        let mut call = sealing(key, &[&format!("{key}1"), &format!("{key}2")]);
        let group = call.group.as_mut().expect("a group");
        group.on_finished = Some(vec![follow_up(context)]);
        let done = submit(&store, call).await;
        finish(&store, &done).await;
        let id = done.group_id.expect("a group");
        let sql = format!("SELECT context FROM compensate_biz WHERE biz_id = '{id}/1'");
        let born: String = database.one(&sql).await;
        assert_eq!(born, told.replace("GROUP", &counts(id, key)), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_is_due_as_it_was_asked_for_and_a_delay_begins_with_the_end_of_the_group() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let now: String = database.one("SELECT CAST(UTC_TIMESTAMP() AS CHAR)").await;
    let now = NaiveDateTime::parse_from_str(&now, "%Y-%m-%d %H:%M:%S").expect("a moment");
    let hour = Duration::from_secs(3_600);
    let asked = [
        ("at_once", 0, Due::Now),
        ("later", 7, Due::After(hour)),
        ("then", 9, Due::At(now.and_utc() + 2 * hour)),
        ("passed", 5, Due::At(DateTime::UNIX_EPOCH)),
    ];
    let follow_ups = asked.map(|(name, priority, due)| FollowUp {
        biz_type: BizType::parse(name).expect("a name"),
        priority,
        due,
        ..follow_up("{}")
    });
    let mut opening = of("spring", &["a"]);
    opening.group.as_mut().expect("a group").on_finished = Some(follow_ups.to_vec());
    let done = submit(&store, opening).await;
    finish(&store, &done).await;
    // Long after it was opened.
    database
        .execute("UPDATE compensate_group SET created_at = created_at - INTERVAL 3 DAY")
        .await;
    let last = submit(&store, sealing("spring", &[])).await;

    let born: Vec<(String, u8, bool, i64)> = database
        .query(
            "SELECT biz_type, priority, announced, \
             TIMESTAMPDIFF(MINUTE, UTC_TIMESTAMP(6), wake_at + INTERVAL 30 SECOND) \
             FROM compensate_biz WHERE biz_type <> 'grant' ORDER BY id",
        )
        .await;
    let row =
        |name: &str, priority, announced, minutes| (name.to_owned(), priority, announced, minutes);
    assert_eq!(
        born,
        [
            row("at_once", 0, true, 0),
            row("later", 7, false, 60),
            row("then", 9, false, 120),
            row("passed", 5, true, 0),
        ]
    );
    assert_eq!(last.rung.len(), 2, "what is due is to be rung");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follow_up_that_was_stored_by_an_older_version_is_due_at_once_and_not_urgent() {
    let database = TestDatabase::create().await;
    let store = database.store();
    let done = submit(&store, opening("spring", &["a"])).await;
    let older = r#"[{"biz_type":"tell","lane":"quayside.biz.tell","context":"{}","max_cnt":3}]"#;
    let store_it = format!("UPDATE compensate_group SET on_finished = '{older}'");
    database.execute(&store_it).await;
    finish(&store, &done).await;
    let mut call = opening("spring", &[]);
    call.group.as_mut().expect("a group").seal = true;
    assert_eq!(
        submit(&store, call).await.rung.len(),
        1,
        "the same as given"
    );
    let born: (u8, bool) = database
        .one("SELECT priority, announced FROM compensate_biz WHERE biz_type = 'tell'")
        .await;
    assert_eq!(born, (0, true));
}
