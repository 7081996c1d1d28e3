//! Whether the rules of a definition fit its columns.

use std::collections::BTreeMap;

use toml::Spanned;

use super::catalog::DefinitionError;
use super::cross::{CrossRule, RawRule};
use super::parse::{Checked, File};
use super::pattern::compile_pattern;
use super::types::{Column, ColumnType, ImportMode, NumberForm};
use crate::import::{MAX_HEADER, canonical, compare, normal_header};

impl File<'_> {
    pub(super) fn pattern(&self, raw: Option<Spanned<String>>) -> Checked<Option<String>> {
        let Some(raw) = raw else { return Ok(None) };
        compile_pattern(raw.get_ref())
            .map_err(|reason| self.fault(raw.span(), format!("no pattern: {reason}")))?;
        Ok(Some(raw.into_inner()))
    }

    pub(super) fn number_form(
        &self,
        raw: Option<Spanned<NumberForm>>,
        kind: ColumnType,
    ) -> Checked<Option<NumberForm>> {
        match raw {
            Some(raw) if !matches!(kind, ColumnType::Integer | ColumnType::Decimal) => {
                let reason = "`numbers` is for columns of type integer and decimal";
                Err(self.fault(raw.span(), reason))
            }
            raw => Ok(raw.map(Spanned::into_inner)),
        }
    }

    /// Whether bounds and lists hold values of the column's type.
    pub(super) fn values_fit(&self, column: &Column) -> Checked<()> {
        let refuse = |reason: String| Err(DefinitionError::new(column.place.clone(), reason));
        let kind = column.kind.as_str();
        let mut bounds = Vec::new();
        for (what, bound) in [("min", &column.min), ("max", &column.max)] {
            let Some(bound) = bound else { continue };
            if matches!(column.kind, ColumnType::String | ColumnType::Boolean) {
                return refuse(format!("`{what}` is not for columns of type {kind}"));
            }
            match canonical(column, bound) {
                Some(value) => bounds.push(value),
                None => return refuse(format!("`{what}` is {bound}, which is no {kind}")),
            }
        }
        if let [min, max] = bounds.as_slice()
            && compare(column.kind, min, max).is_gt()
        {
            return refuse("`min` is above `max`".to_owned());
        }
        let allowed = column.allowed.as_deref();
        if allowed.is_some_and(<[String]>::is_empty) {
            return refuse("`allowed` is empty".to_owned());
        }
        let odd = |it: &&String| canonical(column, it).is_none();
        match allowed.unwrap_or_default().iter().find(odd) {
            Some(odd) => refuse(format!("`allowed` holds {odd}, which is no {kind}")),
            None => Ok(()),
        }
    }

    pub(super) fn cross_rules(
        &self,
        raw: Vec<RawRule>,
        columns: &[Column],
    ) -> Checked<Vec<CrossRule>> {
        let mut rules: Vec<CrossRule> = Vec::with_capacity(raw.len());
        for one in raw {
            let span = one.name.span();
            let message = self.labels(one.message.clone())?;
            let rule = one
                .read(message, columns)
                .map_err(|reason| self.fault(span.clone(), reason))?;
            if rules.iter().any(|other| other.name == rule.name) {
                return Err(self.fault(span, format!("rule `{}` is defined twice", rule.name)));
            }
            rules.push(rule);
        }
        Ok(rules)
    }

    pub(super) fn version_column(
        &self,
        raw: Option<Spanned<String>>,
        key: &[String],
        columns: &[Column],
    ) -> Checked<Option<String>> {
        let Some(raw) = raw else { return Ok(None) };
        let column = self.known(&raw, columns)?;
        let fits = column.kind == ColumnType::Integer && column.importable;
        if fits && !key.contains(&column.name) {
            return Ok(Some(column.name.clone()));
        }
        let reason = "`version_column` is an importable column of type integer outside the key";
        Err(self.fault(raw.span(), reason))
    }

    /// What only matters to a dataset that can be imported: its key can be given, and no header can
    /// mean two columns.
    pub(super) fn importable(
        &self,
        modes: &[ImportMode],
        key: &[String],
        columns: &[Column],
    ) -> Checked<()> {
        if modes.is_empty() {
            return Ok(());
        }
        let importable = || columns.iter().filter(|column| column.importable);
        if let Some(lost) = key
            .iter()
            .find(|name| !importable().any(|it| it.name == **name))
        {
            let column = columns.iter().find(|column| column.name == *lost);
            let place = column.map_or_else(|| self.place(0..0), |column| column.place.clone());
            let reason = format!("`{lost}` is part of the key, so it must be importable");
            return Err(DefinitionError::new(place, reason));
        }
        let mut owners: BTreeMap<String, &str> = BTreeMap::new();
        for column in importable() {
            let labels = column.label.iter().map(|(_, label)| label);
            for header in labels.chain([column.name.as_str()]) {
                let Some(normal) = normal_header(header) else {
                    let reason = format!(
                        "a label of an importable column has at most {MAX_HEADER} characters"
                    );
                    return Err(DefinitionError::new(column.place.clone(), reason));
                };
                let owner = owners.entry(normal).or_insert(&column.name);
                if *owner != column.name {
                    let reason = format!("the header `{header}` means `{owner}`, too");
                    return Err(DefinitionError::new(column.place.clone(), reason));
                }
            }
        }
        Ok(())
    }
}
