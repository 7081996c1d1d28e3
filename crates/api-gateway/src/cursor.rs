//! Where a page ended, as a text that means nothing to the client. It is a place in the order of all
//! items, so it holds whatever comes meanwhile, and with other filters, too: a list goes on below it.

use crate::problem::Problem;

/// Tells this version's cursors from what clients make up and from later versions'.
const VERSION: char = 'a';

pub(crate) fn encode(last: u64) -> String {
    format!("{VERSION}{last:x}")
}

pub(crate) fn decode(cursor: &str) -> Result<u64, Problem> {
    cursor
        .strip_prefix(VERSION)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or_else(|| Problem::invalid("cursor", "cursor is not one that this gateway gave"))
}
