//! Rows that are born with a finish are rung right after it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus::RingConsumer;
use domain::{
    BizType, Failure, FailureCode, Lane, OnError, Task, TaskId, TaskStatus, Tenant, Upload,
    UploadFormat, UserId,
};
use engine::{Announcer, Attempt, BizHandler, LaneWorker};
use store::{
    Effects, Ending, IMPORT, IMPORT_BATCH, IMPORT_FINISH, ImportEnd, LedgerEntry, NewBatch,
    NewImport, NewUpload, Once, OpenTaskLimits, Settled, SplitDone, Story, Submission,
    UploadOpened,
};
use testkit::{a_lane, eventually, eventually_within, terms};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::counted::Counted;
use crate::probe::{House, announced};

/// All three kinds of an import's rows, without files: each batch is one row.
struct Importer {
    batches: u32,
    lane: Lane,
    batch_lane: Lane,
}

#[async_trait]
impl BizHandler for Importer {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let row = attempt.claimed();
        match row.biz_type.as_str() {
            IMPORT => Ok(self.split()),
            IMPORT_BATCH => {
                let number = row
                    .biz_id
                    .as_str()
                    .split_once('/')
                    .map(|(_, number)| number);
                let number = number.and_then(|number| number.parse().ok());
                Ok(apply(number.expect("task/number")))
            }
            IMPORT_FINISH => Ok(Effects::new(|tx| {
                Box::pin(async move {
                    let end = ImportEnd {
                        file: None,
                        validate_only: false,
                        on_error: OnError::Continue,
                    };
                    tx.finish_import(&end).await.map(drop)
                })
            })),
            other => Err(Failure::permanent(FailureCode::Internal, other)),
        }
    }

    async fn clean_up(&self, _: &Attempt) {}
}

impl Importer {
    fn split(&self) -> Effects {
        let batch = NewBatch {
            context: "{}".to_owned(),
            delay: Duration::ZERO,
        };
        let split = SplitDone {
            total_rows: self.batches.into(),
            warnings: Vec::new(),
            batches: vec![batch; self.batches as usize],
            batch_lane: self.batch_lane.clone(),
            finish_lane: self.lane.clone(),
            finish_context: "{}".to_owned(),
            mends: None,
            max_cnt: 3,
            finish_max_cnt: 3,
        };
        Effects::new(move |tx| {
            let split = split.clone();
            Box::pin(async move { tx.seal_split(&split).await })
        })
    }
}

fn apply(number: u32) -> Effects {
    Effects::new(move |tx| {
        Box::pin(async move {
            let entry = LedgerEntry {
                number,
                first_row: number,
                last_row: number,
                done: 1,
                inserted: 1,
                updated: 0,
                failed: 0,
                skipped: 0,
                errors: &[],
            };
            tx.record_batch(&entry).await
        })
    })
}

/// Works on the import's two lanes; neither is ever scanned after its start.
struct Import {
    house: House,
    batch_lane: Lane,
    announcer: Announcer,
    importer: Arc<Importer>,
    stop: CancellationToken,
    workers: Vec<JoinHandle<()>>,
}

impl Import {
    async fn of(batches: u32) -> Self {
        let house = House::build().await;
        let batch_lane = a_lane();
        house
            .broker
            .create_topic(batch_lane.as_str(), 4)
            .expect("a topic");
        let importer = Importer {
            batches,
            lane: house.lane.clone(),
            batch_lane: batch_lane.clone(),
        };
        Self {
            announcer: house.announcer(),
            importer: Arc::new(importer),
            house,
            batch_lane,
            stop: CancellationToken::new(),
            workers: Vec::new(),
        }
    }

    fn work(mut self) -> Self {
        self.work_on(self.house.lane.clone(), &[IMPORT, IMPORT_FINISH]);
        self.work_on(self.batch_lane.clone(), &[IMPORT_BATCH]);
        self
    }

    fn work_on(&mut self, lane: Lane, kinds: &[&str]) {
        let mut settings = self.house.settings();
        settings.lane = lane.clone();
        settings.scan_interval = Duration::from_secs(3600);
        let mut handlers: HashMap<BizType, Arc<dyn BizHandler>> = HashMap::new();
        for kind in kinds {
            let kind = BizType::parse(*kind).expect("a name");
            handlers.insert(kind, self.importer.clone());
        }
        let (store, announcer) = (self.house.store.clone(), self.announcer.clone());
        let worker = LaneWorker::new("one", store, announcer, settings, handlers);
        let consumer = RingConsumer::join(&self.house.bus, &lane).expect("the settings are right");
        let stopped = self.stop.clone();
        #[expect(clippy::disallowed_methods, reason = "awaited by Import::stop")]
        let task = tokio::spawn(async move {
            worker
                .run(consumer, stopped)
                .await
                .expect("the consumer lives");
        });
        self.workers.push(task);
    }

