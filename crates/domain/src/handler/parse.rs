//! From the text of a definition file to a handler that is whole.

use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;

use super::def::{HandlerDef, HandlerKind, HttpTarget, RowsSpec};
use super::duration;
use super::notify::QUEUES;
use super::raw::{RawHandler, RawKind, RawRows};
use crate::dataset::{Checked, File};
use crate::{BizType, Catalog, DEAD_LETTER, Dataset, ImportMode, Lane, RetryPolicy};

/// Biz types of the house itself.
const RESERVED: [&str; 5] = [
    "EXPORT",
    "IMPORT",
    "IMPORT_BATCH",
    "IMPORT_FINISH",
    DEAD_LETTER,
];

/// Rows that are worked on together, unless the definition says otherwise: as many as a ring and a
/// transaction bear well.
const BATCH_SIZE: u32 = 500;
/// A ring holds no more.
const MAX_BATCH_SIZE: u32 = 1_000;
const CONCURRENCY: u32 = 64;
pub(super) const MAX_CONCURRENCY: u32 = 1_024;
const MAX_ATTEMPTS: u32 = 100;

const LEASE: Duration = Duration::from_secs(30);
const HARD_DEADLINE: Duration = Duration::from_secs(3_600);
const SCAN_INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) fn parse(name: &str, text: &str, datasets: &Catalog) -> Checked<HandlerDef> {
    let file = File { name, text };
    let raw: RawHandler = toml::from_str(text)
        .map_err(|error| file.fault(error.span().unwrap_or(0..0), error.message().to_owned()))?;
    file.handler(raw, datasets)
}

