//! `quay dead-letters`: work that was set aside, and putting it back.

mod list;
mod show;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::{DeadLettersCommand, OneLetterArgs, OutputArgs, RedriveArgs};
use crate::client::Gateway;
use crate::confirm::confirmed;
use crate::exit::{Exit, Failure};
use crate::print::answer;
use crate::tasks::print_json;
use crate::text::{count, plain};

/// A dead letter, as the gateway tells of it.
#[derive(Debug, Deserialize)]
struct DeadLetter {
    id: String,
    source: String,
    status: String,
    lane: String,
    biz_type: Option<String>,
    biz_id: Option<String>,
    compensate_biz_id: Option<String>,
    task_id: Option<String>,
    reason: String,
    detail: String,
    acted_by: Option<String>,
    acted_at: Option<String>,
    created_at: String,
    headers: Option<String>,
    payload: Option<Payload>,
}

/// What it holds.
#[derive(Debug, Deserialize)]
struct Payload {
    bytes: u64,
    truncated: bool,
    text: Option<String>,
    hex: Option<String>,
}

/// What a bulk redrive did.
#[derive(Debug, Deserialize)]
struct Redriven {
    matched: u64,
    redriven: u64,
}

pub(crate) async fn run(command: &DeadLettersCommand) -> Result<Exit, Failure> {
    match command {
        DeadLettersCommand::List(args) => list::run(args).await,
        DeadLettersCommand::Show(args) => show::run(args).await,
        DeadLettersCommand::Redrive(args) => redrive(args).await,
        DeadLettersCommand::Discard(OneLetterArgs { id, out, gateway }) => {
            let gateway = Gateway::new(gateway)?;
            told(gateway.act_on_letter(*id, "discard").await?, *out)
        }
    }
}

async fn redrive(args: &RedriveArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    if let Some(id) = args.id {
        return told(gateway.act_on_letter(id, "redrive").await?, args.out);
    }
    let filter = args.filter.given();
    if filter.is_empty() {
        return Err(Failure::usage("which dead letters?").advise(
            "Give an id, or a filter: --reason, --biz-type, --created-from, --created-to\n\
             What there is: quay dead-letters list --summary",
        ));
    }
    if !args.dry_run && !args.yes {
        let matched = send(&gateway, args, &filter, true).await?.0.matched;
        if matched == 0 {
            return Err(Failure::new(
                Exit::Failed,
                "no open dead letter is like that",
            ));
        }
        let most = args.max.map_or(1_000, u64::from).min(matched);
        let question = format!(
            "Redrive {} of {} dead letters?",
            count(most),
            count(matched)
        );
        if !confirmed(&question).await? {
            return Err(Failure::new(Exit::Failed, "nothing was redriven"));
        }
    }
    let (done, json) = send(&gateway, args, &filter, args.dry_run).await?;
    if args.out.json {
        print_json(&json);
        return Ok(Exit::Done);
    }
    let matched = count(done.matched);
    if args.dry_run {
        answer(format_args!("{matched} would be redriven"));
    } else {
        answer(format_args!(
            "{} of {matched} redriven",
            count(done.redriven)
        ));
    }
    Ok(Exit::Done)
}

async fn send(
    gateway: &Gateway,
    args: &RedriveArgs,
    filter: &[(&'static str, String)],
    dry_run: bool,
) -> Result<(Redriven, Value), Failure> {
    let filter = filter
        .iter()
        .map(|(name, text)| ((*name).to_owned(), json!(text)));
    let filter: Map<String, Value> = filter.collect();
    let mut body = json!({"filter": filter, "dry_run": dry_run});
    if let Some(max) = args.max {
        body["max"] = json!(max);
    }
    if let Some(rate) = args.rate {
        body["rate_per_second"] = json!(rate);
    }
    let json = gateway.redrive_letters(&body).await?;
    let done = Redriven::deserialize(&json);
    let done = done.map_err(|error| Failure::local("the answer is not understood", error))?;
    Ok((done, json))
}

fn told(json: Value, out: OutputArgs) -> Result<Exit, Failure> {
    if out.json {
        print_json(&json);
    } else {
        let DeadLetter { id, status, .. } = read(&json)?;
        answer(format_args!(
            "Dead letter {}: {}",
            plain(&id),
            plain(&status)
        ));
    }
    Ok(Exit::Done)
}

fn read(item: &Value) -> Result<DeadLetter, Failure> {
    DeadLetter::deserialize(item)
        .map_err(|error| Failure::local("the dead letter is not understood", error))
}
