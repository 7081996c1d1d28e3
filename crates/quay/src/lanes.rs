//! `quay lanes`: which lanes there are, and stopping one, letting it go on, having it looked at.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{LanesCommand, ListLanesArgs, OutputArgs};
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::answer;
use crate::table::layout;
use crate::tasks::print_json;
use crate::text::{count, moment, plain, span};

/// A lane, as the gateway tells of it.
#[derive(Debug, Deserialize)]
struct Lane {
    lane: String,
    state: String,
    reason: Option<String>,
    paused_by: Option<String>,
    paused_at: Option<String>,
    open_rows: u64,
    oldest_row_seconds: u64,
    /// Of a scan: the lanes of the queue that are not looked at.
    #[serde(default)]
    not_open: Vec<String>,
}

pub(crate) async fn run(command: &LanesCommand) -> Result<Exit, Failure> {
    match command {
        LanesCommand::List(args) => list(args).await,
        LanesCommand::Pause(args) => {
            let gateway = Gateway::new(&args.gateway)?;
            let body = json!({"reason": args.reason});
            let told = gateway.change_lane(&args.lane, "pause", &body).await;
            show(told?, args.out)
        }
        LanesCommand::Resume(args) => {
            let gateway = Gateway::new(&args.gateway)?;
            let told = gateway.change_lane(&args.lane, "resume", &json!({})).await;
            show(told?, args.out)
        }
        LanesCommand::Scan(args) => {
            let gateway = Gateway::new(&args.gateway)?;
            let told = gateway.change_lane(&args.lane, "scan", &json!({})).await?;
            if args.out.json {
                print_json(&told);
            } else {
                let Lane { lane, not_open, .. } = read(&told)?;
                answer(format_args!(
                    "{}: its workers look for due rows within seconds",
                    plain(&lane)
                ));
                for lane in not_open {
                    answer(format_args!(
                        "{}: not open, nothing is taken from it",
                        plain(&lane)
                    ));
                }
            }
            Ok(Exit::Done)
        }
    }
}

async fn list(args: &ListLanesArgs) -> Result<Exit, Failure> {
    let page = Gateway::new(&args.gateway)?.lanes().await?;
    if args.out.json {
        print_json(&Value::Array(page.items));
        return Ok(Exit::Done);
    }
    let rows = page.items.iter().map(|item| read(item).map(row));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let header = ["LANE", "STATE", "OPEN", "LATE", "SINCE (UTC)", "BY", "WHY"];
    let right = [false, false, true, true, false, false, false];
    answer(layout(header, right, &rows).trim_end());
    Ok(Exit::Done)
}

fn show(told: Value, out: OutputArgs) -> Result<Exit, Failure> {
    if out.json {
        print_json(&told);
    } else {
        let Lane { lane, state, .. } = read(&told)?;
        answer(format_args!("{}: {}", plain(&lane), plain(&state)));
    }
    Ok(Exit::Done)
}

fn read(item: &Value) -> Result<Lane, Failure> {
    Lane::deserialize(item).map_err(|error| Failure::local("the lane is not understood", error))
}

fn row(lane: Lane) -> [String; 7] {
    let itself = lane.paused_at.is_some().then(|| "itself".to_owned());
    let late = (lane.open_rows > 0).then(|| span(lane.oldest_row_seconds));
    [
        lane.lane,
        lane.state,
        count(lane.open_rows),
        late.unwrap_or_else(|| "-".to_owned()),
        lane.paused_at.as_deref().map(moment).unwrap_or_default(),
        lane.paused_by.or(itself).unwrap_or_default(),
        lane.reason.unwrap_or_default(),
    ]
}
