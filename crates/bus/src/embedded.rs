//! A broker inside the process, for development and tests: librdkafka's mock cluster, which also
//! serves other processes over TCP on 127.0.0.1.
//!
//! It keeps little, only in memory, and forgets all when it is dropped, which is enough where a
//! message is a doorbell. The first member of a group waits 3 s for others to join; a session
//! time-out under 4 s is too short for it. It has no topic administration over the wire, and makes
//! a topic of 4 partitions by itself for a client that asks to; ours never do.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::future_producer::FutureProducerContext;
use rdkafka::producer::{FutureProducer, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::client::Quiet;
use crate::error::BusError;
use crate::settings::BusSettings;

/// All brokers, in the mock cluster's calls.
const ALL: i32 = -1;

/// Brokers of the embedded cluster. They live as long as this value.
pub struct EmbeddedBroker {
    /// Owns the mock cluster; it is never used to produce.
    owner: FutureProducer<Quiet>,
    bootstrap: String,
}

/// A request that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A ring.
    Produce,
    /// A producer's first words.
    InitProducer,
    /// A consumer asking for messages.
    Fetch,
    /// A consumer committing.
    Commit,
    /// Anybody asking who coordinates a group.
    FindCoordinator,
    /// A consumer joining its group.
    Join,
    /// A member asking for its partitions.
    Sync,
    /// A member saying that it lives.
    Heartbeat,
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is cut.
    Disconnect,
    /// The broker says that it is not the leader; the client tries again.
    NotLeader,
    /// The broker says that this client may not; the client gives up.
    Forbidden,
    /// Too few replicas have the message; the client tries again.
    NotEnoughReplicas,
    /// The broker lost what it knew of this producer; an idempotent one begins anew.
    OutOfOrder,
    /// The group is looked after elsewhere; the client asks where.
    NotCoordinator,
    /// The group does not know this member, which has to join anew: what it had may be another's.
    UnknownMember,
    /// The group is sharing its partitions out anew.
    Rebalancing,
}

impl EmbeddedBroker {
    /// Starts so many brokers on ephemeral ports of 127.0.0.1.
    ///
    /// # Errors
    /// [`BusError::Settings`] when no port can be had.
    pub fn start(brokers: u8) -> Result<Self, BusError> {
        let owner: FutureProducer<Quiet> = ClientConfig::new()
            .set("client.id", "quayside-embedded-broker")
            .set("test.mock.num.brokers", brokers.to_string())
            .create_with_context(Quiet)
            .map_err(BusError::Settings)?;
        let bootstrap = cluster(&owner)?.bootstrap_servers();
        Ok(Self { owner, bootstrap })
    }

    /// `host:port` of each broker, separated by commas.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Settings that reach it.
    #[must_use]
    pub fn settings(&self) -> BusSettings {
        BusSettings::new(self.bootstrap.clone())
    }

    /// Makes a topic, unless it is there.
    ///
    /// # Errors
    /// [`BusError::Refused`] when the name or the number of partitions is not to be had.
    pub fn create_topic(&self, name: &str, partitions: u16) -> Result<(), BusError> {
        use rdkafka::error::RDKafkaErrorCode::TopicAlreadyExists;
        let made = cluster(&self.owner)?.create_topic(name, i32::from(partitions), 1);
        match made {
            Ok(()) | Err(KafkaError::MockCluster(TopicAlreadyExists)) => Ok(()),
            Err(source) => Err(BusError::Refused {
                what: "create the topic",
                source,
            }),
        }
    }

    /// Cuts all connections and takes none until [`EmbeddedBroker::up`].
    ///
    /// # Errors
    /// [`BusError::Refused`].
    pub fn down(&self) -> Result<(), BusError> {
        let down = cluster(&self.owner)?.broker_down(ALL);
        down.map_err(|source| BusError::Refused {
            what: "stop",
            source,
        })
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// [`BusError::Refused`].
    pub fn up(&self) -> Result<(), BusError> {
        let up = cluster(&self.owner)?.broker_up(ALL);
        up.map_err(|source| BusError::Refused {
            what: "start",
            source,
        })
    }

    /// Delays every answer.
    ///
    /// # Errors
    /// [`BusError::Refused`].
    pub fn set_round_trip(&self, delay: Duration) -> Result<(), BusError> {
        let set = cluster(&self.owner)?.broker_round_trip_time(ALL, delay);
        set.map_err(|source| BusError::Refused {
            what: "slow down",
            source,
        })
    }

    /// Makes the next `times` requests of a kind fail.
    ///
    /// # Errors
    /// [`BusError::Settings`] when the cluster has gone.
    pub fn fail(&self, request: Request, fault: Fault, times: u8) -> Result<(), BusError> {
        let errors = vec![fault.code(); usize::from(times)];
        cluster(&self.owner)?.request_errors(request.key(), &errors);
        Ok(())
    }

    /// Lets requests of a kind succeed again, however many of them were to fail.
    ///
    /// # Errors
    /// [`BusError::Settings`] when the cluster has gone.
    pub fn forgive(&self, request: Request) -> Result<(), BusError> {
        cluster(&self.owner)?.clear_request_errors(request.key());
        Ok(())
    }
}

impl Request {
    fn key(self) -> RDKafkaApiKey {
        match self {
            Self::Produce => RDKafkaApiKey::Produce,
            Self::InitProducer => RDKafkaApiKey::InitProducerId,
            Self::Fetch => RDKafkaApiKey::Fetch,
            Self::Commit => RDKafkaApiKey::OffsetCommit,
            Self::FindCoordinator => RDKafkaApiKey::FindCoordinator,
            Self::Join => RDKafkaApiKey::JoinGroup,
            Self::Sync => RDKafkaApiKey::SyncGroup,
            Self::Heartbeat => RDKafkaApiKey::Heartbeat,
        }
    }
}

impl Fault {
    fn code(self) -> RDKafkaRespErr {
        match self {
            Self::Disconnect => RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
            Self::NotLeader => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Self::Forbidden => RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            Self::NotEnoughReplicas => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            Self::OutOfOrder => RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
            Self::NotCoordinator => RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            Self::UnknownMember => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            Self::Rebalancing => RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        }
    }
}

fn cluster(
    owner: &FutureProducer<Quiet>,
) -> Result<MockCluster<'_, FutureProducerContext<Quiet>>, BusError> {
    let missing = || KafkaError::ClientCreation("the embedded cluster did not start".to_owned());
    owner
        .client()
        .mock_cluster()
        .ok_or_else(|| BusError::Settings(missing()))
}
