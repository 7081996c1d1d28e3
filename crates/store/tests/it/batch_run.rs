//! Many rows run in one transaction: each once, the bad ones alone, all or nothing on an error.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{
    BizStatus, Catalog, CompensateBizId, Failure, FailureCode, ImportMode, Lane, LeaseEpoch, Rung,
};
use store::{
    ApplyRows, ApplyTarget, BatchRan, BatchRow, BatchTx, BatchWrites, BulkRows, RefusedItem, Store,
    StoreError, StoreSettings, Wanted,
};
use testkit::{MoodyProxy, TestDatabase, terms};

/// A database with `coupon_grant` and a lane of grants.
struct Club {
    database: TestDatabase,
    store: Store,
    lane: Lane,
}

impl Club {
    async fn open() -> Self {
        let database = TestDatabase::with_examples().await;
        let store = database.store_with_pool(8);
        let lane = Lane::parse("quayside.biz.grant").expect("a lane");
        Self {
            database,
            store,
            lane,
        }
    }

    /// Rows of acme as a plain SQL client inserts them: the members' numbers are their contexts.
    async fn ask(&self, members: &[&str]) -> Vec<Rung> {
        let rows: Vec<String> = members
            .iter()
            .map(|member| format!("('acme', 'grant', UUID(), '{member}')"))
            .collect();
        let rows = rows.join(", ");
        let insert = "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) VALUES";
        self.database.execute(&format!("{insert} {rows}")).await;
        self.waiting().await
    }

    /// All rows that wait, as a ring names them.
    async fn waiting(&self) -> Vec<Rung> {
        let rows: Vec<(u64, u64)> = self
            .database
            .query("SELECT id, lease_epoch FROM compensate_biz WHERE status = 'WAIT_HANDLE' AND biz_type = 'grant' ORDER BY id")
            .await;
        let rung = |(id, epoch)| Rung {
            id: CompensateBizId(id),
            epoch: LeaseEpoch(epoch),
        };
        rows.into_iter().map(rung).collect()
    }

    async fn run(&self, rung: &[Rung]) -> BatchRan {
        let (wanted, terms) = (Wanted::Rung(rung.to_vec()), terms("one"));
        let ran = self.store.run_batch(&self.lane, wanted, &terms, grants());
        ran.await.expect("run")
    }

    async fn granted(&self) -> Vec<(String, String)> {
        let sql = "SELECT tenant, member_no FROM coupon_grant ORDER BY tenant, member_no";
        self.database.query(sql).await
    }

    /// Status, failures, epoch, and whether somebody is to look at it again; by id.
    async fn rows(&self) -> Vec<(String, u32, u64, bool)> {
        let sql = "SELECT status, cnt, lease_epoch, wake_at IS NOT NULL FROM compensate_biz \
                   WHERE biz_type = 'grant' ORDER BY id";
        self.database.query(sql).await
    }
}

fn done() -> (String, u32, u64, bool) {
    ("SUCCESS".to_owned(), 0, 1, false)
}

/// Grants a coupon to each row's member. Refuses what the table refuses, for good, and a member
/// `later` for now.
pub(crate) fn grants() -> Arc<BatchWrites> {
    Arc::new(|tx, rows| Box::pin(grant(tx, rows)))
}

async fn grant(tx: &mut BatchTx<'_>, rows: &[BatchRow]) -> Result<Vec<RefusedItem>, StoreError> {
    let coupons = include_str!("../../../../deploy/datasets/coupon_grant.toml");
    let catalog = Catalog::parse([("coupon_grant.toml", coupons)]).expect("a definition");
    let dataset = catalog.get("coupon_grant").expect("the dataset");
    let fields = ["batch", "member_no", "coupon"].map(str::to_owned);
    let mut refused = Vec::new();
    let mut tenants: Vec<&domain::Tenant> = rows.iter().map(|row| &row.tenant).collect();
    tenants.dedup();
    for tenant in tenants {
        let mut text = BulkRows::default();
        let mut numbers = Vec::new();
        for (place, row) in (0_u32..).zip(rows).filter(|(_, row)| row.tenant == *tenant) {
            if row.context == "later" {
                refused.push(refusal(
                    place,
                    Failure::transient(FailureCode::Internal, "later"),
                ));
                continue;
            }
            numbers.push(place);
            text.text("spring");
            text.text(&row.context);
            text.text("A");
            text.end_row();
        }
        let target = ApplyTarget::new(dataset, &fields, tenant, ImportMode::Insert);
        let rows = ApplyRows::of_chunk(numbers, text.take())?;
        let applied = tx.apply(&target.expect("a target"), &rows).await?;
        for row in applied.refused {
            let failure = Failure::permanent(FailureCode::InvalidRequest, row.code);
            refused.push(refusal(row.number, failure));
        }
    }
    Ok(refused)
}

