//! A house with a lane of coupon grants, worked on in bulk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bus::{BusSettings, EmbeddedBroker, RingConsumer, Ringer, TraceHeaders};
use domain::{
    BizType, BreakerTerms, BudgetTerms, Catalog, CompensateBizId, Failure, FailureCode, ImportMode,
    Lane, LeaseEpoch, RetryPolicy, Rung, Tenant,
};
use engine::{Announcer, BulkHandler, BulkSettings, BulkWorker, LaneBoard, Seat, Turns};
use store::{
    ApplyRows, ApplyTarget, BatchRow, BatchTx, BulkRows, Store, StoreError, StoreSettings,
};
use testkit::{MoodyProxy, TestDatabase, eventually};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Club {
    pub(crate) database: TestDatabase,
    /// What workers go through.
    through: Store,
    pub(crate) broker: EmbeddedBroker,
    bus: BusSettings,
    ringer: Ringer,
    pub(crate) lane: Lane,
    mended: Arc<AtomicBool>,
}

/// A worker that runs in the background.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Club {
    pub(crate) async fn open() -> Self {
        let database = TestDatabase::with_examples().await;
        let broker = EmbeddedBroker::start(1).expect("a port is free");
        let lane = Lane::parse("quayside.biz.grant").expect("a lane");
        broker.create_topic(lane.as_str(), 4).expect("a topic");
        // The embedded broker answers a waiting fetch only when its wait is over.
        let bus = broker.settings().with("fetch.wait.max.ms", "10");
        Self {
            ringer: Ringer::new(&bus).expect("the settings are right"),
            bus,
            through: database.store_with_pool(8),
            database,
            broker,
            lane,
            mended: Arc::default(),
        }
    }

    /// A club whose workers reach MySQL through a proxy.
    pub(crate) async fn behind_a_proxy() -> (Self, MoodyProxy) {
        let club = Self::open().await;
        let proxy = MoodyProxy::before(club.database.url()).await;
        let settings = StoreSettings {
            url: proxy.url(club.database.url()),
            pool_size: 4,
        };
        let through = Store::connect(settings).expect("a pool");
        (Self { through, ..club }, proxy)
    }

    pub(crate) fn settings(&self) -> BulkSettings {
        BulkSettings {
            lane: self.lane.clone(),
            biz_type: BizType::parse("grant").expect("a name"),
            batch_size: 500,
            batches: 2,
            connections: Arc::new(Semaphore::new(2)),
            scan_interval: Duration::from_millis(300),
            retry: RetryPolicy::default(),
            budget: BudgetTerms::default(),
            breaker: BreakerTerms::default(),
            drain: Duration::from_secs(20),
        }
    }

    pub(crate) fn work(&self, name: &str, settings: BulkSettings) -> Running {
        let seat = Turns::new(settings.batches).seat(1, None);
        self.work_sharing(name, settings, seat)
    }

    /// A worker that has its turns from others.
    pub(crate) fn work_sharing(&self, name: &str, settings: BulkSettings, seat: Seat) -> Running {
        self.work_on_board(name, settings, seat, &LaneBoard::default())
    }

    pub(crate) fn work_on_board(
        &self,
        name: &str,
        settings: BulkSettings,
        seat: Seat,
        board: &LaneBoard,
    ) -> Running {
        let lane = settings.lane.clone();
        let announcer = Announcer::new(self.through.clone(), self.ringer.clone());
        let grants = Grants {
            mended: self.mended.clone(),
        };
        let store = self.through.clone();
        let worker = BulkWorker::new(name, store, announcer, settings, Arc::new(grants));
        let worker = worker.sharing(seat).on_board(board);
        let consumer = RingConsumer::join(&self.bus, &lane).expect("the settings are right");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "awaited by Running::stop")]
        let task = tokio::spawn(async move {
            let worked = worker.run(consumer, stopped).await;
            worked.expect("the consumer lives");
        });
        Running { stop, task }
    }

    /// From now on nothing that asks for it is broken.
    pub(crate) fn mend(&self) {
        self.mended.store(true, Ordering::Relaxed);
    }

    /// Rows as a plain SQL client inserts them.
    pub(crate) async fn ask(&self, rows: usize, context: &str) {
        self.insert(rows, context, "announced = FALSE").await;
    }

    /// As [`Club::ask`], on another lane.
    pub(crate) async fn ask_on(&self, lane: &Lane, rows: usize) {
        let then = format!("announced = FALSE, lane = '{lane}'");
        self.insert(rows, "fine", &then).await;
    }

    /// Rows that only a ring brings: their scan is far away.
    pub(crate) async fn ask_announced(&self, rows: usize, context: &str) -> Vec<Rung> {
        let later = "announced = TRUE, wake_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR";
        self.insert(rows, context, later).await
    }

    async fn insert(&self, rows: usize, context: &str, then: &str) -> Vec<Rung> {
        let newest: Option<u64> = self
            .database
            .one("SELECT MAX(id) FROM compensate_biz")
            .await;
        let newest = newest.unwrap_or(0);
        self.database
            .execute(&format!(
                "SET cte_max_recursion_depth = 100000; START TRANSACTION; \
                 INSERT INTO compensate_biz (tenant, biz_type, biz_id, context) \
                 WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {rows}) \
                 SELECT 'acme', 'grant', UUID(), '{context}' FROM s; \
                 UPDATE compensate_biz SET {then} WHERE id > {newest}; COMMIT"
            ))
            .await;
        let ids: Vec<u64> = self
            .database
            .query(&format!(
                "SELECT id FROM compensate_biz WHERE id > {newest} AND context = '{context}' \
                 ORDER BY id"
            ))
            .await;
        let rung = |id| Rung {
            id: CompensateBizId(id),
            epoch: LeaseEpoch(0),
        };
        ids.into_iter().map(rung).collect()
    }

    pub(crate) async fn ring(&self, rows: &[Rung]) {
        let trace = TraceHeaders::default();
        let rung = self.ringer.ring(&self.lane, rows, &trace).await;
        rung.expect("delivered");
    }

    pub(crate) async fn until_all(&self, status: &str, rows: u64) {
        let sql = format!("SELECT COUNT(*) FROM compensate_biz WHERE status = '{status}'");
        eventually(&format!("{rows} rows to be {status}"), async || {
            let count: u64 = self.database.one(&sql).await;
            assert!(count <= rows, "{count} rows are {status}");
            (count == rows).then_some(())
        })
        .await;
    }

    pub(crate) async fn granted(&self) -> u64 {
        self.database.one("SELECT COUNT(*) FROM coupon_grant").await
    }
}

