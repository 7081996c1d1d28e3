//! What a person reads at the end. The last line has everything in it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use anyhow::Result;

use crate::book::Book;
use crate::check::Tally;
use crate::cli::Cli;
use crate::database::Database;
use crate::journal::Journal;
use crate::kill_points::Hits;
use crate::recovery::{Figures, Recovery, Sum};
use crate::vandal::Vandal;

/// Violations that are printed.
const SHOWN: usize = 20;

/// Where the figures are.
pub(crate) struct Report<'a> {
    pub(crate) cli: &'a Cli,
    pub(crate) tally: Tally,
    pub(crate) journal: &'a Journal,
    pub(crate) book: &'a Book,
    pub(crate) hits: &'a Hits,
    pub(crate) recovery: &'a Recovery,
    pub(crate) vandal: &'a Vandal,
}

/// A line for whoever watches.
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}

/// Prints the report; true when nothing is wrong.
pub(crate) fn tell(report: &Report<'_>) -> Result<bool> {
    for (point, hits) in report.hits.all() {
        let wanted = report.cli.kill_points_each;
        if hits < wanted {
            let text = format!("the kill point {point} was hit {hits} times instead of {wanted}");
            report.journal.violation(text);
        }
    }
    let mut text = String::new();
    writeln!(text, "\nAnswers to clients:")?;
    for (answer, times) in report.book.answers() {
        writeln!(text, "  {times:7}  {answer}")?;
    }
    writeln!(
        text,
        "\nRecoveries, in seconds (without another fault in between, and all):"
    )?;
    for one in report.recovery.times.figures() {
        writeln!(text, "{}", line_of(&one))?;
    }
    let late = report.recovery.times.late();
    if !late.is_empty() {
        writeln!(text, "\nLate, though nothing that was watched explains it:")?;
        for one in &late {
            writeln!(text, "  {one}")?;
        }
    }
    let (count, violations) = report.journal.violations();
    if count > 0 {
        writeln!(text, "\nVIOLATIONS ({count}):")?;
        for violation in violations.iter().take(SHOWN) {
            writeln!(text, "  {violation}")?;
        }
    }
    writeln!(text, "\nEvidence: {}", report.cli.evidence.display())?;
    write!(text, "{}", last_line(report, count))?;
    std::fs::write(report.cli.evidence.join("report.txt"), &text)?;
    std::fs::write(
        report.cli.evidence.join("violations.txt"),
        violations.join("\n"),
    )?;
    println!("{text}");
    Ok(count == 0)
}

fn last_line(report: &Report<'_>, violations: usize) -> String {
    let Tally {
        accepted,
        done,
        dead,
        cancelled,
        lost,
        doubled,
        files,
        effects,
        letters,
        business,
        calls,
        calls_repeated,
    } = report.tally;
    let vandal = report.vandal;
    let done_faults = vandal.done.lock().unwrap_or_else(PoisonError::into_inner);
    let mut faults: Vec<String> = done_faults
        .iter()
        .map(|(kind, times)| format!("{kind} {times}"))
        .collect();
    let rung = &vandal.bell.rung;
    faults.push(format!(
        "commits_cut {}",
        vandal.commits_cut.load(Ordering::SeqCst)
    ));
    faults.push(format!(
        "rings_copied {}",
        rung.copies.load(Ordering::Relaxed)
    ));
    let hits = report.hits.all();
    faults.extend(hits.iter().map(|(point, hits)| format!("{point} {hits}")));
    let at_biz_worker = report.hits.of("biz-worker");
    faults.push(format!("of_these_at_biz_worker {at_biz_worker}"));
    let not_done = vandal.not_done.lock();
    let not_done = not_done.unwrap_or_else(PoisonError::into_inner);
    let not_done = match not_done.values().sum() {
        0_u64 => "none".to_owned(),
        times => {
            let kinds = not_done
                .iter()
                .map(|(kind, times)| format!("{kind} {times}"));
            format!("{times} ({})", kinds.collect::<Vec<_>>().join(", "))
        }
    };
    let figures = report.recovery.times.figures();
    let recovered: Vec<String> = figures.iter().map(short).collect();
    format!(
        "chaos: seed {}, {} s: accepted {accepted}, done {done}, dead {dead}, cancelled {cancelled}, \
         lost {lost}, doubled {doubled}, violations {violations}; business work {business}, \
         effects {effects}, files {files}, calls {calls}, repeated {calls_repeated}, \
         dead letters {letters}; faults: {}; could not be done: {not_done}; \
         recovery: {}; {}",
        report.cli.seed,
        report.cli.seconds,
        faults.join(", "),
        totals(&figures),
        recovered.join("; ")
    )
}

