//! Ringing: the producer. `Ok` means that every in-sync replica has the ring.
//!
//! An error means that nobody knows; the row is still there, and its timer brings it back. Proven
//! by `tests/it/ringing.rs`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{Lane, Rung};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::future_producer::Delivery;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use tracing::Instrument;

use crate::blocking;
use crate::client::Quiet;
use crate::error::BusError;
use crate::ring;
use crate::settings::BusSettings;
use crate::trace::TraceHeaders;

/// Rings lanes. Cheap to clone; all clones share one connection to Kafka.
///
/// Dropping the last clone throws away what is still on its way: call [`Ringer::flush`] first.
#[derive(Clone)]
pub struct Ringer {
    settings: Arc<BusSettings>,
    producer: Arc<Mutex<FutureProducer<Quiet>>>,
}

/// What a look at the cluster showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brokers {
    /// How many brokers the cluster says it has.
    pub count: usize,
}

impl Ringer {
    /// A ringer with these settings. Does not wait for the brokers.
    ///
    /// # Errors
    /// [`BusError::Settings`] and [`BusError::FixedSetting`].
    pub fn new(settings: &BusSettings) -> Result<Self, BusError> {
        let producer = connect(settings)?;
        Ok(Self {
            settings: Arc::new(settings.clone()),
            producer: Arc::new(Mutex::new(producer)),
        })
    }

    /// Rings `lane` for these rows and waits for the broker's confirmation, at most about a second
    /// longer than the delivery time-out (librdkafka looks at its clock once a second).
    ///
    /// The trace goes on from `trace`, or from the current span where `trace` is empty. Dropping
    /// the future does not call the ring back.
    ///
    /// # Errors
    /// [`BusError::RingSize`] without rows or with more than [`crate::MAX_ROWS_PER_RING`];
    /// [`BusError::Undelivered`] when no confirmation came: the ring may or may not have arrived.
    pub async fn ring(
        &self,
        lane: &Lane,
        rungs: &[Rung],
        trace: &TraceHeaders,
    ) -> Result<(), BusError> {
        let payload = ring::encode(rungs)?;
        let span = tracing::info_span!(
            "ring",
            otel.kind = "producer",
            messaging.system = "kafka",
            messaging.destination.name = %lane,
            messaging.batch.message_count = rungs.len(),
        );
        trace.adopt(&span);
        let headers = TraceHeaders::of(&span).or(trace);
        // Any key will do, for it only spreads the load; order is never relied upon.
        let key = rungs[0].id.0.to_be_bytes();
        let record = FutureRecord::to(lane.as_str())
            .key(&key)
            .payload(&payload)
            .headers(headers.to_kafka());
        self.send(lane, record).instrument(span).await
    }

    async fn send(
        &self,
        lane: &Lane,
        record: FutureRecord<'_, [u8; 8], Vec<u8>>,
    ) -> Result<(), BusError> {
        let producer = self.current();
        let started = Instant::now();
        let sent = producer.send(record, Duration::ZERO).await;
        let sent = sent.map_err(|(source, _)| source).and_then(stored);
        metrics::histogram!("quayside_ring_delivery_seconds", "lane" => lane.to_string())
            .record(started.elapsed());
        match sent {
            Ok(()) => {
                #[cfg(feature = "failpoints")]
                fail::fail_point!("after_produce");
                metrics::counter!("quayside_ring_sent_total", "lane" => lane.to_string())
                    .increment(1);
                Ok(())
            }
            Err(source) => {
                metrics::counter!("quayside_ring_undelivered_total", "lane" => lane.to_string())
                    .increment(1);
                drop(producer);
                self.replace_if_dead()?;
                Err(BusError::Undelivered {
                    lane: lane.clone(),
                    source,
                })
            }
        }
    }

    /// Waits until everything on its way has been confirmed or given up.
    ///
    /// # Errors
    /// [`BusError::TimedOut`] when `timeout` passed first.
    pub async fn flush(&self, timeout: Duration) -> Result<(), BusError> {
        const WHAT: &str = "confirm every ring";
        let producer = self.current();
        let slack = timeout + Duration::from_millis(200);
        let flushed = blocking::bounded(WHAT, slack, move || producer.flush(timeout)).await?;
        flushed.map_err(|error| match error {
            KafkaError::Flush(_) => BusError::TimedOut {
                what: WHAT,
                timeout_ms: timeout.as_millis(),
            },
            source => BusError::Refused { what: WHAT, source },
        })
    }

    /// Asks the cluster who it is: detail for a readiness probe, never its verdict.
    ///
    /// # Errors
    /// [`BusError::Refused`] or [`BusError::TimedOut`] when no broker answers within `timeout`.
    pub async fn health(&self, timeout: Duration) -> Result<Brokers, BusError> {
        const WHAT: &str = "answer";
        let producer = self.current();
        let slack = timeout + Duration::from_millis(200);
        let metadata = blocking::bounded(WHAT, slack, move || {
            producer
                .client()
                .fetch_metadata(None, timeout)
                .map(|found| found.brokers().len())
        });
        let count = metadata
            .await?
            .map_err(|source| BusError::Refused { what: WHAT, source })?;
        Ok(Brokers { count })
    }

    fn current(&self) -> FutureProducer<Quiet> {
        self.producer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// An idempotent producer that met a fatal error refuses every further ring; a new one starts
    /// afresh, which is safe, because a ring may be doubled.
    fn replace_if_dead(&self) -> Result<(), BusError> {
        let mut producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, reason)) = producer.client().fatal_error() else {
            return Ok(());
        };
        tracing::warn!(reason, "the Kafka producer gave up and is replaced");
        let dead = std::mem::replace(&mut *producer, connect(&self.settings)?);
        // Its end waits for its threads.
        std::thread::spawn(move || drop(dead));
        Ok(())
    }
}

/// Believes a confirmation only if it names the offset. Without one it is the client's own inference:
/// after a cut connection, it takes a later ring's confirmation for one of those before it, which is
/// wrong wherever a broker does not check their order. A doubled ring does no harm, a missing one
/// costs a scan interval.
fn stored(delivery: Delivery) -> Result<(), KafkaError> {
    if delivery.offset < 0 {
        return Err(KafkaError::MessageProduction(RDKafkaErrorCode::NoOffset));
    }
    Ok(())
}

fn connect(settings: &BusSettings) -> Result<FutureProducer<Quiet>, BusError> {
    settings
        .producer()?
        .create_with_context(Quiet)
        .map_err(BusError::Settings)
}
