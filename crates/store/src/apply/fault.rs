//! What the server says of a statement, told apart: a fault of a row, or one of the house.

use diesel::prelude::QueryableByName;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use domain::{ColumnType, RowCode};

use super::target::ApplyTarget;
use crate::error::StoreError;
use crate::pool::Connection;
use crate::settle::shortened;

/// Longest that a trigger's words are kept, in characters.
const SAID_CHARS: usize = 200;

/// Conditions of the diagnostics area that are looked at, beside the last one: a row gives at most a
/// note for each column that loses digits.
const CONDITIONS: u32 = 8;

/// What the server says when its diagnostics area is empty (1758).
const NO_CONDITION: &str = "Invalid condition number";

/// Why one row is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: RowCode,
    /// A column of the table.
    pub(super) field: Option<String>,
    pub(super) said: Option<String>,
    /// The unique index that has the row's values already.
    pub(super) index: Option<String>,
}

impl Fault {
    pub(super) fn of(code: RowCode) -> Self {
        Self {
            code,
            field: None,
            said: None,
            index: None,
        }
    }
}

/// Why a statement did not go through.
pub(super) enum Trouble {
    /// One of its rows is bad, and was told if the server told it.
    Rows(Option<Fault>),
    /// Not for any row.
    House(StoreError),
}

/// One condition of the diagnostics area.
#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = Nullable<BigInt>)]
    number: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    state: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    message: Option<String>,
}

/// Judges the error of the statement sent last on this connection.
pub(super) async fn judge(
    connection: &mut Connection,
    target: &ApplyTarget,
    error: DieselError,
) -> Trouble {
    let DieselError::DatabaseError(kind, facts) = &error else {
        return Trouble::House(error.into());
    };
    let by_kind = match kind {
        DatabaseErrorKind::UniqueViolation => Some(RowCode::DuplicateInDb),
        DatabaseErrorKind::ForeignKeyViolation | DatabaseErrorKind::CheckViolation => {
            Some(RowCode::IntegrityViolation)
        }
        DatabaseErrorKind::NotNullViolation => Some(RowCode::Required),
        _ => None,
    };
    match told(connection, facts.message()).await {
        Ok(Some((number, state, message))) => {
            let again = matches!(number, 1205 | 1213 | 1615);
            match fault_of(target, number, &state, &message) {
                Some(fault) => Trouble::Rows(Some(fault)),
                None if again => Trouble::House(StoreError::Contended(Box::new(error))),
                None => Trouble::House(error.into()),
            }
        }
        // The area is full of notes of other rows.
        Ok(None) => match (by_kind, StoreError::from(error)) {
            (Some(code), _) => Trouble::Rows(Some(Fault::of(code))),
            (None, StoreError::Refused(_)) => Trouble::Rows(None),
            (None, other) => Trouble::House(other),
        },
        // The connection is gone, and the first error tells more of why.
        Err(_) => Trouble::House(StoreError::Unavailable(Box::new(error))),
    }
}

/// Number, SQLSTATE and text of the condition that is the error `said`. Notes of earlier rows stand
/// before it, and behind it, after an UPDATE of joined tables, another error that says nothing
/// (1105). A variable that was not set this time is no trap: one text has one number.
async fn told(
    connection: &mut Connection,
    said: &str,
) -> Result<Option<(i64, String, String)>, DieselError> {
    let places = || std::iter::once(0).chain(1..=CONDITIONS);
    let mut ask = "GET DIAGNOSTICS @quayside_condition_0 = NUMBER".to_owned();
    let mut read = Vec::new();
    for place in places() {
        let condition = if place == 0 {
            "@quayside_condition_0".to_owned()
        } else {
            place.to_string()
        };
        let (number, state, text) = (
            format!("@quayside_number_{place}"),
            format!("@quayside_state_{place}"),
            format!("@quayside_text_{place}"),
        );
        ask += &format!(
            "; GET DIAGNOSTICS CONDITION {condition} {number} = MYSQL_ERRNO, \
             {state} = RETURNED_SQLSTATE, {text} = MESSAGE_TEXT"
        );
        read.push(format!(
            "SELECT CAST({number} AS SIGNED) AS number, CAST({state} AS CHAR) AS state, \
             CAST({text} AS CHAR) AS message"
        ));
    }
    match connection.batch_execute(&ask).await {
        Err(DieselError::DatabaseError(_, facts)) if facts.message().contains(NO_CONDITION) => (),
        asked => asked?,
    }
    let conditions: Vec<Told> = sql_query(read.join(" UNION ALL ")).load(connection).await?;
    let said = said.trim_end_matches(char::REPLACEMENT_CHARACTER);
    let error = conditions.into_iter().find_map(|told| {
        let (number, state, message) = (told.number?, told.state?, told.message?);
        message
            .starts_with(said)
            .then_some((number, state, message))
    });
    Ok(error)
}

