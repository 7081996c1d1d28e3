//! What is asked of the bulk door, and what it answers.

use domain::Tenant;
use thiserror::Error;

/// Whose rows of which table. Names come from definitions, never from users.
#[derive(Debug, Clone)]
pub struct BulkTable {
    /// The table.
    pub table: String,
    /// Its tenant column.
    pub tenant_column: String,
    /// The tenant.
    pub tenant: Tenant,
}

/// What becomes of the rows that the tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refill {
    /// They go.
    Replace,
    /// They stay.
    Append,
}

/// How the rows travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkWay {
    /// LOAD DATA LOCAL.
    LoadData,
    /// Multi-row INSERT.
    Insert,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkLoaded {
    /// Rows that are new.
    pub rows: u64,
    /// How they travelled.
    pub way: BulkWay,
}

/// Why a load was rolled back.
#[derive(Debug, Error)]
pub(super) enum BulkFault {
    #[error("{affected} of {sent} rows were taken, with {warnings} warnings: {quoted}")]
    NotAllTaken {
        sent: u64,
        affected: u64,
        warnings: u16,
        quoted: String,
    },
    #[error("{sent} rows came where {expected} were announced")]
    NotAllSent { sent: u64, expected: u64 },
}
