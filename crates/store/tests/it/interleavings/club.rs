//! The rows that the acts are about: exports that are members of one group, and how they stand.

use std::time::Duration;

use domain::{CompensateBizId, DeadLetterId, Lane, TaskId};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use store::{Store, StoreSettings};
use testkit::{TestDatabase, a_lane, an_export};
use tokio::sync::Mutex;

/// Members of the group.
pub(super) const MEMBERS: usize = 3;

/// Connections.
pub(super) const CONNECTIONS: usize = 8;

/// Far above what a test lasts, far below the hard deadline of half an hour.
pub(super) const LEASE: Duration = Duration::from_secs(900);

/// Failures that may be followed by another try.
pub(super) const MAX_CNT: u32 = 1;

/// The members of one group, on lanes of their own.
pub(super) struct Club {
    pub(super) lane: Lane,
    pub(super) follow_lane: Lane,
    pub(super) group: u64,
    pub(super) members: Vec<(CompensateBizId, TaskId)>,
    connection: Mutex<Conn>,
}

/// One row of the table, as anybody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) status: String,
    pub(super) cnt: u32,
    pub(super) epoch: u64,
    pub(super) announced: bool,
    pub(super) wake: String,
    pub(super) owner: Option<String>,
    pub(super) task: String,
    /// Its effects: the object keys of its files, and the coupons that batches granted.
    pub(super) effects: Option<String>,
    /// Its open dead letters.
    pub(super) letters: u64,
    /// Its attempts that failed or were lost.
    pub(super) attempts: u64,
}

type AsStored = (
    String,
    u32,
    u64,
    bool,
    String,
    Option<String>,
    String,
    Option<String>,
    u64,
    u64,
);

/// The eight connections, each a store of its own.
pub(super) fn stores(url: &str) -> Vec<Store> {
    let settings = StoreSettings {
        url: url.to_owned(),
        pool_size: 1,
    };
    let store = |_| Store::connect(settings.clone()).expect("a pool of one");
    (0..CONNECTIONS).map(store).collect()
}

impl Club {
    pub(super) async fn new(database: &TestDatabase, store: &Store) -> Self {
        let (lane, follow_lane) = (a_lane(), a_lane());
        let mut connection = database.plain_connection().await;
        connection
            .query_drop(format!(
                "INSERT INTO compensate_group (tenant, total, sealed, on_finished) \
                 VALUES ('acme', {MEMBERS}, TRUE, '{}')",
                follow_ups(&follow_lane)
            ))
            .await
            .expect("inserted");
        let group = connection.last_insert_id().expect("it has a number");
        let mut members = Vec::new();
        for _ in 0..MEMBERS {
            let mut export = an_export(&lane);
            export.max_retries = MAX_CNT;
            export.scan_interval = LEASE;
            let submitted = store.submit_export(export).await.expect("accepted");
            members.push((submitted.rung.id, submitted.task));
        }
        let join = format!("UPDATE compensate_biz SET group_id = {group} WHERE lane = '{lane}'");
        connection.query_drop(join).await.expect("updated");
        Self {
            lane,
            follow_lane,
            group,
            members,
            connection: Mutex::new(connection),
        }
    }

    pub(super) fn task_of(&self, member: CompensateBizId) -> TaskId {
        let of_it = self.members.iter().find(|(id, _)| *id == member);
        of_it.expect("a member").1
    }

    /// The member's timer ends, if it has one.
    pub(super) async fn time_passes(&self, member: usize) {
        let id = self.members[member].0;
        self.execute(&format!(
            "UPDATE compensate_biz SET wake_at = UTC_TIMESTAMP(6) \
             WHERE id = {id} AND wake_at > UTC_TIMESTAMP(6)"
        ))
        .await;
    }

    /// The member's newest letter, or the one so many before.
    pub(super) async fn letter(&self, member: usize, back: usize) -> Option<DeadLetterId> {
        let look = format!(
            "SELECT id FROM dead_letter WHERE compensate_biz_id = {} \
             ORDER BY id DESC LIMIT 1 OFFSET {back}",
            self.members[member].0
        );
        let found: Option<u64> = self
            .connection
            .lock()
            .await
            .query_first(look)
            .await
            .expect("read");
        found.map(DeadLetterId)
    }

    pub(super) async fn execute(&self, sql: &str) {
        self.connection
            .lock()
            .await
            .query_drop(sql)
            .await
            .expect("it runs");
    }

    /// How every member stands.
    pub(super) async fn look(&self) -> Vec<Seen> {
        let look = format!(
            "SELECT b.status, b.cnt, b.lease_epoch, b.announced, \
             IF(b.wake_at IS NULL, 'never', IF(b.wake_at <= UTC_TIMESTAMP(6), 'now', 'later')), \
             b.lease_owner, t.status, \
             NULLIF(CONCAT_WS(',', \
              (SELECT GROUP_CONCAT(f.object_key) FROM task_file f WHERE f.task_id = t.id), \
              (SELECT GROUP_CONCAT(g.coupon) FROM coupon_grant g \
               WHERE g.tenant = 'acme' AND g.batch = 'club' AND g.member_no = CAST(b.id AS CHAR))), ''), \
             (SELECT COUNT(*) FROM dead_letter d \
              WHERE d.compensate_biz_id = b.id AND d.status = 'OPEN'), \
             (SELECT COUNT(*) FROM compensate_biz_attempt a WHERE a.compensate_biz_id = b.id) \
             FROM compensate_biz b JOIN task t ON t.id = b.task_id \
             WHERE b.group_id = {} ORDER BY b.id",
            self.group
        );
        let rows: Vec<AsStored> = self
            .connection
            .lock()
            .await
            .query(look)
            .await
            .expect("read");
        let seen = |row: AsStored| {
            let (status, cnt, epoch, announced, wake, owner, task, effects, letters, attempts) =
                row;
            Seen {
                status,
                cnt,
                epoch,
                announced,
                wake,
                owner,
                task,
                effects,
                letters,
                attempts,
            }
        };
        rows.into_iter().map(seen).collect()
    }

    /// The group: succeeded, dead, cancelled, generation, ended generation.
    pub(super) async fn counts(&self) -> [u32; 5] {
        let look = format!(
            "SELECT succeeded, dead, cancelled, generation, ended_generation \
             FROM compensate_group WHERE id = {}",
            self.group
        );
        let row: Option<(u32, u32, u32, u32, u32)> = self
            .connection
            .lock()
            .await
            .query_first(look)
            .await
            .expect("read");
        let (succeeded, dead, cancelled, generation, ended) = row.expect("there is the group");
        [succeeded, dead, cancelled, generation, ended]
    }

    /// Its follow-ups, and for which generation each is.
    pub(super) async fn follow_ups(&self) -> Vec<(CompensateBizId, u32)> {
        let look = format!(
            "SELECT id, CAST(SUBSTRING_INDEX(biz_id, '/', -1) AS UNSIGNED) FROM compensate_biz \
             WHERE lane = '{}' ORDER BY id",
            self.follow_lane
        );
        let rows: Vec<(u64, u32)> = self
            .connection
            .lock()
            .await
            .query(look)
            .await
            .expect("read");
        rows.into_iter()
            .map(|(id, generation)| (CompensateBizId(id), generation))
            .collect()
    }
}

/// What the group asks for when it ends.
fn follow_ups(lane: &Lane) -> String {
    format!(r#"[{{"biz_type": "FOLLOW", "lane": "{lane}", "context": "{{}}", "max_cnt": 3}}]"#)
}
