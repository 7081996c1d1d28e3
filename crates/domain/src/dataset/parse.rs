//! From the text of a definition file to a dataset that is whole.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono_tz::Tz;
use toml::Spanned;

use super::catalog::DefinitionError;
use super::label::Labels;
use super::raw::{RawColumn, RawDataset, RawFilter, RawSoftDelete};
use super::types::{
    Column, ColumnType, Dataset, Filter, LiveValue, MAX_SECOND_SCALE, Place, SoftDelete, SortKey,
    Source, Tenancy,
};

/// Longest identifier that MySQL takes, in characters.
const MAX_IDENTIFIER: usize = 64;
/// Most columns of a sheet; a dataset never needs more.
const MAX_COLUMNS: usize = 16_384;
/// Widest column of a sheet, in characters.
const MAX_WIDTH: f64 = 255.0;
/// Most digits after the point that MySQL keeps.
const MAX_SCALE: u8 = 30;

pub(crate) type Checked<T> = Result<T, DefinitionError>;

pub(super) fn parse(name: &str, text: &str) -> Checked<Dataset> {
    let file = File { name, text };
    let raw: RawDataset = toml::from_str(text)
        .map_err(|error| file.fault(error.span().unwrap_or(0..0), error.message().to_owned()))?;
    file.dataset(raw)
}

