//! Where a page ended, as a text that means nothing to the client.

use domain::TaskId;

use crate::problem::Problem;

/// Tells this version's cursors from what clients make up and from later versions'.
const VERSION: char = 'a';

pub(crate) fn encode(last: TaskId) -> String {
    format!("{VERSION}{:x}", last.0)
}

pub(crate) fn decode(cursor: &str) -> Result<TaskId, Problem> {
    cursor
        .strip_prefix(VERSION)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .map(TaskId)
        .ok_or_else(|| Problem::invalid("cursor", "cursor is not one that this gateway gave"))
}
