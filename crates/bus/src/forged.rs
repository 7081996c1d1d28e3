//! Messages that are no rings, on a topic of an embedded broker: what a stranger may send to a lane.
//! For tests of what becomes of them.

use std::time::Duration;

use domain::Lane;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use crate::embedded::EmbeddedBroker;
use crate::error::BusError;

/// Longest wait for one to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

impl EmbeddedBroker {
    /// Puts so many messages of this content on the lane, one after the other.
    ///
    /// # Errors
    /// [`BusError::Settings`], and [`BusError::Undelivered`] when the lane does not take one.
    pub async fn put_forged(
        &self,
        lane: &Lane,
        content: &[u8],
        times: usize,
    ) -> Result<(), BusError> {
        let producer: FutureProducer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .create()
            .map_err(BusError::Settings)?;
        for number in 0..times {
            let key = number.to_be_bytes();
            let record = FutureRecord::to(lane.as_str()).payload(content).key(&key);
            let sent = producer.send(record, PATIENCE).await;
            sent.map_err(|(source, _message)| BusError::Undelivered {
                lane: lane.clone(),
                source,
            })?;
        }
        Ok(())
    }
}
