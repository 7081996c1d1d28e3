//! What of a definition decides how rows are taken, as one short text.

use std::hash::Hasher;

use serde_json::{Value, json};
use siphasher::sip::SipHasher13;

use super::cross::{CrossRule, Demand};
use super::types::{Column, Dataset, LiveValue, SoftDelete, Tenancy};

impl Dataset {
    /// 16 hex digits over everything that decides which rows an import takes and what of them comes
    /// into which table. The same on every machine and in every release that knows the same rules.
    /// What is only shown (labels, messages, widths), asked of exports, or says who may do what is no
    /// part of it: a wording that is mended must not end the imports that are under way.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        // Taken apart whole, so that whoever adds a field decides whether it belongs here.
        let Self {
            name,
            label: _,
            version: _,
            table,
            primary_key,
            key,
            tenancy,
            soft_delete,
            source: _,
            sort: _,
            queues: _,
            export_roles: _,
            import_roles: _,
            sensitive_roles: _,
            import_modes,
            columns,
            filters: _,
            limits: _,
            version_column,
            rules,
            place: _,
        } = self;
        let columns = columns.iter().filter(|column| column.importable);
        let all = json!([
            name,
            table,
            primary_key,
            key,
            tenant(tenancy),
            soft_delete.as_ref().map(deleted),
            import_modes,
            columns.map(column).collect::<Vec<_>>(),
            version_column,
            rules.iter().map(rule).collect::<Vec<_>>(),
        ]);
        let mut hasher = SipHasher13::new();
        hasher.write(all.to_string().as_bytes());
        format!("{:016x}", hasher.finish())
    }
}

fn tenant(tenancy: &Tenancy) -> Option<&str> {
    match tenancy {
        Tenancy::Column(column) => Some(column),
        Tenancy::Shared => None,
    }
}

fn deleted(SoftDelete { column, live }: &SoftDelete) -> Value {
    match live {
        LiveValue::Null => json!([column, null]),
        LiveValue::Value(value) => json!([column, value]),
    }
}

fn column(column: &Column) -> Value {
    let Column {
        name,
        label: _,
        kind,
        required,
        max_length,
        pattern,
        trim,
        numbers,
        min,
        max,
        scale,
        allowed,
        unique,
        sensitive: _,
        sortable: _,
        importable: _,
        exportable: _,
        width: _,
        format: _,
        stored_in,
        place: _,
    } = column;
    json!([
        name, kind, required, max_length, pattern, trim, numbers, min, max, scale, allowed, unique,
        stored_in,
    ])
}

fn rule(rule: &CrossRule) -> Value {
    let CrossRule {
        name,
        when,
        demand,
        message: _,
    } = rule;
    let demand = match demand {
        Demand::Compare { left, op, right } => json!([left, op, right]),
        Demand::Required(column) => json!([column]),
    };
    json!([name, when, demand])
}