impl File<'_> {
    fn handler(&self, raw: RawHandler, datasets: &Catalog) -> Checked<HandlerDef> {
        let place = self.place(raw.biz_type.span());
        let biz_type = self.biz_type(&raw.biz_type)?;
        let lane = self.lane(&biz_type, None, raw.biz_type.span())?;
        let mut queues: Vec<(String, Lane)> = Vec::with_capacity(raw.queues.len());
        for queue in &raw.queues {
            let lane = self.lane(&biz_type, Some(queue.get_ref()), queue.span())?;
            if queue.get_ref() == "default" || queues.iter().any(|(it, _)| it == queue.get_ref()) {
                return Err(self.fault(queue.span(), "this queue is there already"));
            }
            queues.push((queue.get_ref().clone(), lane));
        }
        let kind = self.kind(&raw, datasets)?;
        let has_queues = !queues.is_empty();
        if let HandlerKind::Notify(_) = &kind {
            for queue in QUEUES {
                let lane = self.lane(&biz_type, Some(queue), raw.biz_type.span())?;
                queues.push((queue.to_owned(), lane));
            }
        }
        let (batch_size, most) = match &kind {
            HandlerKind::Rows(_) | HandlerKind::OperationLog => (BATCH_SIZE, MAX_BATCH_SIZE),
            // Rows go into one call only where all of them go to one address.
            HandlerKind::Http(http) => match http.target {
                HttpTarget::Fixed(_) => (1, MAX_BATCH_SIZE),
                HttpTarget::Field(_) => (1, 1),
            },
            HandlerKind::Notify(_) | HandlerKind::Code(_) => (1, 1),
        };
        let batch_size = self.number("batch_size", &raw.batch_size, 1..=most, batch_size)?;
        let at_once = 1..=MAX_CONCURRENCY;
        let concurrency = self.number("concurrency", &raw.concurrency, at_once, CONCURRENCY)?;
        let further = queues.iter().map(|(_, lane)| lane.clone());
        let usual: Vec<Lane> = std::iter::once(lane.clone()).chain(further).collect();
        let handler = HandlerDef {
            levels: self.levels(&raw, &usual)?,
            share: self.share(&raw, batch_size, concurrency)?,
            lane,
            queues,
            batch_size,
            concurrency,
            lease: self.at_least_a_second("lease", &raw.lease, LEASE)?,
            hard_deadline: self.duration(&raw.hard_deadline, HARD_DEADLINE)?,
            scan_interval: self.duration(&raw.scan_interval, SCAN_INTERVAL)?,
            timeout: self.duration(&raw.timeout, TIMEOUT)?,
            retry: self.retry(&raw)?,
            roles: raw.roles,
            biz_type,
            kind,
            place,
        };
        self.check_notify(&handler, has_queues)?;
        self.check_batch_size(&raw.batch_size, &handler)?;
        Ok(handler)
    }

    fn biz_type(&self, raw: &Spanned<String>) -> Checked<BizType> {
        let reserved = RESERVED
            .iter()
            .any(|it| it.eq_ignore_ascii_case(raw.get_ref()));
        if reserved {
            return Err(self.fault(raw.span(), "this biz_type is the house's own"));
        }
        BizType::parse(raw.get_ref().as_str())
            .map_err(|error| self.fault(raw.span(), error.to_string()))
    }

    fn lane(&self, biz_type: &BizType, queue: Option<&str>, span: Range<usize>) -> Checked<Lane> {
        match Lane::biz(biz_type, queue) {
            Ok(lane) if !lane.is_dead_letters() => Ok(lane),
            _ => {
                let reason = "a biz_type and its queues are part of a topic's name: letters, digits, \
                              `.`, `_` and `-`, not too long, and no `.dlt` at the end";
                Err(self.fault(span, reason))
            }
        }
    }

    fn kind(&self, raw: &RawHandler, datasets: &Catalog) -> Checked<HandlerKind> {
        let missing = |table: &str| {
            let reason = format!("kind `{table}` needs a table [{table}]");
            self.fault(raw.kind.span(), reason)
        };
        let kind = match raw.kind.get_ref() {
            RawKind::Rows => {
                let rows = raw.rows.as_ref().ok_or_else(|| missing("rows"))?;
                HandlerKind::Rows(self.rows(rows.get_ref(), datasets)?)
            }
            RawKind::Http => {
                let http = raw.http.as_ref().ok_or_else(|| missing("http"))?;
                HandlerKind::Http(self.http(http.get_ref(), http.span())?)
            }
            RawKind::Code => {
                let code = raw.code.as_ref().ok_or_else(|| missing("code"))?;
                HandlerKind::Code(code.get_ref().handler.clone())
            }
            RawKind::Notify => {
                let notify = raw.notify.as_ref().ok_or_else(|| missing("notify"))?;
                HandlerKind::Notify(self.notify(notify.get_ref())?)
            }
            RawKind::OperationLog => HandlerKind::OperationLog,
        };
        self.no_other_table(raw, kind.as_str())?;
        Ok(kind)
    }

    /// A table of another kind says something that nobody would do.
    fn no_other_table(&self, raw: &RawHandler, kind: &str) -> Checked<()> {
        let tables = [
            ("rows", raw.rows.as_ref().map(Spanned::span)),
            ("http", raw.http.as_ref().map(Spanned::span)),
            ("code", raw.code.as_ref().map(Spanned::span)),
            ("notify", raw.notify.as_ref().map(Spanned::span)),
        ];
        for (name, span) in tables {
            if let Some(span) = span.filter(|_| name != kind) {
                return Err(self.fault(span, format!("[{name}] is for kind `{name}`")));
            }
        }
        Ok(())
    }

    fn rows(&self, raw: &RawRows, datasets: &Catalog) -> Checked<RowsSpec> {
        let name = raw.dataset.get_ref();
        let dataset = datasets.get(name).ok_or_else(|| {
            self.fault(raw.dataset.span(), format!("there is no dataset `{name}`"))
        })?;
        let mode = match &raw.mode {
            None => ImportMode::Insert,
            Some(mode) => *mode.get_ref(),
        };
        if !dataset.import_modes.contains(&mode) {
            let span = raw.mode.as_ref().map_or(raw.dataset.span(), Spanned::span);
            return Err(self.fault(span, format!("dataset `{name}` takes no {mode}")));
        }
        let columns = raw.columns.get_ref();
        let at = raw.columns.span();
        for column in columns.keys() {
            let known = dataset.column(column).is_some_and(|it| it.importable);
            if !known {
                let reason = format!("`{column}` is not an importable column of {name}");
                return Err(self.fault(at, reason));
            }
        }
        if let Some(missing) = needed(dataset, mode).find(|it| !columns.contains_key(*it)) {
            let reason = format!("dataset `{name}` needs its column `{missing}`");
            return Err(self.fault(at, reason));
        }
        let columns = columns.iter();
        Ok(RowsSpec {
            dataset: name.clone(),
            mode,
            columns: columns
                .map(|(it, field)| (it.clone(), field.clone()))
                .collect(),
        })
    }

    fn retry(&self, raw: &RawHandler) -> Checked<RetryPolicy> {
        let usual = RetryPolicy::default();
        let max_cnt = self.number(
            "max_attempts",
            &raw.max_attempts,
            0..=MAX_ATTEMPTS,
            usual.max_cnt(),
        )?;
        let Some(backoff) = &raw.backoff else {
            let floors = [2, 4, 8].map(Duration::from_secs);
            return RetryPolicy::new(max_cnt, floors.to_vec())
                .map_err(|error| self.fault(raw.biz_type.span(), error.to_string()));
        };
        let floors = backoff.get_ref().iter().map(|it| self.one_duration(it));
        RetryPolicy::new(max_cnt, floors.collect::<Checked<Vec<_>>>()?)
            .map_err(|error| self.fault(backoff.span(), error.to_string()))
    }

    pub(super) fn number(
        &self,
        what: &str,
        raw: &Option<Spanned<u32>>,
        bounds: RangeInclusive<u32>,
        usual: u32,
    ) -> Checked<u32> {
        match raw {
            None => Ok(usual),
            Some(raw) if bounds.contains(raw.get_ref()) => Ok(*raw.get_ref()),
            Some(raw) => {
                let (least, most) = (bounds.start(), bounds.end());
                let reason = format!("`{what}` may be {least} to {most} here");
                Err(self.fault(raw.span(), reason))
            }
        }
    }

    pub(super) fn duration(
        &self,
        raw: &Option<Spanned<String>>,
        usual: Duration,
    ) -> Checked<Duration> {
        raw.as_ref().map_or(Ok(usual), |it| self.one_duration(it))
    }

    fn one_duration(&self, raw: &Spanned<String>) -> Checked<Duration> {
        duration::read(raw.get_ref()).map_err(|reason| self.fault(raw.span(), reason))
    }

    fn at_least_a_second(
        &self,
        what: &str,
        raw: &Option<Spanned<String>>,
        usual: Duration,
    ) -> Checked<Duration> {
        let read = self.duration(raw, usual)?;
        match raw {
            Some(raw) if read < Duration::from_secs(1) => {
                Err(self.fault(raw.span(), format!("`{what}` is a second or more")))
            }
            _ => Ok(read),
        }
    }
}

/// Columns without which no row of this dataset can be written in this mode.
fn needed(dataset: &Dataset, mode: ImportMode) -> impl Iterator<Item = &str> {
    let new_rows = mode != ImportMode::Update;
    let columns = dataset.columns.iter().filter(|column| column.importable);
    let needed =
        columns.filter(move |it| dataset.key.contains(&it.name) || it.required && new_rows);
    needed.map(|column| column.name.as_str())
}
