//! The border: a request becomes a spec once, or is refused with all its faults.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::access::Access;
use super::fault::{FaultCode, Faults, FieldFault, Pointer, body};
use super::filter;
use super::options::ExportOptions;
use super::request::ExportRequest;
use super::spec::{ExportFormat, ExportSpec};
use crate::{Catalog, Column, Dataset, SortKey};

/// What a deployment assumes where a request says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportDefaults {
    pub locale: String,
    pub timezone: Tz,
}

impl ExportRequest {
    /// Checks the request against its dataset. `at` is when it was submitted; it goes into the
    /// file's name. Who may export is not looked at. Without the right to see sensitive columns they
    /// are left out where no column is named, and refused where one is. The spec is what was allowed
    /// when the export was submitted: nobody asks again when it is run.
    ///
    /// # Errors
    /// All faults at once, in the order dataset, columns, filters, sort, the rest; of more than 100 the
    /// first ones.
    pub fn check(
        &self,
        catalog: &Catalog,
        defaults: &ExportDefaults,
        access: Access,
        at: DateTime<Utc>,
    ) -> Result<ExportSpec, Vec<FieldFault>> {
        let dataset = self.find(catalog)?;
        let mut check = Check {
            dataset,
            access,
            faults: Faults::default(),
        };
        let columns = check.columns(self.columns.as_deref());
        let conditions = self.filters.as_ref().map_or_else(Vec::new, |raw| {
            filter::read(dataset, raw, access, &mut check.faults)
        });
        let sort = check.sort(self.sort.as_deref());
        let format = check.format(self.format.as_deref());
        let locale = check.locale(self.locale.as_deref(), defaults);
        let timezone = check.timezone(self.timezone.as_deref(), defaults);
        let queue = check.queue(self.queue.as_deref());
        let options = self
            .options
            .as_ref()
            .map_or_else(ExportOptions::default, |raw| {
                ExportOptions::read(raw, format, &mut check.faults)
            });
        if !check.faults.is_empty() {
            return Err(check.faults.told());
        }
        Ok(ExportSpec {
            file_name: ExportSpec::name_file(dataset, (format, &options), (&locale, timezone), at),
            dataset: dataset.name.clone(),
            dataset_version: dataset.version.clone(),
            columns,
            conditions,
            sort,
            format,
            locale,
            timezone,
            queue,
            options,
        })
    }

    fn find<'c>(&self, catalog: &'c Catalog) -> Result<&'c Dataset, Vec<FieldFault>> {
        let at = body("dataset");
        if self.dataset.is_empty() {
            let message = "dataset names the dataset to export";
            return Err(vec![FieldFault::new(
                &at,
                FaultCode::InvalidRequest,
                message,
            )]);
        }
        catalog.get(&self.dataset).ok_or_else(|| {
            vec![FieldFault::new(
                &at,
                FaultCode::DatasetNotFound,
                "there is no such dataset",
            )]
        })
    }
}

/// A check under way.
struct Check<'d> {
    dataset: &'d Dataset,
    access: Access,
    faults: Faults,
}

