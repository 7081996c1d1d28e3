//! `quay compensations list`.

use serde::Deserialize;

use crate::cli::ListCompensationsArgs;
use crate::exit::{Exit, Failure};
use crate::listing::{Columns, Listed, given, word};
use crate::text::{count, moment};

/// Business work, as the gateway tells of it.
#[derive(Debug, Deserialize)]
struct Compensation {
    id: String,
    biz_type: String,
    biz_id: String,
    status: String,
    failures: u64,
    due_at: Option<String>,
    group_id: Option<String>,
    created_at: String,
}

pub(super) async fn run(args: &ListCompensationsArgs) -> Result<Exit, Failure> {
    let columns = Columns {
        header: [
            "ID",
            "TYPE",
            "ABOUT",
            "STATUS",
            "FAILURES",
            "GROUP",
            "CREATED (UTC)",
            "DUE (UTC)",
        ],
        right: [true, false, false, false, true, true, false, false],
        none: "No business work.",
    };
    let mut query = given([
        ("biz_type", &args.biz_type),
        ("biz_id", &args.biz_id),
        ("group_id", &args.group.map(|group| group.to_string())),
    ]);
    query.extend(word("status", args.status));
    let listed = Listed::of(&["compensations"], &query, &args.page).await?;
    listed.show(&args.page, &columns, row)
}

fn row(work: Compensation) -> [String; 8] {
    [
        work.id,
        work.biz_type,
        work.biz_id,
        work.status,
        count(work.failures),
        work.group_id.unwrap_or_else(|| "-".to_owned()),
        moment(&work.created_at),
        work.due_at.as_deref().map_or("-".to_owned(), moment),
    ]
}