impl Running {
    /// Stops it softly and waits until it has left.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the worker ends well");
    }
}

/// Grants a coupon for each row, which alone may have it. What else it does, the context says.
struct Grants {
    mended: Arc<AtomicBool>,
}

#[async_trait]
impl BulkHandler for Grants {
    async fn run(
        &self,
        tx: &mut BatchTx<'_>,
        rows: &[BatchRow],
    ) -> Result<Vec<(usize, Failure)>, StoreError> {
        let breaks = |row: &BatchRow| row.context == "break";
        let mut refused = Vec::new();
        let mut numbers = Vec::new();
        let mut text = BulkRows::default();
        for ((place, row), number) in rows.iter().enumerate().zip(0..) {
            assert!(row.context != "panic", "as asked");
            if row.context == "refuse" {
                refused.push((place, Failure::permanent(FailureCode::InvalidRequest, "no")));
                continue;
            }
            numbers.push(number);
            text.text("spring");
            text.text(&row.id.to_string());
            text.text("A");
            text.end_row();
        }
        let coupons = include_str!("../../../../../deploy/datasets/coupon_grant.toml");
        let catalog = Catalog::parse([("coupon_grant.toml", coupons)]).expect("a definition");
        let dataset = catalog.get("coupon_grant").expect("the dataset");
        let fields = ["batch", "member_no", "coupon"].map(str::to_owned);
        let acme = Tenant::parse("acme").expect("a name");
        let target = ApplyTarget::new(dataset, &fields, &acme, ImportMode::Insert);
        let target = target.expect("a target");
        let rows_to_apply = ApplyRows::of_chunk(numbers, text.take())?;
        let applied = tx.apply(&target, &rows_to_apply).await?;
        assert_eq!(applied.refused, [], "each row is granted once");
        if rows.iter().any(breaks) && !self.mended.load(Ordering::Relaxed) {
            return Err(StoreError::Corrupt("as asked".to_owned()));
        }
        Ok(refused)
    }
}