/// A line of the table: those that no other fault prolonged, and all.
fn line_of(one: &Figures) -> String {
    let word = one.kind.word();
    let cut_short = match one.cut_short {
        0 => String::new(),
        times => format!(", {times} cut short by the end"),
    };
    format!(
        "  {word:42} {:70} all {}{cut_short}",
        sum(one, &one.clear),
        sum(one, &one.all)
    )
}

fn sum(one: &Figures, sum: &Sum) -> String {
    let mut text = format!("{:4} times", sum.times);
    if let (Some(median), Some(most)) = (sum.median, sum.most) {
        text.push_str(&format!(", median {median:5.1}, most {most:5.1}"));
    }
    if sum.unseen > 0 {
        text.push_str(&format!(", not seen {}", sum.unseen));
    }
    match one.kind.bound().map(|bound| bound.as_secs_f64()) {
        Some(_) | None if sum.times == 0 => {}
        None => {}
        Some(bound) if sum.late == 0 => text.push_str(&format!(" ({bound:.1} kept)")),
        Some(bound) => text.push_str(&format!(" ({bound:.1} missed {} times)", sum.late)),
    }
    text
}

/// The same for the last line: those that no other fault prolonged, if there are any.
fn short(one: &Figures) -> String {
    let word = one.kind.word();
    match one.clear.times {
        0 => format!("{word} beside others {}", sum(one, &one.all).trim_start()),
        _ => format!("{word} {}", sum(one, &one.clear).trim_start()),
    }
}

/// Of all kinds that are to be well by some time.
fn totals(figures: &[Figures]) -> String {
    let bound = figures.iter().filter(|one| one.kind.bound().is_some());
    let (mut clear, mut all) = ((0, 0), (0, 0));
    for one in bound {
        clear = (clear.0 + one.clear.late, clear.1 + one.clear.times);
        all = (all.0 + one.all.late, all.1 + one.all.times);
    }
    let unseen: usize = figures.iter().map(|one| one.all.unseen).sum();
    format!(
        "late {} of {} that nothing else prolonged, {} of {} in all, not seen {unseen}",
        clear.0, clear.1, all.0, all.1
    )
}

/// The tables as they are at the end, as text, beside the other evidence.
pub(crate) async fn keep_tables(database: &Database, evidence: &Path) -> Result<()> {
    let tables = [
        (
            "compensate_biz",
            "id, tenant, biz_type, biz_id, lane, status, cnt, announced, wake_at, lease_epoch, lease_owner, group_id, task_id, last_failed_reason, created_at, updated_at, finished_at",
        ),
        ("compensate_biz_attempt", "*"),
        ("compensate_group", "*"),
        ("chaos_order", "*"),
        (
            "task",
            "id, kind, dataset, name, status, phase, total_rows, done_rows, failed_rows, skipped_rows, retry_count, error_code, last_error, created_at, started_at, finished_at, group_id, version",
        ),
        ("task_file", "*"),
        (
            "dead_letter",
            "id, tenant, source, lane, biz_type, compensate_biz_id, reason, detail, status, created_at, updated_at",
        ),
        (
            "import_batch",
            "task_id, batch_no, first_row, last_row, done, inserted, updated, failed, skipped, created_at",
        ),
        ("idempotency", "*"),
        ("notification", "*"),
        ("chaos_append", "*"),
        ("chaos_ledger", "*"),
    ];
    for (table, columns) in tables {
        let rows = database
            .query::<mysql_async::Row>(&format!("SELECT {columns} FROM {table}"))
            .await?;
        let mut text = String::new();
        for row in rows {
            let values: Vec<String> = row
                .unwrap()
                .iter()
                .map(|value| value.as_sql(true))
                .collect();
            writeln!(text, "{}", values.join("\t"))?;
        }
        std::fs::write(evidence.join(format!("{table}.tsv")), text)?;
    }
    Ok(())
}
