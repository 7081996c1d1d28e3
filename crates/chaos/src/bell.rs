//! The doorbell, abused: rings that come twice, late and in another order, messages that are no
//! rings, topics that go away. Talks to Kafka by itself, as any forger would.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Header, Headers, OwnedHeaders, OwnedMessage};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Message};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Marks what comes from here, so that a copy is not copied again.
const MARK: &str = "chaos";
/// Copies that wait for their time at once.
const MOST_WAITING: usize = 500;
/// How long a consumer may hear nothing before another takes its place.
const DEAF: Duration = Duration::from_secs(8);
/// How often a message that is no ring is sent before it is given up.
const POISON_TRIES: u32 = 4;
/// How long the broker has for an answer.
const BROKER: Duration = Duration::from_secs(10);

/// What was sent.
#[derive(Default)]
pub(crate) struct Rung {
    pub(crate) copies: AtomicU64,
}

/// The forger.
pub(crate) struct Bell {
    config: ClientConfig,
    producer: FutureProducer,
    pub(crate) topics: Vec<String>,
    pub(crate) rung: Rung,
}

impl Bell {
    pub(crate) fn new(brokers: &str, topics: Vec<String>) -> Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "chaos")
            .set("message.timeout.ms", "4000")
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("reconnect.backoff.max.ms", "1000");
        Ok(Self {
            producer: config.create()?,
            config,
            topics,
            rung: Rung::default(),
        })
    }

    /// Sends a third of all rings again, each after up to ten seconds and some of them twice.
    pub(crate) async fn copy(self: Arc<Self>, seed: u64, stop: CancellationToken) -> Result<()> {
        let mut random = StdRng::seed_from_u64(seed ^ 0x6265_6c6c);
        let mut waiting = FuturesUnordered::new();
        let mut consumer = self.listen()?;
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(()) = waiting.next() => {}
                heard = timeout(DEAF, consumer.recv()) => match heard {
                    Ok(Ok(message)) => {
                        heard_at = Instant::now();
                        let wanted = !is_ours(&message) && waiting.len() < MOST_WAITING;
                        if wanted && random.random_bool(0.33) {
                            for _ in 0..random.random_range(1..=2) {
                                let delay = Duration::from_millis(random.random_range(0..10_000));
                                waiting.push(Arc::clone(&self).later(delay, message.detach()));
                            }
                        }
                    }
                    // away, or the topic is; after a while a new consumer looks
                    Ok(Err(_)) | Err(_) if heard_at.elapsed() > DEAF => {
                        consumer = self.listen()?;
                        heard_at = Instant::now();
                    }
                    Ok(Err(_)) | Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        }
    }

    fn listen(&self) -> Result<StreamConsumer> {
        let mut config = self.config.clone();
        let consumer: StreamConsumer = config
            .set("group.id", "chaos")
            .set("session.timeout.ms", "6000")
            .set("auto.offset.reset", "latest")
            .create()?;
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        Ok(consumer)
    }

    async fn later(self: Arc<Self>, delay: Duration, message: OwnedMessage) {
        sleep(delay).await;
        if self.send(message.topic(), message.payload()).await.is_ok() {
            self.rung.copies.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One message that is no good; what it is follows from the draw.
    pub(crate) async fn poison(&self, draw: u32) -> Result<&'static str> {
        let (word, payload) = poison(draw);
        let index = usize::try_from(draw / 16)? % self.topics.len();
        // a broker that another fault has stopped takes it later
        let mut sent = self.send(&self.topics[index], payload.as_deref()).await;
        for _ in 1..POISON_TRIES {
            if sent.is_ok() {
                break;
            }
            sent = self.send(&self.topics[index], payload.as_deref()).await;
        }
        sent?;
        Ok(word)
    }

    async fn send(&self, topic: &str, payload: Option<&[u8]>) -> Result<()> {
        let headers = OwnedHeaders::new().insert(Header {
            key: MARK,
            value: Some("1"),
        });
        let mut record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).headers(headers);
        if let Some(payload) = payload {
            record = record.payload(payload);
        }
        let sent = self.producer.send(record, Duration::ZERO).await;
        sent.map_err(|(error, _)| error).context("send")?;
        Ok(())
    }

    /// Deletes a topic.
    pub(crate) async fn delete(&self, topic: &str) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.config.create()?;
        let options = AdminOptions::new().operation_timeout(Some(BROKER));
        let deleted = admin.delete_topics(&[topic], &options).await?;
        for one in deleted {
            one.map_err(|(topic, error)| anyhow!("{topic}: {error}"))?;
        }
        Ok(())
    }
}

fn is_ours(message: &BorrowedMessage<'_>) -> bool {
    let headers = message.headers();
    headers.is_some_and(|headers| headers.iter().any(|header| header.key == MARK))
}

/// Rings as proto/quayside/v1/ring.proto has them, written by hand: `version`, then rows of one id
/// below 128 each, at epoch 1.
fn ring(version: u8, ids: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x08, version];
    for id in ids {
        bytes.extend([0x12, 0x04, 0x08, *id, 0x10, 0x01]);
    }
    bytes
}

fn poison(draw: u32) -> (&'static str, Option<Vec<u8>>) {
    match draw % 7 {
        0 => ("no ring at all", Some(b"{\"id\": 1}".to_vec())),
        1 => ("null", None),
        2 => ("an unknown version", Some(ring(99, &[1]))),
        3 => (
            "a row far away",
            Some(vec![
                0x08, 1, 0x12, 0x09, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x10, 0x01,
            ]),
        ),
        4 => (
            "old rows, perhaps another lane's",
            Some(ring(1, &[1, 2, 3, 4, 5])),
        ),
        5 => ("a ring without rows", Some(ring(1, &[]))),
        _ => ("absurdly large", Some(vec![0xff; 300_000])),
    }
}
