//! Rows of `employee`.

use chrono::Days;
use store::BulkRows;

use super::member::{day, midnight, money, seconds};
use super::python_random::PythonRandom;
use super::words::{DOMAINS, ENGLISH, chinese_name, mobile};

pub(super) const SEED: u32 = 20_240_608;

pub(super) const COLUMNS: &[&str] = &[
    "id",
    "employee_no",
    "name",
    "department",
    "position",
    "email",
    "mobile",
    "salary",
    "hire_date",
    "active",
    "created_at",
    "updated_at",
    "deleted_at",
];

const DEPARTMENTS: &[&str] = &[
    "研发部",
    "产品部",
    "市场部",
    "销售部",
    "人事部",
    "财务部",
    "客服部",
    "运营部",
    "法务部",
    "行政部",
];

const POSITIONS: &[&str] = &[
    "助理",
    "专员",
    "高级专员",
    "工程师",
    "高级工程师",
    "主管",
    "经理",
    "高级经理",
    "总监",
];

const SECONDS_OF_A_DAY: u64 = 86_400;

/// Writes row `number`, from 1, without its id. All values are drawn for every row, so that the
/// share of deleted ones changes nothing else.
pub(super) fn write(
    random: &mut PythonRandom,
    number: u64,
    deleted_percent: u8,
    row: &mut BulkRows,
) {
    let name = chinese_name(random);
    let department = random.choice(DEPARTMENTS);
    let position = random.choice(POSITIONS);
    let who = random.choice(ENGLISH).to_lowercase();
    let email = format!("{who}.{number}@{}", random.choice(DOMAINS));
    let mobile = mobile(random);
    let salary = money(random.between(500_000, 6_000_000));
    let hired = day(2005) + Days::new(random.below(7_800));
    let created = midnight(hired) + seconds(random.below(SECONDS_OF_A_DAY));
    let updated = created + seconds(random.below(90 * SECONDS_OF_A_DAY));
    let missing = random.below(100);
    let active = random.below(100) < 95;
    let deleted = random.below(100) < u64::from(deleted_percent);
    row.text(&format!("E{number:08}"));
    row.text(&name);
    row.text(department);
    let or_null = |row: &mut BulkRows, there: bool, text: &str| {
        if there { row.text(text) } else { row.null() }
    };
    or_null(row, missing >= 3, position);
    or_null(row, !(3..10).contains(&missing), &email);
    or_null(row, !(8..13).contains(&missing), &mobile);
    or_null(row, missing != 20, &salary);
    row.text(&hired.to_string());
    row.text(if active { "1" } else { "0" });
    row.text(&created.to_string());
    row.text(&updated.to_string());
    or_null(row, deleted, &updated.to_string());
}
