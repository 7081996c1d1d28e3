//! `quay quotas`: what one may do at most, and how much of it is used.

use serde::Deserialize;
use serde_json::Value;

use crate::cli::QuotasArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::answer;
use crate::table::layout;
use crate::tasks::print_json;
use crate::text::{count, moment};
use crate::wire::Quota;

pub(crate) async fn run(args: &QuotasArgs) -> Result<Exit, Failure> {
    let page = Gateway::new(&args.gateway)?.quotas().await?;
    if args.out.json {
        print_json(&Value::Array(page.items));
        return Ok(Exit::Done);
    }
    let rows = page
        .items
        .iter()
        .map(|item| Quota::deserialize(item).map(row));
    let rows: Vec<_> = rows
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::local("the list is not understood", error))?;
    let header = ["QUOTA", "USED", "LIMIT", "BEGINS ANEW (UTC)"];
    answer(layout(header, [false, true, true, false], &rows).trim_end());
    Ok(Exit::Done)
}

fn row(quota: Quota) -> [String; 4] {
    [
        quota.name,
        count(quota.used),
        quota.limit.map_or_else(|| "none".to_owned(), count),
        quota
            .resets_at
            .as_deref()
            .map_or_else(|| "-".to_owned(), moment),
    ]
}
