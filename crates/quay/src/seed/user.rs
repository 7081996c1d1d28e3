//! Rows of `user`.

use chrono::Days;
use store::BulkRows;

use super::member::{day, midnight, seconds};
use super::python_random::PythonRandom;
use super::words::{DOMAINS, ENGLISH, chinese_name, mobile};

pub(super) const SEED: u32 = 20_240_609;

pub(super) const COLUMNS: &[&str] = &[
    "id",
    "username",
    "nickname",
    "email",
    "mobile",
    "status",
    "login_count",
    "birthday",
    "last_login_at",
    "created_at",
    "deleted",
];

/// Writes row `number`, from 1, without its id. All values are drawn for every row, so that the
/// share of deleted ones changes nothing else.
pub(super) fn write(
    random: &mut PythonRandom,
    number: u64,
    deleted_percent: u8,
    row: &mut BulkRows,
) {
    let who = random.choice(ENGLISH).to_lowercase();
    let nickname = chinese_name(random);
    let email = format!("{who}{number}@{}", random.choice(DOMAINS));
    let mobile = mobile(random);
    let standing = random.below(100);
    let logins = random.below(5_000);
    let birthday = day(1960) + Days::new(random.below(17_000));
    let created = midnight(day(2019)) + seconds(random.below(200_000_000));
    let last_login = created + seconds(random.below(10_000_000));
    let fraction = random.below(1_000_000);
    let missing = random.below(100);
    let deleted = random.below(100) < u64::from(deleted_percent);
    let or_null = |row: &mut BulkRows, there: bool, text: &str| {
        if there { row.text(text) } else { row.null() }
    };
    row.text(&format!("{who}{number}"));
    or_null(row, missing >= 8, &nickname);
    or_null(row, !(5..15).contains(&missing), &email);
    or_null(row, !(12..20).contains(&missing), &mobile);
    row.text(match standing {
        0..90 => "ACTIVE",
        90..97 => "LOCKED",
        _ => "CLOSED",
    });
    row.text(&logins.to_string());
    or_null(row, !(18..40).contains(&missing), &birthday.to_string());
    or_null(row, logins > 0, &format!("{last_login}.{fraction:06}"));
    row.text(&created.to_string());
    row.text(if deleted { "1" } else { "0" });
}
