//! `quay tasks list`.

use crate::cli::ListArgs;
use crate::exit::{Exit, Failure};
use crate::listing::{Columns, Listed, given, word};
use crate::progress::done_of_total;
use crate::text::{count, moment};
use crate::wire::Task;

pub(super) async fn run(args: &ListArgs) -> Result<Exit, Failure> {
    let columns = Columns {
        header: ["ID", "STATUS", "DATASET", "ROWS", "CREATED (UTC)", "NAME"],
        right: [true, false, false, true, false, false],
        none: "No tasks.",
    };
    let listed = Listed::of(&["tasks"], &query(args), &args.page).await?;
    listed.show(&args.page, &columns, row)
}

fn query(args: &ListArgs) -> Vec<(&'static str, String)> {
    let mut query = given([
        ("dataset", &args.dataset),
        ("q", &args.search),
        ("created_from", &args.created_from),
        ("created_to", &args.created_to),
    ]);
    query.extend(word("status", args.status));
    query.extend(word("kind", args.kind));
    query.extend(args.all.then(|| ("all", "true".to_owned())));
    query
}

fn row(task: Task) -> [String; 6] {
    let progress = &task.progress;
    let rows = if progress.total_rows == Some(progress.done_rows) {
        count(progress.done_rows)
    } else {
        done_of_total(progress)
    };
    [
        task.id,
        task.status.to_string(),
        task.dataset,
        rows,
        task.created_at.as_deref().map(moment).unwrap_or_default(),
        task.name.unwrap_or_default(),
    ]
}
