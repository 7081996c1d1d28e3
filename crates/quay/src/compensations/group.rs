//! `quay compensations group`: how far a group has come; with `--wait`, until it has ended.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::show::lines;
use super::text;
use crate::cli::GroupArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::patience::Patience;
use crate::print;
use crate::tasks::print_json;
use crate::text::count;

/// The pause between two looks.
const LOOK: Duration = Duration::from_secs(1);

const NAMES: [&str; 9] = [
    "id",
    "key",
    "total",
    "succeeded",
    "dead",
    "cancelled",
    "sealed",
    "generation",
    "finished",
];

pub(super) async fn run(args: &GroupArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let json = if args.wait {
        until_ended(&gateway, args).await?
    } else {
        gateway.compensation_group(args.id).await?
    };
    if args.out.json {
        print_json(&json);
    } else {
        lines(NAMES.map(|name| (name, text(&json, name))));
    }
    let all = number(&json, "succeeded") == number(&json, "total");
    Ok(if args.wait && !all {
        Exit::Partial
    } else {
        Exit::Done
    })
}

async fn until_ended(gateway: &Gateway, args: &GroupArgs) -> Result<Value, Failure> {
    let mut patience = Patience::new(args.timeout.map(Duration::from_secs));
    let shown = Shown::new();
    loop {
        let looked = gateway.compensation_group(args.id);
        let asked = match patience.look(gateway, looked).await {
            Ok(json) if json["finished"] == true => return Ok(json),
            Ok(json) => {
                shown.show(&json);
                Some(LOOK)
            }
            Err(failure) => {
                let borne = patience.bear(failure)?;
                print::say(&borne.say);
                borne.retry_after
            }
        };
        if patience.is_over() {
            let what = format!("group {} has not ended yet; the work goes on", args.id);
            let on = format!("quay compensations group {} --wait", args.id);
            return Err(Failure::new(Exit::StillRunning, what).advise(on));
        }
        patience.pause(asked).await;
    }
}

fn number(json: &Value, name: &str) -> u64 {
    json[name].as_u64().unwrap_or_default()
}

/// A bar on a terminal; elsewhere nothing, for the end tells all.
struct Shown(ProgressBar);

impl Shown {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:24} {msg} {elapsed}");
        let bar = ProgressBar::new(0);
        Self(match style {
            Ok(style) => bar.with_style(style),
            Err(_never) => bar,
        })
    }

    fn show(&self, json: &Value) {
        let [total, done, dead, cancelled] =
            ["total", "succeeded", "dead", "cancelled"].map(|name| number(json, name));
        self.0.set_length(total);
        self.0.set_position(done + dead + cancelled);
        let mut told = format!("{} of {} done", count(done), count(total));
        if dead + cancelled > 0 {
            told.push_str(&format!(", {} not", count(dead + cancelled)));
        }
        self.0.set_message(told);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
