//! One IMPORT row: an upload becomes batch objects, and the fenced finish bears the batches.
//!
//! Nothing is in the table before the whole file has been read: a file that is refused, wherever the
//! fault lies, has written nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{BatchSpec, Dataset, Failure, FinishSpec, ImportSpec, Lane, TaskId, Warning};
use engine::Attempt;
use rand::RngExt;
use service::Storage;
use store::{NewBatch, SplitDone, Store};
use tabular::import_of_header;

use crate::batches::{Writes, duplicates_key, rows_key};
use crate::cutter::Cut;
use crate::duplicates::find_duplicates;
use crate::failure::internal;
use crate::import::ReadingTerms;
use crate::pass::{Pass, read_all};
use crate::reading::Reading;
use crate::refusals;

/// What a split works on.
pub(crate) struct Split<'a> {
    pub(crate) store: &'a Store,
    pub(crate) storage: &'a Storage,
    pub(crate) dataset: &'a Dataset,
    pub(crate) spec: &'a ImportSpec,
    pub(crate) attempt: &'a Attempt,
    /// Where its objects lie.
    pub(crate) prefix: String,
}

/// What all batches have in common that the spec does not say.
struct BatchTerms<'a> {
    /// How many they are.
    of: u32,
    fingerprint: String,
    /// Numbers of those with duplicates.
    marked: &'a BTreeSet<u32>,
}

impl Split<'_> {
    /// Reads the file, writes all batch objects, and says what the finish is to bear.
    pub(crate) async fn run(
        &self,
        reading: Reading,
        terms: &ReadingTerms,
    ) -> Result<SplitDone, Failure> {
        let mut writes = Writes::new(self.storage.clone());
        let read = read_all(self, reading, &mut writes).await;
        // always to its end: see `Writes`
        let written = writes.finish().await;
        let mut pass = read?;
        written?;
        if pass.cutter.rows() == 0 {
            return Err(refusals::empty_file("no row below the header"));
        }
        let marked = find_duplicates(self, &mut pass).await?;
        self.done(&pass, &marked, terms)
    }

    pub(crate) fn rows_key(&self, number: u32) -> String {
        rows_key(&self.prefix, number)
    }

    pub(crate) fn duplicates_key(&self, number: u32) -> String {
        duplicates_key(&self.prefix, number)
    }

    fn done(
        &self,
        pass: &Pass,
        marked: &BTreeSet<u32>,
        tries: &ReadingTerms,
    ) -> Result<SplitDone, Failure> {
        let spec = self.spec;
        let cuts = pass.cutter.cuts();
        let of = u32::try_from(cuts.len()).map_err(internal)?;
        let terms = BatchTerms {
            of,
            fingerprint: self.dataset.fingerprint(),
            marked,
        };
        let told = &pass.opened.spec;
        let contexts = cuts
            .iter()
            .map(|cut| self.batch_context(told, *cut, &terms));
        let mut due = Duration::ZERO;
        let mut batches = Vec::with_capacity(cuts.len());
        for context in contexts {
            batches.push(NewBatch {
                context: context?,
                delay: due,
            });
            due += self.spacing();
        }
        let mends = self.mends(pass);
        let warnings = self.warnings(pass);
        let finish = FinishSpec {
            import: pass.opened.spec.clone(),
            sheet: pass.opened.sheet.clone(),
            header_row: pass.opened.header.row,
            warnings: warnings.clone(),
            columns: pass.opened.mapping.columns().to_vec(),
            mends,
            merged: Some(pass.opened.merged),
            width: pass.width,
        };
        Ok(SplitDone {
            total_rows: pass.cutter.rows(),
            warnings,
            batches,
            batch_lane: Lane::import_batch(&spec.queue).map_err(internal)?,
            finish_lane: Lane::import(&spec.queue).map_err(internal)?,
            finish_context: serde_json::to_string(&finish).map_err(internal)?,
            mends,
            max_cnt: tries.max_cnt,
            finish_max_cnt: tries.finish_max_cnt,
        })
    }

    /// The context of a batch of the import `spec`, which may say more than was asked for.
    fn batch_context(
        &self,
        spec: &ImportSpec,
        cut: Cut,
        terms: &BatchTerms<'_>,
    ) -> Result<String, Failure> {
        let (options, number) = (&spec.options, cut.number);
        let batch = BatchSpec {
            dataset: spec.dataset.clone(),
            fingerprint: Some(terms.fingerprint.clone()),
            number,
            of: terms.of,
            object_key: self.rows_key(number),
            duplicates_key: terms
                .marked
                .contains(&number)
                .then(|| self.duplicates_key(number)),
            mode: options.mode,
            validate_only: options.validate_only,
            on_error: options.on_error,
            empty_means: options.empty_means,
            locale: spec.locale.clone(),
            sees_sensitive: spec.sees_sensitive,
        };
        serde_json::to_string(&batch).map_err(internal)
    }

    /// Between the due times of two batches.
    fn spacing(&self) -> Duration {
        let Some((least, most)) = self.spec.options.stagger_ms else {
            return Duration::ZERO;
        };
        let millis = rand::rng().random_range(least.min(most)..=most.max(least));
        Duration::from_millis(millis.into())
    }

    /// The import whose failure file this is: the stamp tells, or, in a csv, a header.
    fn mends(&self, pass: &Pass) -> Option<TaskId> {
        let stamp = pass.opened.stamp.as_ref();
        let headers = pass.opened.header.cells.iter();
        let of_header = || headers.clone().find_map(|(_, text)| import_of_header(text));
        stamp.and_then(|stamp| stamp.task).or_else(of_header)
    }

    fn warnings(&self, pass: &Pass) -> Vec<Warning> {
        let opened = &pass.opened;
        let stamp = opened.stamp.as_ref();
        let outdated = stamp.is_some_and(|stamp| stamp.version != self.dataset.version);
        let sheets = opened.ignored_sheets.iter().map(String::as_str);
        let warnings = [
            Warning::new("column_ignored", opened.mapping.ignored() as u64),
            Warning::new("fraction_cut", pass.cut),
            Warning::new("number_rounded", pass.rounded),
            Warning::new("rows_after_blank_rows", pass.beyond),
            Warning::new("sheet_ignored", opened.ignored_sheets.len() as u64).naming(sheets),
            Warning::new("template_outdated", outdated.into()),
        ];
        let met = warnings.into_iter().filter(|warning| warning.count > 0);
        met.collect()
    }
}
