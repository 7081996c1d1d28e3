//! Topics, made by an explicit command and by nothing else. Running it twice is the same as once;
//! a topic that is not as planned is told, never altered.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::blocking;
use crate::client::Quiet;
use crate::error::BusError;
use crate::settings::BusSettings;

const WHAT: &str = "create the topics";

/// How long the cluster has for each step.
const STEP_TIMEOUT: Duration = Duration::from_secs(15);

/// Rings are worth keeping for a week: the scan has long found their rows.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A topic as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPlan {
    /// The topic's name: a lane, or its dead letters.
    pub name: String,
    /// Partitions: as many as the lane will ever have workers.
    pub partitions: i32,
    /// Replicas of each partition.
    pub replication: i32,
    /// How long rings are kept.
    pub retention: Duration,
}

impl TopicPlan {
    /// A plan with the default retention of 7 days.
    #[must_use]
    pub fn new(name: impl Into<String>, partitions: i32, replication: i32) -> Self {
        Self {
            name: name.into(),
            partitions,
            replication,
            retention: RETENTION,
        }
    }

    /// One replica may be away; with fewer than three there is nothing to spare.
    fn min_in_sync(&self) -> i32 {
        if self.replication >= 3 { 2 } else { 1 }
    }

    fn config(&self) -> [(&'static str, String); 3] {
        [
            ("retention.ms", self.retention.as_millis().to_string()),
            ("min.insync.replicas", self.min_in_sync().to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ]
    }
}

/// What became of one plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicReport {
    /// The topic's name.
    pub name: String,
    /// What became of it.
    pub state: TopicState,
}

/// What became of a planned topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicState {
    /// It was not there and is now.
    Created,
    /// It was there, as planned.
    AsPlanned,
    /// It was there, and is not as planned. Nothing was changed.
    Differs(Vec<Difference>),
    /// The cluster refused it, and why.
    Refused(String),
}

/// A property of a topic that is not as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The property, as Kafka calls it.
    pub property: &'static str,
    /// As planned.
    pub planned: String,
    /// As it is.
    pub found: String,
}

/// Creates those of the planned topics that do not exist, and reports on each, in order.
///
/// # Errors
/// [`BusError::Refused`] or [`BusError::TimedOut`] when the cluster does not answer; a topic that
/// it refuses is in the report.
pub async fn create_topics(
    settings: &BusSettings,
    plans: &[TopicPlan],
) -> Result<Vec<TopicReport>, BusError> {
    if plans.is_empty() {
        return Ok(Vec::new());
    }
    let admin: AdminClient<Quiet> = settings
        .admin()?
        .create_with_context(Quiet)
        .map_err(BusError::Settings)?;
    let admin = Arc::new(admin);
    let outcomes = create(&admin, plans).await?;
    let mut reports = Vec::with_capacity(plans.len());
    for (plan, outcome) in plans.iter().zip(outcomes) {
        let state = match outcome {
            Ok(_) => TopicState::Created,
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => compare(&admin, plan).await?,
            Err((_, code)) => TopicState::Refused(code.to_string()),
        };
        reports.push(TopicReport {
            name: plan.name.clone(),
            state,
        });
    }
    // Its end waits for its threads.
    blocking::bounded(WHAT, STEP_TIMEOUT, move || drop(admin)).await?;
    Ok(reports)
}

type Outcome = Result<String, (String, RDKafkaErrorCode)>;

async fn create(admin: &AdminClient<Quiet>, plans: &[TopicPlan]) -> Result<Vec<Outcome>, BusError> {
    let configs: Vec<_> = plans.iter().map(TopicPlan::config).collect();
    let topics: Vec<_> = plans
        .iter()
        .zip(&configs)
        .map(|(plan, config)| {
            let replication = TopicReplication::Fixed(plan.replication);
            let topic = NewTopic::new(&plan.name, plan.partitions, replication);
            config
                .iter()
                .fold(topic, |topic, (key, value)| topic.set(key, value))
        })
        .collect();
    let outcomes = admin
        .create_topics(&topics, &options())
        .await
        .map_err(refused)?;
    // The answer is in the cluster's order, not in ours.
    let of = |plan: &TopicPlan| {
        let named = |outcome: &&Outcome| match outcome {
            Ok(name) | Err((name, _)) => *name == plan.name,
        };
        outcomes
            .iter()
            .find(named)
            .cloned()
            .unwrap_or_else(|| Err((plan.name.clone(), RDKafkaErrorCode::Unknown)))
    };
    Ok(plans.iter().map(of).collect())
}

async fn compare(
    admin: &Arc<AdminClient<Quiet>>,
    plan: &TopicPlan,
) -> Result<TopicState, BusError> {
    let mut differences = Vec::new();
    let mut check = |property, planned: String, found: String| {
        if planned != found {
            differences.push(Difference {
                property,
                planned,
                found,
            });
        }
    };
    let (partitions, replication) = shape(admin, &plan.name).await?;
    check(
        "partitions",
        plan.partitions.to_string(),
        partitions.to_string(),
    );
    check(
        "replication",
        plan.replication.to_string(),
        replication.to_string(),
    );
    let found = describe(admin, &plan.name).await?;
    for (property, planned) in plan.config() {
        let value = found.get(property).and_then(|entry| entry.value.clone());
        check(property, planned, value.unwrap_or_default());
    }
    Ok(if differences.is_empty() {
        TopicState::AsPlanned
    } else {
        TopicState::Differs(differences)
    })
}

/// Partitions, and the replicas of the first.
async fn shape(admin: &Arc<AdminClient<Quiet>>, name: &str) -> Result<(usize, usize), BusError> {
    let (admin, wanted) = (admin.clone(), name.to_owned());
    let metadata = blocking::bounded(WHAT, STEP_TIMEOUT, move || {
        admin.inner().fetch_metadata(Some(&wanted), STEP_TIMEOUT)
    });
    let metadata = metadata.await?.map_err(refused)?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == name);
    let partitions = topic.map(|topic| topic.partitions()).unwrap_or_default();
    let replication = partitions
        .first()
        .map_or(0, |partition| partition.replicas().len());
    Ok((partitions.len(), replication))
}

async fn describe(admin: &AdminClient<Quiet>, name: &str) -> Result<ConfigResource, BusError> {
    let topic = ResourceSpecifier::Topic(name);
    let found = admin
        .describe_configs([&topic], &options())
        .await
        .map_err(refused)?;
    let first = found.into_iter().next();
    first
        .unwrap_or(Err(RDKafkaErrorCode::Unknown))
        .map_err(|code| refused(KafkaError::AdminOp(code)))
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(STEP_TIMEOUT))
        .operation_timeout(Some(STEP_TIMEOUT))
}

fn refused(source: KafkaError) -> BusError {
    BusError::Refused { what: WHAT, source }
}