/// A definition file: turns places in it into line numbers.
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl File<'_> {
    fn dataset(&self, raw: RawDataset) -> Checked<Dataset> {
        let place = self.place(raw.name.span());
        let columns = self.columns(raw.columns, &place)?;
        let filters = self.filters(raw.filters, &columns)?;
        let key = self.key("key", raw.key, &place, Some(&columns))?;
        self.importable(&raw.import_modes, &key, &columns)?;
        Ok(Dataset {
            label: self.labels(raw.label)?,
            table: self.identifier(raw.table)?,
            primary_key: self.key("primary_key", raw.primary_key, &place, None)?,
            version_column: self.version_column(raw.version_column, &key, &columns)?,
            rules: self.cross_rules(raw.rules, &columns)?,
            key,
            tenancy: self.tenancy(raw.tenant, raw.shared, &columns)?,
            soft_delete: raw.soft_delete.map(|it| self.soft_delete(it)).transpose()?,
            source: raw.source.map(|name| self.another(name)).transpose()?,
            sort: self.sort(raw.sort, &columns)?,
            queues: self.queues(raw.queues)?,
            name: self.identifier(raw.name)?,
            version: raw.version,
            export_roles: raw.roles.export,
            import_roles: raw.roles.import,
            sensitive_roles: raw.roles.sensitive,
            import_modes: raw.import_modes,
            limits: raw.limits,
            columns,
            filters,
            place,
        })
    }

    fn columns(&self, raw: Vec<RawColumn>, place: &Place) -> Checked<Vec<Column>> {
        if raw.is_empty() || raw.len() > MAX_COLUMNS {
            let reason = format!(
                "a dataset has 1 to {MAX_COLUMNS} columns, this one {}",
                raw.len()
            );
            return Err(DefinitionError::new(place.clone(), reason));
        }
        let mut columns: Vec<Column> = Vec::with_capacity(raw.len());
        for one in raw {
            let span = one.name.span();
            let column = self.column(one)?;
            self.values_fit(&column)?;
            if columns.iter().any(|other| other.name == column.name) {
                return Err(self.fault(span, format!("column `{}` is defined twice", column.name)));
            }
            columns.push(column);
        }
        if columns.iter().any(|column| column.exportable) {
            Ok(columns)
        } else {
            Err(DefinitionError::new(
                place.clone(),
                "no column is exportable",
            ))
        }
    }

    fn column(&self, raw: RawColumn) -> Checked<Column> {
        let place = self.place(raw.name.span());
        let only_for = |present: bool, what: &str, kinds: &[ColumnType]| {
            if !present || kinds.contains(&raw.kind) {
                return Ok(());
            }
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let reason = format!("`{what}` is for columns of type {}", kinds.join(", "));
            Err(DefinitionError::new(place.clone(), reason))
        };
        let texts = [ColumnType::String];
        let scaled = [ColumnType::Decimal, ColumnType::Datetime, ColumnType::Time];
        only_for(raw.max_length.is_some(), "max_length", &texts)?;
        only_for(raw.pattern.is_some(), "pattern", &texts)?;
        only_for(raw.scale.is_some(), "scale", &scaled)?;
        only_for(raw.trim, "trim", &texts)?;
        let moments = [ColumnType::Datetime];
        only_for(raw.stored_in.is_some(), "stored_in", &moments)?;
        let most_scale = if raw.kind == ColumnType::Decimal {
            MAX_SCALE
        } else {
            MAX_SECOND_SCALE
        };
        Ok(Column {
            label: self.labels(raw.label)?,
            kind: raw.kind,
            required: raw.required,
            max_length: raw.max_length,
            pattern: self.pattern(raw.pattern)?,
            trim: raw.trim,
            numbers: self.number_form(raw.numbers, raw.kind)?,
            min: raw.min.map(|bound| self.bound(bound, &place)).transpose()?,
            max: raw.max.map(|bound| self.bound(bound, &place)).transpose()?,
            scale: self.at_most(raw.scale, most_scale, "scale")?,
            allowed: raw.allowed,
            unique: raw.unique,
            sensitive: raw.sensitive,
            sortable: raw.sortable,
            importable: raw.importable,
            exportable: raw.exportable,
            width: self.at_most(raw.width, MAX_WIDTH, "width")?,
            format: raw.format,
            stored_in: raw
                .stored_in
                .map(|zone| self.zone(zone))
                .transpose()?
                .unwrap_or(Tz::UTC),
            name: self.identifier(raw.name)?,
            place,
        })
    }

    fn filters(&self, raw: Vec<RawFilter>, columns: &[Column]) -> Checked<Vec<Filter>> {
        let mut filters: Vec<Filter> = Vec::with_capacity(raw.len());
        for RawFilter { column, operators } in raw {
            let span = column.span();
            let target = self.known(&column, columns)?;
            if filters.iter().any(|other| other.column == target.name) {
                return Err(self.fault(span, format!("filter `{}` is defined twice", target.name)));
            }
            if operators.get_ref().is_empty() {
                return Err(self.fault(operators.span(), "a filter offers at least one operator"));
            }
            if let Some(wrong) = operators.get_ref().iter().find(|it| !it.fits(target.kind)) {
                let (wrong, kind) = (wrong.as_str(), target.kind.as_str());
                let reason = format!("operator `{wrong}` does not fit a column of type {kind}");
                return Err(self.fault(operators.span(), reason));
            }
            filters.push(Filter {
                column: target.name.clone(),
                operators: operators.into_inner(),
            });
        }
        Ok(filters)
    }

    /// A list of column names, each once. The primary key may be a column that is not offered.
    fn key(
        &self,
        what: &str,
        names: Vec<Spanned<String>>,
        place: &Place,
        columns: Option<&[Column]>,
    ) -> Checked<Vec<String>> {
        if names.is_empty() {
            return Err(DefinitionError::new(
                place.clone(),
                format!("`{what}` names no column"),
            ));
        }
        let mut key: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            let span = name.span();
            if let Some(columns) = columns {
                self.known(&name, columns)?;
            }
            let name = self.identifier(name)?;
            if key.contains(&name) {
                return Err(self.fault(span, format!("`{name}` occurs twice in `{what}`")));
            }
            key.push(name);
        }
        Ok(key)
    }

    fn tenancy(
        &self,
        tenant: Option<Spanned<String>>,
        shared: bool,
        columns: &[Column],
    ) -> Checked<Tenancy> {
        let (name, span) = match (tenant, shared) {
            (Some(tenant), true) => {
                return Err(self.fault(
                    tenant.span(),
                    "`tenant` and `shared = true` exclude each other",
                ));
            }
            (None, true) => return Ok(Tenancy::Shared),
            (Some(tenant), false) => {
                let span = tenant.span();
                (self.identifier(tenant)?, Some(span))
            }
            (None, false) => ("tenant".to_owned(), None),
        };
        match columns.iter().find(|column| column.name == name) {
            Some(column) if column.importable => {
                let place = span.map_or_else(|| column.place.clone(), |span| self.place(span));
                Err(DefinitionError::new(
                    place,
                    format!("tenant column `{name}` may not be importable"),
                ))
            }
            _ => Ok(Tenancy::Column(name)),
        }
    }

    fn soft_delete(&self, raw: RawSoftDelete) -> Checked<SoftDelete> {
        let live = if raw.live == "null" {
            LiveValue::Null
        } else {
            LiveValue::Value(raw.live)
        };
        Ok(SoftDelete {
            column: self.identifier(raw.column)?,
            live,
        })
    }

    fn another(&self, name: Spanned<String>) -> Checked<Source> {
        let place = self.place(name.span());
        let name = self.identifier(name)?;
        Ok(Source { name, place })
    }

    fn sort(&self, raw: Vec<Spanned<String>>, columns: &[Column]) -> Checked<Vec<SortKey>> {
        let mut keys: Vec<SortKey> = Vec::with_capacity(raw.len());
        for one in raw {
            let span = one.span();
            let text = one.into_inner();
            let key = SortKey::parse(&text);
            let column = self.known(&Spanned::new(span.clone(), key.column.clone()), columns)?;
            if !column.sortable {
                return Err(self.fault(span, format!("column `{}` is not sortable", column.name)));
            }
            if keys.iter().any(|other| other.column == key.column) {
                return Err(self.fault(span, format!("`{}` occurs twice in `sort`", key.column)));
            }
            keys.push(key);
        }
        Ok(keys)
    }

    fn queues(&self, raw: Option<Vec<Spanned<String>>>) -> Checked<Vec<String>> {
        let Some(raw) = raw else {
            return Ok(vec!["default".to_owned()]);
        };
        let queues = raw
            .into_iter()
            .map(|queue| self.identifier(queue))
            .collect::<Checked<Vec<_>>>()?;
        if queues.is_empty() {
            Ok(vec!["default".to_owned()])
        } else {
            Ok(queues)
        }
    }

    pub(super) fn labels(&self, raw: Spanned<BTreeMap<String, String>>) -> Checked<Labels> {
        let span = raw.span();
        Labels::new(raw.into_inner())
            .ok_or_else(|| self.fault(span, "a label needs at least one locale, and no empty text"))
    }

    fn identifier(&self, raw: Spanned<String>) -> Checked<String> {
        let span = raw.span();
        let name = raw.into_inner();
        let head = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        let tail = name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if head && tail && name.len() <= MAX_IDENTIFIER {
            return Ok(name);
        }
        let reason =
            format!("`{name}` is no identifier: a to z, 0 to 9 and _, at most {MAX_IDENTIFIER}");
        Err(self.fault(span, reason))
    }

    pub(super) fn known<'c>(
        &self,
        name: &Spanned<String>,
        columns: &'c [Column],
    ) -> Checked<&'c Column> {
        columns
            .iter()
            .find(|column| column.name == *name.get_ref())
            .ok_or_else(|| {
                self.fault(
                    name.span(),
                    format!("there is no column `{}`", name.get_ref()),
                )
            })
    }

    fn zone(&self, raw: Spanned<String>) -> Checked<Tz> {
        let span = raw.span();
        raw.get_ref()
            .parse()
            .map_err(|_unknown| self.fault(span, format!("`{}` is no time zone", raw.get_ref())))
    }

    fn bound(&self, raw: toml::Value, place: &Place) -> Checked<String> {
        match raw {
            toml::Value::String(text) => Ok(text),
            toml::Value::Integer(number) => Ok(number.to_string()),
            toml::Value::Float(number) if number.is_finite() => Ok(number.to_string()),
            toml::Value::Datetime(moment) => Ok(moment.to_string()),
            toml::Value::Float(_)
            | toml::Value::Boolean(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                let reason = "`min` and `max` are a number, a date or a text";
                Err(DefinitionError::new(place.clone(), reason))
            }
        }
    }

    fn at_most<T>(&self, raw: Option<Spanned<T>>, limit: T, what: &str) -> Checked<Option<T>>
    where
        T: PartialOrd + Default + std::fmt::Display,
    {
        let Some(raw) = raw else { return Ok(None) };
        let span = raw.span();
        let value = raw.into_inner();
        if value >= T::default() && value <= limit {
            return Ok(Some(value));
        }
        Err(self.fault(span, format!("`{what}` is {value}, it may be 0 to {limit}")))
    }

    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Place {
            file: self.name.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    }

    pub(crate) fn fault(&self, span: Range<usize>, reason: impl Into<String>) -> DefinitionError {
        DefinitionError::new(self.place(span), reason)
    }
}

impl SortKey {
    /// Reads `-hire_date` (descending) or `hire_date`.
    pub(crate) fn parse(text: &str) -> Self {
        match text.strip_prefix('-') {
            Some(column) => Self {
                column: column.to_owned(),
                descending: true,
            },
            None => Self {
                column: text.to_owned(),
                descending: false,
            },
        }
    }
}
