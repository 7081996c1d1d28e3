//! A database, a broker, a lane whose work goes wrong, and workers.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus::{BusSettings, EmbeddedBroker, RingConsumer, Ringer};
use dead_letter_handler::{DeadLetterHandler, Known};
use domain::{
    BizType, BreakerTerms, BudgetTerms, DEAD_LETTER, DeadLetterStatus, Failure, FailureCode, Lane,
    Recipient, RetryPolicy, Tenant,
};
use engine::{Announcer, BizHandler, LaneSettings, LaneWorker};
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use store::{
    Claimed, DeadLetter, DeadLetterFilter, Ending, HOUSE_TENANT, Inbox, Notification, Settled,
    Store, Story,
};
use testkit::{TestDatabase, a_lane, an_export, eventually, terms};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No message takes longer to be taken.
const BOUND: Duration = Duration::from_secs(20);

pub(crate) const DATASETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/datasets");
pub(crate) const HANDLERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/handlers");

pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) store: Store,
    pub(crate) broker: EmbeddedBroker,
    pub(crate) bus: BusSettings,
    pub(crate) lane: Lane,
}

/// A worker that runs in the background.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("the worker ends well");
    }
}

impl House {
    pub(crate) async fn build() -> Self {
        Self::with(a_lane()).await
    }

    /// Over a lane of this name.
    pub(crate) async fn with(lane: Lane) -> Self {
        let database = TestDatabase::create().await;
        let broker = EmbeddedBroker::start(1).expect("a port is free");
        for topic in [&lane, &lane.dead_letters()] {
            broker.create_topic(topic.as_str(), 1).expect("a topic");
        }
        Self {
            store: database.store_with_pool(8),
            bus: broker.settings(),
            database,
            broker,
            lane,
        }
    }

    /// The handler at work on the lane's dead letters.
    pub(crate) fn handle(&self) -> Running {
        let known = Known::new([&self.lane], []);
        let handler: Arc<dyn BizHandler> =
            Arc::new(DeadLetterHandler::new(self.store.clone(), known));
        let kind = BizType::parse(DEAD_LETTER).expect("a name");
        self.work(&self.lane.dead_letters(), HashMap::from([(kind, handler)]))
    }

    /// A worker on the lane itself, which knows no kind of work.
    pub(crate) fn listen(&self) -> Running {
        self.work(&self.lane, HashMap::new())
    }

    /// A worker on a lane of this house that knows these kinds of work.
    pub(crate) fn work(
        &self,
        lane: &Lane,
        handlers: HashMap<BizType, Arc<dyn BizHandler>>,
    ) -> Running {
        let settings = LaneSettings {
            lane: lane.clone(),
            permits: 2,
            lease: Duration::from_secs(6),
            scan_interval: Duration::from_millis(200),
            hard_deadline: Duration::from_secs(600),
            retry: RetryPolicy::new(3, vec![Duration::from_millis(10)])
                .expect("a backoff")
                .into(),
            budget: BudgetTerms::default(),
            breaker: BreakerTerms::default(),
            drain: Duration::from_secs(1),
        };
        let worker = LaneWorker::new(
            "one",
            self.store.clone(),
            self.announcer(),
            settings,
            handlers,
        );
        let consumer = RingConsumer::join(&self.bus, lane).expect("the settings are right");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "awaited by Running::stop")]
        let task = tokio::spawn(async move {
            worker
                .run(consumer, stopped)
                .await
                .expect("the consumer lives");
        });
        Running { stop, task }
    }

    pub(crate) fn announcer(&self) -> Announcer {
        let ringer = Ringer::new(&self.bus).expect("the settings are right");
        Announcer::new(self.store.clone(), ringer)
    }

    /// Submits an export and claims it.
    pub(crate) async fn an_attempt(&self) -> Claimed {
        let submitted = self.store.submit_export(an_export(&self.lane)).await;
        let rung = submitted.expect("accepted").rung;
        let claim = self
            .store
            .claim_rung(&self.lane, &[rung], &terms("one"))
            .await
            .expect("claimed");
        claim.claimed.into_iter().next().expect("the row was free")
    }

    /// Gives an export up for this reason and rings, as a worker does.
    pub(crate) async fn give_up(&self, announcer: &Announcer, reason: FailureCode) {
        let row = self.an_attempt().await;
        let failure = Failure::permanent(reason, "as the test says");
        let ending = Ending::Failed(failure, Duration::ZERO);
        let settled = self
            .store
            .settle_held(&row.lease, ending, Story::default())
            .await
            .expect("answered");
        let Settled::Now(_, born) = settled else {
            panic!("the row was held");
        };
        announcer.announce_all(born);
    }

    /// Sends a message as it is to the topic.
    pub(crate) async fn produce(&self, topic: &Lane, payload: Option<&[u8]>) {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", &self.bus.brokers)
            .set("message.max.bytes", "10000000")
            .create()
            .expect("a client");
        let mut record = FutureRecord::<[u8], [u8]>::to(topic.as_str()).partition(0);
        record.payload = payload;
        let sent = producer.send(record, BOUND).await;
        sent.expect("the message is taken");
    }

    /// What the operators of a tenant were told.
    pub(crate) async fn told(&self, tenant: &str) -> Vec<Notification> {
        let inbox = Inbox {
            tenant: tenant_of(tenant),
            recipient: Recipient::Role("OPERATOR".to_owned()),
        };
        let page = self.store.notifications(&[inbox], None, 50).await;
        page.expect("read").items
    }

    /// All letters, oldest first.
    pub(crate) async fn letters(&self) -> Vec<DeadLetter> {
        let tenants = [tenant_of("acme"), tenant_of(HOUSE_TENANT)];
        let filter = DeadLetterFilter::default();
        let page = self.store.dead_letters(&tenants, filter, None, 100).await;
        let mut letters = page.expect("listed").items;
        letters.reverse();
        letters
    }

    /// Waits until every DEAD_LETTER row stands at its end.
    pub(crate) async fn all_handled(&self) {
        eventually("the dead letters to be handled", async || {
            let open: u64 = self
                .database
                .one(
                    "SELECT COUNT(*) FROM compensate_biz WHERE biz_type = 'DEAD_LETTER' \
                     AND finished_at IS NULL",
                )
                .await;
            (open == 0).then_some(())
        })
        .await;
    }

    pub(crate) async fn stand(&self) -> Vec<DeadLetterStatus> {
        let letters = self.letters().await;
        letters.iter().map(|letter| letter.status).collect()
    }
}

pub(crate) fn tenant_of(name: &str) -> Tenant {
    Tenant::parse(name).expect("a name")
}

pub(crate) fn datasets() -> &'static Path {
    Path::new(DATASETS)
}
