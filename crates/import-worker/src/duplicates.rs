//! Duplicates within the file, under the database's collation (design.md §10): candidates by hash,
//! their texts out of the batch objects, what marks them from the database; what is found goes into
//! objects of its own beside the batches concerned. Each object is read and each text sent once, so
//! keys that all look alike cost time in proportion to their number.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Failure, RowCheck};
use store::{bulk_field, bulk_lines};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use crate::batches::{Writes, fetch};
use crate::cutter::Cut;
use crate::failure::{internal, of_panic, of_store};
use crate::keys::{Duplicates, Question, Suspects};
use crate::object::{Batch, read_batch, write_duplicates};
use crate::pass::Pass;
use crate::split::Split;

/// Keys that the database is asked about at once, or those of one batch more.
const ASKED_AT_ONCE: usize = 5_000;
/// Duplicates objects that may wait to be written.
const OBJECTS_WAITING: usize = 2;

/// Finds the duplicates and writes their objects. Gives the numbers of the batches that have one.
pub(crate) async fn find_duplicates(
    split: &Split<'_>,
    pass: &mut Pass,
) -> Result<BTreeSet<u32>, Failure> {
    let mut found = Vec::new();
    for (set, list) in std::mem::take(&mut pass.keys).into_iter().enumerate() {
        let suspects = spawn_blocking(move || list.suspects());
        let suspects = suspects.await.map_err(of_panic)?;
        let suspects = ask(split, pass, set, suspects).await?;
        let settled = spawn_blocking(move || suspects.settle());
        found.push(settled.await.map_err(of_panic)?);
    }
    if found.iter().all(Duplicates::is_empty) {
        return Ok(BTreeSet::new());
    }
    let mut writes = Writes::new(split.storage.clone());
    let told = tell(split, pass, found, &mut writes).await;
    let written = writes.finish().await;
    let marked = told?;
    written?;
    Ok(marked)
}

/// Has the database mark what may be equal.
async fn ask(
    split: &Split<'_>,
    pass: &Pass,
    set: usize,
    suspects: Suspects,
) -> Result<Suspects, Failure> {
    let sorting = spawn_blocking(move || (suspects.questions(), suspects));
    let (questions, mut suspects) = sorting.await.map_err(of_panic)?;
    if questions.is_empty() {
        return Ok(suspects);
    }
    let names = &pass.opened.check.key_sets()[set].names;
    let comparison = split.store.key_comparison(split.dataset, names).await;
    let comparison = comparison.map_err(|error| of_store(&error))?;
    let (mut from, mut end) = (0, 0);
    let mut texts = Vec::new();
    for cut in pass.cutter.cuts() {
        let own = questions[end..].partition_point(|question| question.row <= cut.last_row);
        if own > 0 {
            texts.extend(texts_of(split, pass, set, *cut, &questions[end..end + own]).await?);
            end += own;
        }
        if texts.len() >= ASKED_AT_ONCE || end == questions.len() {
            let marks = split
                .store
                .key_marks(&comparison, std::mem::take(&mut texts));
            let marks = marks.await.map_err(|error| of_store(&error))?;
            suspects.answer(&questions[from..end], &marks);
            from = end;
        }
        if end == questions.len() {
            return Ok(suspects);
        }
    }
    Err(internal("a key is in no batch"))
}

/// The keys asked about, in the order of the questions, out of the object of their batch.
async fn texts_of(
    split: &Split<'_>,
    pass: &Pass,
    set: usize,
    cut: Cut,
    questions: &[Question],
) -> Result<Vec<Vec<String>>, Failure> {
    if split.attempt.stopped().is_cancelled() {
        return Err(Failure::stopped());
    }
    let columns = &pass.opened.check.key_sets()[set].columns;
    let object = fetch(split.storage, &split.rows_key(cut.number)).await?;
    let batch = read_batch(&object).map_err(internal)?;
    let mut good = batch.numbers.iter().zip(bulk_lines(&batch.text)).peekable();
    let mut texts = Vec::with_capacity(questions.len());
    for question in questions {
        let row = question.row;
        while good.next_if(|(number, _)| **number < row).is_some() {}
        let of_good = good.next_if(|(number, _)| **number == row);
        let key = match of_good {
            Some((_, line)) => columns.iter().map(|at| bulk_field(line, *at)).collect(),
            None => bad_key(&batch, row, set),
        };
        texts.push(key.ok_or_else(|| internal(format!("row {row} is in no batch")))?);
    }
    Ok(texts)
}

fn bad_key(batch: &Batch, row: u32, set: usize) -> Option<Vec<String>> {
    let at = batch.bad.binary_search_by_key(&row, |bad| bad.number);
    batch.bad[at.ok()?].keys.get(set)?.clone()
}

/// Writes the duplicates objects.
async fn tell(
    split: &Split<'_>,
    pass: &Pass,
    found: Vec<Duplicates>,
    writes: &mut Writes,
) -> Result<BTreeSet<u32>, Failure> {
    let (sender, mut objects) = mpsc::channel(OBJECTS_WAITING);
    let (cuts, check) = (pass.cutter.cuts().to_vec(), pass.opened.check.clone());
    let making = spawn_blocking(move || make(&cuts, &check, &found, &sender));
    let mut marked = BTreeSet::new();
    while let Some((number, object)) = objects.recv().await {
        if split.attempt.stopped().is_cancelled() {
            return Err(Failure::stopped());
        }
        marked.insert(number);
        writes.write(split.duplicates_key(number), object).await?;
    }
    making.await.map_err(of_panic)??;
    Ok(marked)
}

/// Makes the duplicates objects, batch by batch.
fn make(
    cuts: &[Cut],
    check: &Arc<RowCheck>,
    found: &[Duplicates],
    out: &mpsc::Sender<(u32, Bytes)>,
) -> Result<(), Failure> {
    let mut sets: Vec<Peekable<_>> = found.iter().map(|it| it.rows().peekable()).collect();
    for cut in cuts {
        let mut errors = Vec::new();
        for (set, rows) in sets.iter_mut().enumerate() {
            while let Some((row, related)) = rows.next_if(|(row, _)| *row <= cut.last_row) {
                errors.push(check.duplicate(row, set, &related));
            }
        }
        if errors.is_empty() {
            continue;
        }
        errors.sort_by_key(|error| error.row);
        let object = write_duplicates(&errors).map_err(internal)?;
        if out.blocking_send((cut.number, object)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}
