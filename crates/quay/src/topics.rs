//! `quay topics create`: the one way in which topics come to be.

use bus::{BusError, BusSettings, TopicPlan, TopicReport, TopicState, create_topics};
use serde_json::{Value, json};

use crate::catalog;
use crate::cli::{TopicsArgs, given};
use crate::exit::{Exit, Failure, chain};
use crate::print::answer;
use crate::tasks::print_json;

pub(crate) async fn create(args: &TopicsArgs) -> Result<Exit, Failure> {
    let brokers = given(args.kafka.as_deref()).ok_or_else(|| {
        Failure::usage("no brokers: which Kafka?").advise(
            "Set QUAYSIDE_KAFKA or give --kafka host:port,host:port\n\
             The embedded broker (quay broker) makes its topics by itself.",
        )
    })?;
    let names = catalog::topics(&args.datasets.datasets, args.handlers.as_deref())?;
    let plan = |name| TopicPlan::new(name, args.partitions, args.replication);
    let plans: Vec<TopicPlan> = names.into_iter().map(plan).collect();
    let reports = create_topics(&BusSettings::new(brokers), &plans).await;
    let reports = reports.map_err(|error| not_created(brokers, &error))?;
    if args.out.json {
        print_json(&reports.iter().map(as_json).collect());
    } else {
        for report in &reports {
            answer(format_args!("{}: {}", report.name, in_words(&report.state)));
        }
    }
    if reports
        .iter()
        .any(|report| matches!(report.state, TopicState::Refused(_)))
    {
        return Err(Failure::new(Exit::Refused, "Kafka refused a topic").advise(
            "Fewer brokers than replicas? --replication 1 on a single broker, 3 in production.",
        ));
    }
    Ok(Exit::Done)
}

fn in_words(state: &TopicState) -> String {
    match state {
        TopicState::Created => "created".to_owned(),
        TopicState::AsPlanned => "is there".to_owned(),
        TopicState::Refused(why) => format!("refused: {why}"),
        TopicState::Differs(differences) => {
            let each: Vec<String> = differences
                .iter()
                .map(|found| {
                    format!(
                        "{} {} (planned {})",
                        found.property, found.found, found.planned
                    )
                })
                .collect();
            format!("is there and was left as it is: {}", each.join(", "))
        }
    }
}

fn as_json(report: &TopicReport) -> Value {
    let (state, detail) = match &report.state {
        TopicState::Created => ("created", Value::Null),
        TopicState::AsPlanned => ("as_planned", Value::Null),
        TopicState::Differs(_) => ("differs", in_words(&report.state).into()),
        TopicState::Refused(why) => ("refused", why.as_str().into()),
    };
    json!({"name": report.name, "state": state, "detail": detail})
}

fn not_created(brokers: &str, error: &BusError) -> Failure {
    let exit = match error {
        BusError::Refused { .. } | BusError::TimedOut { .. } => Exit::Unavailable,
        BusError::FixedSetting { .. }
        | BusError::Settings(_)
        | BusError::RingSize { .. }
        | BusError::Undelivered { .. }
        | BusError::Fatal { .. } => Exit::Failed,
    };
    Failure::new(
        exit,
        format!("cannot create the topics at {brokers}: {}", chain(error)),
    )
    .advise(
        "Is Kafka up? On your own machine: ./dev up --kafka\n\
         Other brokers: --kafka or QUAYSIDE_KAFKA\n\
         The embedded broker (quay broker) makes its topics by itself.",
    )
}
