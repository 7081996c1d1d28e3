//! A fault that the user can mend, and where it lies.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::closed_set::closed_set;

closed_set! {
    /// The row codes of api.md.
    RowCode {
        Required = "required",
        TypeMismatch = "type_mismatch",
        OutOfRange = "out_of_range",
        PatternMismatch = "pattern_mismatch",
        NotInList = "not_in_list",
        TooLong = "too_long",
        DateInvalid = "date_invalid",
        NumberAmbiguous = "number_ambiguous",
        PrecisionLost = "precision_lost",
        FormulaWithoutValue = "formula_without_value",
        FormulaNotAllowed = "formula_not_allowed",
        ErrorCell = "error_cell",
        MergedCell = "merged_cell",
        DuplicateInFile = "duplicate_in_file",
        DuplicateInDb = "duplicate_in_db",
        NotFound = "not_found",
        IntegrityViolation = "integrity_violation",
        ConflictChanged = "conflict_changed",
        BusinessRule = "business_rule",
    }
}

/// One fault of one row, as api.md shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RowError {
    /// The number that a person sees in the sheet.
    pub row: u32,
    /// The sheet's name; none for rows that came in a request.
    pub sheet: Option<String>,
    /// The column's letters; none where the fault is the whole row's.
    pub column: Option<String>,
    /// The dataset's column; none where the fault is the whole row's.
    pub field: Option<String>,
    /// What is wrong, for programs.
    pub code: RowCode,
    /// What stood there, shortened; masked where the column is sensitive; none for a blank.
    pub value: Option<String>,
    /// What is wrong, in the task's language.
    pub message: String,
    /// What the message was made with: `{"max": 20}`.
    pub params: Map<String, Value>,
    /// Other rows that the fault is about: the ones with the same key. At most 10.
    pub related_rows: Vec<u32>,
}