    /// Submits it and rings.
    async fn submit(&self) -> TaskId {
        let store = &self.house.store;
        let upload = NewUpload {
            tenant: Tenant::parse("acme").expect("a name"),
            user: UserId::parse("7").expect("a name"),
            object_key: "x".to_owned(),
            name: "x.xlsx".to_owned(),
            keep: Duration::from_secs(3600),
        };
        let UploadOpened::Opened(file) = store.open_upload(upload.clone(), 9).await.expect("asked")
        else {
            panic!("there is room");
        };
        let import = NewImport {
            tenant: upload.tenant,
            user: upload.user,
            request_id: None,
            dataset: "member".to_owned(),
            name: "x.xlsx".to_owned(),
            queue: "default".to_owned(),
            lane: self.house.lane.clone(),
            locale: "en".to_owned(),
            options: "{}".to_owned(),
            context: "{}".to_owned(),
            max_retries: 3,
            trace_context: None,
            scan_interval: Duration::from_secs(3600),
            upload: Upload {
                file,
                object_key: "x".to_owned(),
                name: "x.xlsx".to_owned(),
                size: 1,
                sha256: "0".repeat(64),
                format: UploadFormat::Xlsx,
            },
        };
        let limits = OpenTaskLimits::default();
        let submitted = store.submit_import_once(import, Once::Always, limits).await;
        let Ok(Submission::New(accepted)) = submitted else {
            panic!("it is new: {submitted:?}");
        };
        let lane = self.house.lane.clone();
        self.announcer.announce(lane, announced(accepted.rung));
        accepted.task.id
    }

    async fn until_done(&self, task: TaskId) -> Task {
        let patience = Duration::from_secs(180);
        eventually_within(patience, "the import to be done", async || {
            let task = self.house.task(task).await;
            (task.status == TaskStatus::Success).then_some(task)
        })
        .await
    }

    async fn stop(self) {
        self.stop.cancel();
        for worker in self.workers {
            worker.await.expect("the worker ends well");
        }
    }
}

/// Neither a relay nor a scan is there: two permits, two thousand rings.
#[tokio::test(flavor = "multi_thread")]
async fn batches_and_finish_are_rung_at_their_birth_and_worked_off_without_scan_and_relay() {
    let counted = Counted::begin();
    let import = Import::of(2_000).await.work();
    let task = import.submit().await;
    let done = import.until_done(task).await;
    assert_eq!(done.progress.done_rows, 2_000);
    let (lane, batch_lane) = (import.house.lane.clone(), import.batch_lane.clone());
    import.stop().await;
    assert_eq!(counted.of("quayside_ring_sent_total", &batch_lane), 2_000);
    assert_eq!(
        counted.of("quayside_ring_sent_total", &lane),
        2,
        "the import's own ring, and that of its finish"
    );
    for lane in [lane, batch_lane] {
        assert_eq!(counted.of("quayside_claimed_by_scan_total", &lane), 0);
    }
}

/// What could not be rung is due at once.
#[tokio::test(flavor = "multi_thread")]
async fn births_that_kafka_does_not_take_are_given_back_to_relay_and_scan() {
    let counted = Counted::begin();
    let import = Import::of(500).await;
    import.house.broker.down().expect("it goes");
    let lane = &import.house.lane;
    let task = import.submit().await;
    let row = eventually("the import's row to be due", async || {
        let due = import
            .house
            .store
            .claim_due(lane, 1, &terms("by hand"))
            .await;
        due.expect("answered").pop()
    })
    .await;
    let ending = Ending::Finished(import.importer.split());
    let settled = import
        .house
        .store
        .settle_held(&row.lease, ending, Story::default())
        .await;
    let Ok(Settled::Now(_, born)) = settled else {
        panic!("it was held: {settled:?}");
    };
    assert_eq!((row.task_id, born.len()), (Some(task), 500));
    import.announcer.announce_all(born);
    eventually("all of them to be due", async || {
        let due: u64 = import
            .house
            .database
            .one(
                "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'IMPORT_BATCH' \
                 AND NOT announced AND wake_at <= UTC_TIMESTAMP(6)",
            )
            .await;
        (due == 500).then_some(())
    })
    .await;
    let tried = counted.of("quayside_ring_undelivered_total", &import.batch_lane);
    assert!(tried < 500, "{tried} rings were tried");
}
