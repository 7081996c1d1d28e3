//! What an attempt is to do, read from its row and the definitions as they are now.

use domain::{Catalog, ExportFormat, ExportSpec, Failure, FailureCode};
use engine::Attempt;
use store::RowQuery;
use tabular::Layout;

use crate::failure::of_fault;

/// The most files in one archive.
const MAX_FILES: u64 = 10_000;
/// The most sheets in one workbook.
const MAX_SHEETS: u64 = 1_000;

/// One export, ready to run.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) spec: ExportSpec,
    pub(crate) query: RowQuery,
    pub(crate) layout: Layout,
    /// Where all files of the attempt lie.
    prefix: String,
}

impl Job {
    pub(crate) fn read(attempt: &Attempt, catalog: &Catalog) -> Result<Self, Failure> {
        let spec: ExportSpec = serde_json::from_str(attempt.context()).map_err(|error| {
            Failure::permanent(
                FailureCode::InvalidRequest,
                format!("unreadable context: {error}"),
            )
        })?;
        let dataset = catalog.get(&spec.dataset).ok_or_else(|| {
            let detail = format!("dataset {} is not defined", spec.dataset);
            Failure::rejected(FailureCode::DatasetNotFound, detail)
        })?;
        let prefix = prefix(attempt).ok_or_else(|| {
            Failure::permanent(FailureCode::Internal, "the row belongs to no task")
        })?;
        let query = RowQuery::new(dataset, &spec, attempt.tenant());
        let layout = Layout::of(dataset, &spec);
        Ok(Self {
            query: query.map_err(|fault| of_fault(&fault))?,
            layout: layout.map_err(|fault| of_fault(&fault))?,
            prefix,
            spec,
        })
    }

    /// Whether so many rows take more than one file.
    ///
    /// # Errors
    /// When they take more files, or a file more sheets, than anybody can want.
    pub(crate) fn takes_several(&self, rows: u64) -> Result<bool, Failure> {
        let options = &self.spec.options;
        let per_file = options.rows_per_file.unwrap_or(u64::MAX).max(1);
        let files = rows.div_ceil(per_file);
        let sheets = match self.spec.format {
            ExportFormat::Xlsx => rows.min(per_file).div_ceil(options.sheet_rows().into()),
            ExportFormat::Csv => 1,
        };
        if files > MAX_FILES || sheets > MAX_SHEETS {
            let detail = format!("{rows} rows are {files} files of up to {sheets} sheets");
            return Err(Failure::rejected(FailureCode::TooManyRows, detail));
        }
        Ok(files > 1)
    }

    /// Where the file will lie, with its extension, so that a person finds his way.
    pub(crate) fn object_key(&self, in_zip: bool) -> String {
        let extension = if in_zip {
            "zip"
        } else {
            self.spec.format.extension()
        };
        format!("{}/1.{extension}", self.prefix)
    }

    /// The name under which the user gets it.
    pub(crate) fn file_name(&self, in_zip: bool) -> String {
        if in_zip {
            self.spec.zip_name()
        } else {
            self.spec.file_name.clone()
        }
    }
}

/// Where all files of the attempt lie: the epoch keeps it apart from every other attempt. None for
/// a row without a task.
pub(crate) fn prefix(attempt: &Attempt) -> Option<String> {
    task_prefix(attempt).map(|task| format!("{task}/e{}", attempt.epoch()))
}

/// Where the files of all attempts at the task lie.
pub(crate) fn task_prefix(attempt: &Attempt) -> Option<String> {
    let task = attempt.task_id()?;
    Some(domain::task_prefix(attempt.tenant(), task))
}

/// Whether a directory below [`task_prefix`] holds the files of an attempt before this one.
pub(crate) fn is_earlier(directory: &str, attempt: &Attempt) -> bool {
    directory
        .strip_prefix('e')
        .and_then(|epoch| epoch.parse().ok())
        .is_some_and(|epoch: u64| epoch < attempt.epoch().0)
}