impl Check<'_> {
    fn columns(&mut self, wanted: Option<&[String]>) -> Vec<String> {
        let at = body("columns");
        let Some(wanted) = wanted else {
            return self.all_columns(&at);
        };
        if wanted.is_empty() {
            let message = "columns names at least one column, or is left out for all";
            self.faults
                .push(FieldFault::new(&at, FaultCode::InvalidRequest, message));
        }
        let mut columns: Vec<String> = Vec::new();
        for (index, name) in wanted.iter().enumerate() {
            let known = self.dataset.column(name).filter(|it| it.exportable);
            let (code, message) = if let Err(refusal) = self.visible(known, name, "an exportable") {
                refusal
            } else if columns.contains(name) {
                (FaultCode::InvalidRequest, format!("`{name}` occurs twice"))
            } else {
                columns.push(name.clone());
                continue;
            };
            self.faults
                .push(FieldFault::new(&at.index(index), code, message));
        }
        columns
    }

    /// Every column that the caller may see.
    fn all_columns(&mut self, at: &Pointer) -> Vec<String> {
        let offered = self.dataset.columns.iter();
        let seen = offered.filter(|column| column.exportable && self.access.sees(column));
        let columns: Vec<String> = seen.map(|column| column.name.clone()).collect();
        if columns.is_empty() {
            let message = "none of your roles may see any column";
            self.faults
                .push(FieldFault::new(at, FaultCode::Forbidden, message));
        }
        columns
    }

    /// Whether a column that was named is `kind` column and for the caller's eyes.
    fn visible(
        &self,
        found: Option<&Column>,
        name: &str,
        kind: &str,
    ) -> Result<(), (FaultCode, String)> {
        let Some(column) = found else {
            let message = format!("`{name}` is not {kind} column of {}", self.dataset.name);
            return Err((FaultCode::UnknownColumn, message));
        };
        match self.access.refusal(column) {
            Some(message) => Err((FaultCode::Forbidden, message)),
            None => Ok(()),
        }
    }

    /// The order asked for, else the dataset's own as far as the caller may see it, ended by the
    /// primary key so that ties have one order.
    fn sort(&mut self, wanted: Option<&[String]>) -> Vec<SortKey> {
        let mut keys: Vec<SortKey> = Vec::new();
        for (index, text) in wanted.unwrap_or_default().iter().enumerate() {
            let key = SortKey::parse(text);
            let known = self.dataset.column(&key.column).filter(|it| it.sortable);
            let refusal = self.visible(known, &key.column, "a sortable");
            let (code, message) = if let Err(refusal) = refusal {
                refusal
            } else if keys.iter().any(|other| other.column == key.column) {
                (
                    FaultCode::InvalidRequest,
                    format!("`{}` occurs twice", key.column),
                )
            } else {
                keys.push(key);
                continue;
            };
            self.faults
                .push(FieldFault::new(&body("sort").index(index), code, message));
        }
        if keys.is_empty() {
            let seen = |key: &&SortKey| {
                let column = self.dataset.column(&key.column);
                column.is_some_and(|column| self.access.sees(column))
            };
            keys.extend(self.dataset.sort.iter().filter(seen).cloned());
        }
        for column in &self.dataset.primary_key {
            if !keys.iter().any(|key| key.column == *column) {
                keys.push(SortKey {
                    column: column.clone(),
                    descending: false,
                });
            }
        }
        keys
    }

    fn format(&mut self, wanted: Option<&str>) -> ExportFormat {
        let known = wanted.map_or(Ok(ExportFormat::Xlsx), str::parse);
        known.unwrap_or_else(|_unknown| {
            self.refuse("format", "format is xlsx or csv");
            ExportFormat::Xlsx
        })
    }

    fn locale(&mut self, wanted: Option<&str>, defaults: &ExportDefaults) -> String {
        let Some(wanted) = wanted else {
            return defaults.locale.clone();
        };
        if !self.dataset.label.speaks(wanted) {
            self.refuse("locale", "the dataset has no labels in this language");
        }
        wanted.to_owned()
    }

    fn timezone(&mut self, wanted: Option<&str>, defaults: &ExportDefaults) -> Tz {
        let Some(wanted) = wanted else {
            return defaults.timezone;
        };
        wanted.parse().unwrap_or_else(|_unknown| {
            self.refuse("timezone", "timezone is an IANA name such as Asia/Shanghai");
            defaults.timezone
        })
    }

    fn queue(&mut self, wanted: Option<&str>) -> String {
        let wanted = wanted.unwrap_or(self.dataset.default_queue());
        if !self.dataset.queues.iter().any(|queue| queue == wanted) {
            let message = format!("{} has no such queue", self.dataset.name);
            self.faults.push(FieldFault::new(
                &body("queue"),
                FaultCode::UnknownQueue,
                message,
            ));
        }
        wanted.to_owned()
    }

    fn refuse(&mut self, field: &str, message: &str) {
        self.faults.push(FieldFault::new(
            &body(field),
            FaultCode::InvalidRequest,
            message,
        ));
    }
}
