//! Rows of `member`: the same as those of the peers' benchmark (gen.py), draw by draw.

use chrono::{Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use store::BulkRows;

use super::python_random::PythonRandom;
use super::words::{DOMAINS, ENGLISH, GIVEN, SURNAMES, chinese_name, mobile};

pub(super) const SEED: u32 = 20_240_607;

pub(super) const COLUMNS: &[&str] = &[
    "id",
    "member_no",
    "name",
    "mobile",
    "email",
    "level",
    "points",
    "balance",
    "birthday",
    "created_at",
    "remark",
];

const REMARKS: &[&str] = &[
    "老客户，优先处理",
    "VIP & <gold> member",
    "通过扫码注册 via WeChat",
    "备注：请勿在周末致电",
    "returns often",
    "\"quoted\" text, comma",
    "门店登记 - 上海浦东新区世纪大道100号",
    "0012345 leading zeros",
    "=SUM(A1:A2) not a formula",
    "注册渠道：APP/小程序/官网",
];

/// Writes row `number`, from 1, without its id.
pub(super) fn write(random: &mut PythonRandom, number: u64, row: &mut BulkRows) {
    let name = name(random);
    let mobile = mobile(random);
    let who = random.choice(ENGLISH).to_lowercase();
    let email = format!(
        "{who}{}@{}",
        number * 7 % 10_000_019,
        random.choice(DOMAINS)
    );
    let digits = random.between(2, 11);
    let cents = random.below((0..digits).fold(1, |power, _| power * 10));
    let birthday = day(1950) + Days::new(random.below(22_000));
    let created = midnight(day(2018)) + seconds(random.below(240_000_000));
    let kind = random.random();
    let remark = (kind >= 0.3).then(|| {
        let text = random.choice(REMARKS).to_owned();
        if kind < 0.6 {
            format!("{text} #{}", random.below(100_000))
        } else {
            text
        }
    });
    row.text(&format!("M{number:012}"));
    row.text(&name);
    row.text(&mobile);
    row.text(&email);
    row.text(&random.between(1, 6).to_string());
    row.text(&random.below(2_000_000).to_string());
    row.text(&money(cents));
    row.text(&birthday.to_string());
    row.text(&created.to_string());
    match remark {
        Some(remark) => row.text(&remark),
        None => row.null(),
    }
}

fn name(random: &mut PythonRandom) -> String {
    let kind = random.random();
    if kind < 0.6 {
        return chinese_name(random);
    }
    let mut name = String::from(random.choice(ENGLISH));
    name.push(' ');
    if kind < 0.8 {
        name.push_str(random.choice(SURNAMES));
        name.push_str(random.choice(GIVEN));
    } else {
        name.push_str(random.choice(ENGLISH));
        name.push_str(&random.below(1000).to_string());
    }
    name
}

/// Hundredths as a decimal.
pub(super) fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// The first of January.
pub(super) fn day(year: i32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default()
}

pub(super) fn midnight(day: NaiveDate) -> NaiveDateTime {
    day.and_time(NaiveTime::MIN)
}

pub(super) fn seconds(number: u64) -> TimeDelta {
    TimeDelta::seconds(i64::try_from(number).unwrap_or_default())
}
