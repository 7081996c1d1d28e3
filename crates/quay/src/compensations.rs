//! `quay compensations`: business work, submitted from a csv, looked at and acted on; and the client
//! of it for other programs, [`CompensationClient`].

mod client;
mod group;
mod list;
mod rows;
mod show;
mod submit;

use serde_json::Value;

use crate::cli::{CompensationsCommand, OneCompensationArgs};
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::answer;
use crate::tasks::print_json;
use crate::text::plain;

pub use client::{
    ClientError, CompensationCall, CompensationClient, CompensationFollowUp, CompensationGroup,
    CompensationItem, SubmittedCall, SubmittedItem,
};

pub(crate) async fn run(command: &CompensationsCommand) -> Result<Exit, Failure> {
    match command {
        CompensationsCommand::Submit(args) => submit::run(args).await,
        CompensationsCommand::List(args) => list::run(args).await,
        CompensationsCommand::Show(args) => show::run(args).await,
        CompensationsCommand::Group(args) => group::run(args).await,
        CompensationsCommand::Retry(args) => act(args, "retry").await,
        CompensationsCommand::Cancel(args) => act(args, "cancel").await,
    }
}

async fn act(args: &OneCompensationArgs, verb: &str) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let json = gateway.act_on_compensation(args.id, verb).await?;
    if args.out.json {
        print_json(&json);
    } else {
        let status = json["status"].as_str().unwrap_or_default();
        answer(format_args!("Compensation {}: {}", args.id, plain(status)));
    }
    Ok(Exit::Done)
}

/// A text of an answer, however odd.
fn text(json: &Value, name: &str) -> String {
    match &json[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