fn refusal(place: u32, failure: Failure) -> RefusedItem {
    RefusedItem {
        place: place as usize,
        failure,
        delay: Duration::from_secs(60),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_taken_run_and_finished_in_one_transaction() {
    let club = Club::open().await;
    club.database
        .execute(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 600) \
             SELECT IF(n <= 300, 'acme', 'globex'), 'grant', n % 300, CONCAT('M', n % 300) FROM s",
        )
        .await;
    let rung = club.waiting().await;
    let ran = club.run(&rung).await;
    assert_eq!((ran.done, ran.first_tries, ran.duplicates), (600, 600, 0));
    assert_eq!((ran.failed, ran.orphans), (vec![], vec![]));
    let rows = club.rows().await;
    assert!(rows.len() == 600 && rows.iter().all(|row| *row == done()));
    let granted = club.granted().await;
    let of = |tenant: &str| granted.iter().filter(|(it, _)| it == tenant).count();
    assert_eq!((of("acme"), of("globex")), (300, 300));
    let commits: u64 = club
        .database
        .one("SELECT COUNT(DISTINCT finished_at) FROM compensate_biz")
        .await;
    assert!(commits <= 2, "one statement for each tenant, not {commits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rings_delivered_twice_and_to_eight_at_once_and_scans_between_run_each_row_once() {
    let club = Club::open().await;
    let members: Vec<String> = (0..400).map(|n| format!("M{n}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let rung = club.ask(&members).await;
    let runs = (0..8).map(|number| {
        let (store, lane, rung) = (club.store.clone(), club.lane.clone(), rung.clone());
        async move {
            let mut done = 0;
            for part in rung.chunks(100) {
                let wanted = match number % 2 {
                    0 => Wanted::Rung(part.iter().rev().copied().collect()),
                    _ => Wanted::Due(50),
                };
                let terms = terms(&format!("worker-{number}"));
                let ran = store.run_batch(&lane, wanted, &terms, grants());
                let ran = ran.await.expect("run");
                assert_eq!((ran.failed, ran.orphans), (vec![], vec![]));
                done += ran.done;
            }
            done
        }
    });
    let done_by: Vec<usize> = futures::future::join_all(runs).await;
    assert_eq!(done_by.iter().sum::<usize>(), 400, "{done_by:?}");
    assert_eq!(club.granted().await.len(), 400);
    assert!(club.rows().await.iter().all(|row| *row == done()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_goes_to_a_claim_or_to_a_batch_and_never_to_both() {
    let club = Club::open().await;
    let members: Vec<String> = (0..60).map(|n| format!("M{n}")).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let rung = club.ask(&members).await;
    let (terms, other) = (terms("one"), terms("two"));
    let (ran, claimed) = tokio::join!(
        club.store
            .run_batch(&club.lane, Wanted::Rung(rung.clone()), &terms, grants()),
        club.store.claim_rung(&club.lane, &rung, &other),
    );
    let (ran, claimed) = (ran.expect("run"), claimed.expect("claimed"));
    assert_eq!(ran.done + claimed.claimed.len(), 60);
    assert_eq!(ran.duplicates, claimed.claimed.len());
    assert_eq!(club.granted().await.len(), ran.done);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_wait_at_the_rings_epoch_is_a_duplicate_and_what_is_nowhere_an_orphan() {
    let club = Club::open().await;
    let rung = club.ask(&["a", "b", "c", "d"]).await;
    let cancel = format!(
        "UPDATE compensate_biz SET status = 'CANCELLED', lease_epoch = 1 WHERE id = {}",
        rung[0].id
    );
    club.database.execute(&cancel).await;
    let moved = format!(
        "UPDATE compensate_biz SET lease_epoch = 2 WHERE id = {}",
        rung[1].id
    );
    club.database.execute(&moved).await;
    let elsewhere = format!(
        "UPDATE compensate_biz SET lane = 'quayside.biz.other' WHERE id = {}",
        rung[2].id
    );
    club.database.execute(&elsewhere).await;
    let nowhere = Rung {
        id: CompensateBizId(4_000_000_000),
        epoch: LeaseEpoch(0),
    };
    let all = [&rung[..], &[nowhere]].concat();
    let ran = club.run(&all).await;
    assert_eq!((ran.done, ran.duplicates), (1, 2));
    assert_eq!(ran.orphans, [rung[2], nowhere]);
    assert_eq!(club.granted().await, [("acme".to_owned(), "d".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_runs_what_is_due_the_oldest_first_and_nothing_else() {
    let club = Club::open().await;
    let rung = club.ask(&["due", "older", "later-on", "announced"]).await;
    for (row, minutes, announced) in [(0, -1, false), (1, -2, true), (2, 5, false), (3, 1, true)] {
        club.database
            .execute(&format!(
                "UPDATE compensate_biz SET announced = {announced}, \
                 wake_at = UTC_TIMESTAMP(6) + INTERVAL {minutes} MINUTE WHERE id = {}",
                rung[row].id
            ))
            .await;
    }
    for (limit, members) in [(0, &[][..]), (1, &["older"]), (9, &["due", "older"])] {
        let due = Wanted::Due(limit);
        let ran = club
            .store
            .run_batch(&club.lane, due, &terms("one"), grants())
            .await
            .expect("run");
        assert_eq!((ran.duplicates, ran.orphans), (0, vec![]));
        let granted: Vec<String> = club.granted().await.into_iter().map(|it| it.1).collect();
        assert_eq!(granted, members);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_fails_alone_with_letter_and_attempt_and_its_group_is_counted_once() {
    let club = Club::open().await;
    club.database
        .execute(
            r#"INSERT INTO compensate_group (id, tenant, total, sealed, on_finished) VALUES
               (7, 'acme', 4, TRUE, '[{"biz_type": "callback", "lane": "quayside.biz.callback",
                                       "context": "{}", "max_cnt": 3}]')"#,
        )
        .await;
    club.database
        .execute(
            "INSERT INTO coupon_grant (tenant, batch, member_no, coupon) \
             VALUES ('acme', 'spring', 'has-it', 'A')",
        )
        .await;
    let rung = club.ask(&["a", "has-it", "c", &"x".repeat(21)]).await;
    let join = "UPDATE compensate_biz SET group_id = 7";
    club.database.execute(join).await;
    let ran = club.run(&rung).await;
    assert_eq!(ran.done, 2);
    let failed: Vec<(CompensateBizId, BizStatus)> =
        ran.failed.iter().map(|it| (it.id, it.status)).collect();
    let given_up = |place: usize| (rung[place].id, BizStatus::Failed);
    assert_eq!(failed, [given_up(1), given_up(3)]);
    let dead = ("FAILED".to_owned(), 1, 1, false);
    assert_eq!(club.rows().await, [done(), dead.clone(), done(), dead]);
    assert_eq!(club.granted().await.len(), 3);

    let letters: Vec<(u64, String, String)> = club
        .database
        .query("SELECT compensate_biz_id, detail, status FROM dead_letter ORDER BY id")
        .await;
    let letter = |place: usize, why: &str| (rung[place].id.0, why.to_owned(), "OPEN".to_owned());
    assert_eq!(
        letters,
        [letter(1, "duplicate_in_db"), letter(3, "too_long")]
    );
    let attempts: Vec<(u64, u64, String)> = club
        .database
        .query("SELECT compensate_biz_id, epoch, outcome FROM compensate_biz_attempt ORDER BY id")
        .await;
    let attempt = |place: usize| (rung[place].id.0, 1, "FAILED".to_owned());
    assert_eq!(attempts, [attempt(1), attempt(3)]);

    let group: (u32, u32, u32) = club
        .database
        .one("SELECT succeeded, dead, ended_generation FROM compensate_group WHERE id = 7")
        .await;
    assert_eq!(group, (2, 2, 1));
    let born: Vec<String> = club
        .database
        .query("SELECT biz_id FROM compensate_biz WHERE biz_type = 'callback'")
        .await;
    assert_eq!(born, ["7/1"]);
    let rung: Vec<&str> = ran.born.iter().map(|(lane, _)| lane.as_str()).collect();
    assert_eq!(rung.iter().filter(|it| it.ends_with("callback")).count(), 1);
    assert_eq!(rung.iter().filter(|it| it.ends_with(".dlt")).count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_refused_for_now_waits_for_another_try_until_they_are_spent() {
    let club = Club::open().await;
    club.ask(&["a", "later"]).await;
    for failures in 1..=3 {
        let ran = club.run(&club.waiting().await).await;
        assert_eq!(ran.done, usize::from(failures == 1));
        assert_eq!(ran.failed[0].status, BizStatus::WaitHandle);
        let row = ("WAIT_HANDLE".to_owned(), failures, failures.into(), true);
        assert_eq!(club.rows().await[1], row);
        let (due, announced): (bool, bool) = club
            .database
            .one("SELECT wake_at < UTC_TIMESTAMP(6) + INTERVAL 30 SECOND, announced FROM compensate_biz WHERE context = 'later'")
            .await;
        assert!(!due && !announced);
        // nobody has announced it: a ring that names it all the same brings it no earlier
        let early = club.run(&club.waiting().await).await;
        assert_eq!(
            (early.duplicates, early.done, early.failed.len()),
            (1, 0, 0)
        );
        club.database
            .execute(
                "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) WHERE wake_at IS NOT NULL",
            )
            .await;
    }
    let ran = club.run(&club.waiting().await).await;
    assert_eq!((ran.done, ran.first_tries), (0, 0));
    assert_eq!(ran.failed[0].status, BizStatus::Failed);
    let letters: u64 = club.database.one("SELECT COUNT(*) FROM dead_letter").await;
    assert_eq!(letters, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_takes_everything_back_and_names_the_rows() {
    let club = Club::open().await;
    let rung = club.ask(&["a", "b"]).await;
    let broken: Arc<BatchWrites> = Arc::new(|tx, rows| {
        Box::pin(async move {
            grant(tx, rows).await?;
            Err(StoreError::Corrupt("as the test says".to_owned()))
        })
    });
    for wanted in [Wanted::Rung(rung.clone()), Wanted::Due(10)] {
        let ran = club
            .store
            .run_batch(&club.lane, wanted, &terms("one"), broken.clone())
            .await;
        let fault = ran.expect_err("refused");
        assert!(!fault.error.is_transient());
        assert_eq!(fault.rows, rung);
    }
    assert_eq!(club.granted().await, []);
    let waits = ("WAIT_HANDLE".to_owned(), 0, 0, true);
    assert_eq!(club.rows().await, [waits.clone(), waits]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_commit_was_not_answered_is_done_once() {
    let club = Club::open().await;
    let proxy = MoodyProxy::before(club.database.url()).await;
    let store = Store::connect(StoreSettings {
        url: proxy.url(club.database.url()),
        pool_size: 2,
    })
    .expect("a pool");
    let rung = club.ask(&["a", "b", "c"]).await;
    proxy.cut_next_commits(1);
    let ran = store
        .run_batch(&club.lane, Wanted::Rung(rung), &terms("one"), grants())
        .await
        .expect("found out");
    assert_eq!(proxy.cuts_left(), 0, "the cut happened");
    assert_eq!(ran.done + ran.duplicates, 3);
    assert_eq!(club.rows().await, [done(), done(), done()]);
    assert_eq!(club.granted().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_beyond_what_a_batch_bears_are_left_for_the_next_one() {
    let club = Club::open().await;
    let small = club.ask(&["M1", "M2"]).await;
    club.database
        .execute(
            "SET cte_max_recursion_depth = 100; \
             INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
             WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 12) \
             SELECT 'acme', 'grant', UUID(), REPEAT('x', 1048576) FROM s",
        )
        .await;
    let all = club.waiting().await;
    let seen = Arc::<Mutex<Vec<usize>>>::default();
    let writes: Arc<BatchWrites> = {
        let seen = seen.clone();
        Arc::new(move |_, rows| {
            let bytes = rows.iter().map(|row| row.context.len());
            seen.lock().expect("whole").extend(bytes);
            Box::pin(async { Ok(Vec::new()) })
        })
    };
    let run = |wanted| {
        let (store, lane, writes) = (&club.store, &club.lane, writes.clone());
        async move {
            let ran = store.run_batch(lane, wanted, &terms("one"), writes).await;
            ran.expect("run")
        }
    };
    let ran = run(Wanted::Rung(all.clone())).await;
    assert_eq!((ran.done, ran.left.len()), (small.len() + 7, 5));
    assert_eq!(ran.left, all[small.len() + 7..], "they wait as they did");
    assert_eq!((ran.duplicates, ran.orphans.len()), (0, 0));
    let bytes: usize = seen.lock().expect("whole").drain(..).sum();
    assert_eq!(bytes, 7 * (1 << 20) + "M1M2".len());
    let rest = run(Wanted::Due(100)).await;
    assert_eq!((rest.done, rest.left.len()), (5, 0));
    let bytes: usize = seen.lock().expect("whole").drain(..).sum();
    assert_eq!(bytes, 5 << 20);
}

/// For `plans`: every statement of a batch.
pub(crate) async fn exercise(database: &TestDatabase, store: &Store) {
    let lane = Lane::parse("quayside.biz.batch").expect("a lane");
    let writes: Arc<BatchWrites> = Arc::new(|_, rows| {
        let failure = |_| Failure::permanent(FailureCode::Internal, "no");
        let refused = rows.iter().take(1).map(failure).map(|it| refusal(0, it));
        let refused: Vec<RefusedItem> = refused.collect();
        Box::pin(async move { Ok(refused) })
    });
    database
        .execute(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, lane) \
             VALUES ('acme', 'batch', UUID(), '{}', 'quayside.biz.batch'), \
             ('acme', 'batch', UUID(), '{}', 'quayside.biz.batch'), \
             ('acme', 'batch', UUID(), '{}', 'quayside.biz.batch')",
        )
        .await;
    let rows: Vec<u64> = database
        .query("SELECT id FROM compensate_biz WHERE biz_type = 'batch' AND status = 'WAIT_HANDLE'")
        .await;
    let rung = |id| Rung {
        id: CompensateBizId(id),
        epoch: LeaseEpoch(0),
    };
    let rung: Vec<Rung> = rows
        .into_iter()
        .take(2)
        .chain([9_999_999])
        .map(rung)
        .collect();
    for wanted in [Wanted::Rung(rung), Wanted::Due(1)] {
        store
            .run_batch(&lane, wanted, &terms("one"), writes.clone())
            .await
            .expect("run");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_follow_up_is_done_without_effects_and_a_row_of_such_a_name_is_run() {
    let club = Club::open().await;
    for (group, kind) in [(5, "grant"), (6, "other")] {
        club.database
            .execute(&format!(
                r#"INSERT INTO compensate_group
                   (id, tenant, sealed, generation, ended_generation, on_finished) VALUES
                   ({group}, 'acme', TRUE, 2, 2, '[{{"biz_type": "{kind}",
                   "lane": "quayside.biz.{kind}", "context": "{{}}", "max_cnt": 3}}]')"#
            ))
            .await;
    }
    club.database
        .execute(
            "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) VALUES \
             ('acme', 'grant', '5/1', 'superseded'), ('acme', 'grant', '5/2', 'newest'), \
             ('acme', 'grant', '6/1', 'plain'), ('acme', 'grant', 'x', 'later')",
        )
        .await;
    let ran = club.run(&club.waiting().await).await;
    assert_eq!((ran.done, ran.failed.len()), (3, 1));
    let granted: Vec<String> = club.granted().await.into_iter().map(|it| it.1).collect();
    assert_eq!(granted, ["newest", "plain"]);
    let rows = club.rows().await;
    assert_eq!(rows[..3], [done(), done(), done()]);
    assert_eq!((rows[3].0.as_str(), rows[3].1), ("WAIT_HANDLE", 1));

    // and where there is nothing else to be done
    club.database
        .execute("UPDATE compensate_group SET generation = 3, ended_generation = 3 WHERE id = 5")
        .await;
    club.database
        .execute(
            "UPDATE compensate_biz SET status = 'WAIT_HANDLE', wake_at = UTC_TIMESTAMP(6), \
             finished_at = NULL WHERE biz_id = '5/2'",
        )
        .await;
    let again = club.waiting().await;
    let ran = club.run(&again[..1]).await;
    assert_eq!((ran.done, club.granted().await.len()), (1, 2));
}