/// What an error means for the row that met it; none when it is no row's fault.
fn fault_of(target: &ApplyTarget, number: i64, state: &str, message: &str) -> Option<Fault> {
    let column = column_of(message).filter(|name| target.has_column(name));
    let kind = column.as_deref().and_then(|name| target.kind_of(name));
    let code = match number {
        1062 | 1586 => RowCode::DuplicateInDb,
        1406 => RowCode::TooLong,
        1264 | 1690 => RowCode::OutOfRange,
        1048 | 1263 | 1364 => RowCode::Required,
        1292 if tells_a_moment(message) => RowCode::DateInvalid,
        1265 if kind == Some(ColumnType::String) => RowCode::NotInList,
        1292 | 1265 | 1366 | 3140 => RowCode::TypeMismatch,
        3819 | 4025 => RowCode::IntegrityViolation,
        // too little memory, a full disk, a lock, a statement that does not fit the table
        _ => match state.get(..2)? {
            "22" => RowCode::TypeMismatch,
            "23" => RowCode::IntegrityViolation,
            "45" => RowCode::BusinessRule,
            _ => return None,
        },
    };
    let index = (code == RowCode::DuplicateInDb)
        .then(|| index_of(message, &target.table))
        .flatten();
    let said = (code == RowCode::BusinessRule).then(|| shortened(message, SAID_CHARS));
    Some(Fault {
        code,
        field: column,
        said,
        index,
    })
}

fn tells_a_moment(message: &str) -> bool {
    ["Incorrect date", "Incorrect time"].iter().any(|begin| {
        let head = message.get(..begin.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(begin))
    })
}

/// The column in `… for column 'level' at row 1`, `Column 'name' cannot be null`,
/// `Field 'name' doesn't have a default value` and `… FOREIGN KEY (`dep`) REFERENCES …`. A value of
/// the user may stand before it, so it is looked for from the end.
fn column_of(message: &str) -> Option<String> {
    let between = |begin: &str, end: char| {
        let at = message.rfind(begin)? + begin.len();
        let rest = message.get(at..)?;
        Some(rest.get(..rest.find(end)?)?.to_owned())
    };
    if message.starts_with("Column '") || message.starts_with("Field '") {
        return message.split('\'').nth(1).map(str::to_owned);
    }
    if message.contains("foreign key constraint fails") {
        return between("FOREIGN KEY (`", '`').filter(|_| !message.contains("`, `"));
    }
    between(" column '", '\'')
        .or_else(|| between(" column `", '`'))
        // MariaDB: for column `db`.`table`.`name` at row 1
        .map(|name| name.rsplit('.').next().unwrap_or_default().to_owned())
}

/// The index in `Duplicate entry '…' for key 'member.uk_member_no'`; older servers leave the table
/// out.
fn index_of(message: &str, table: &str) -> Option<String> {
    let (_, key) = message.rsplit_once(" for key '")?;
    let key = key.strip_suffix('\'')?;
    let own = key.strip_prefix(table).and_then(|it| it.strip_prefix('.'));
    Some(own.unwrap_or(key).to_owned())
}
