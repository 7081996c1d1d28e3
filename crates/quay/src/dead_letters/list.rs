//! `quay dead-letters list`.

use serde::Deserialize;

use super::DeadLetter;
use crate::cli::ListLettersArgs;
use crate::exit::{Exit, Failure};
use crate::listing::{Columns, Listed, word};
use crate::text::{count, moment};

/// How many there are of a kind.
#[derive(Debug, Deserialize)]
struct Group {
    status: String,
    lane: String,
    biz_type: Option<String>,
    reason: String,
    count: u64,
    first_at: String,
    last_at: String,
}

pub(super) async fn run(args: &ListLettersArgs) -> Result<Exit, Failure> {
    if args.summary {
        return summary(args).await;
    }
    let columns = Columns {
        header: [
            "ID",
            "STATUS",
            "TYPE",
            "REASON",
            "TASK",
            "CREATED (UTC)",
            "LANE",
        ],
        right: [true, false, false, false, true, false, false],
        none: "No dead letters.",
    };
    let mut query = args.filter.given();
    query.extend(word("status", args.status));
    let listed = Listed::of(&["dead-letters"], &query, &args.page).await?;
    listed.show(&args.page, &columns, row)
}

async fn summary(args: &ListLettersArgs) -> Result<Exit, Failure> {
    let columns = Columns {
        header: [
            "COUNT",
            "STATUS",
            "REASON",
            "TYPE",
            "FIRST (UTC)",
            "LAST (UTC)",
            "LANE",
        ],
        right: [true, false, false, false, false, false, false],
        none: "No dead letters.",
    };
    let query: Vec<_> = word("status", args.status).into_iter().collect();
    let groups = Listed::all(&["dead-letters", "summary"], &query, &args.page).await?;
    groups.show(&args.page, &columns, group)
}

fn row(letter: DeadLetter) -> [String; 7] {
    [
        letter.id,
        letter.status,
        letter.biz_type.unwrap_or(letter.source),
        letter.reason,
        letter.task_id.unwrap_or_else(|| "-".to_owned()),
        moment(&letter.created_at),
        letter.lane,
    ]
}

fn group(group: Group) -> [String; 7] {
    [
        count(group.count),
        group.status,
        group.reason,
        group.biz_type.unwrap_or_else(|| "MESSAGE".to_owned()),
        moment(&group.first_at),
        moment(&group.last_at),
        group.lane,
    ]
}
