//! A dataset with a column of every kind, for the files that people fill in.

use std::io::Write;

use domain::{Catalog, Dataset, UploadFormat};
use tabular::{Book, ReadTerms};

const DEFINITION: &str = r#"
name = "member"
label = { zh-CN = "会员", en = "Member" }
version = "3"
table = "member"
primary_key = ["id"]
key = ["member_no"]
queues = ["default"]
roles = { export = ["MANAGER"], import = ["MANAGER"] }
import_modes = ["insert"]
columns = [
  { name = "id", label = { zh-CN = "编号", en = "ID" }, type = "integer", importable = false },
  { name = "member_no", label = { zh-CN = "会员号", en = "Member no." }, type = "string", required = true, max_length = 20, pattern = "^M\\d+$", unique = true, width = 16 },
  { name = "name", label = { zh-CN = "姓名", en = "Name" }, type = "string", required = true, max_length = 64 },
  { name = "level", label = { zh-CN = "等级", en = "Level" }, type = "integer", min = 1, max = 5 },
  { name = "balance", label = { zh-CN = "余额", en = "Balance" }, type = "decimal", scale = 2, min = 0 },
  { name = "birthday", label = { zh-CN = "生日", en = "Birthday" }, type = "date", required = true },
  { name = "joined_at", label = { zh-CN = "加入时间", en = "Joined at" }, type = "datetime", stored_in = "UTC" },
  { name = "wakes_at", label = { zh-CN = "起床时间", en = "Wakes at" }, type = "time" },
  { name = "active", label = { zh-CN = "启用", en = "Active" }, type = "boolean" },
  { name = "grade", label = { zh-CN = "级别", en = "Grade" }, type = "string", allowed = ["金卡", "银卡", "A&B"] },
  { name = "city", label = { zh-CN = "城市", en = "City" }, type = "string", allowed = [CITIES] },
  { name = "code", label = { zh-CN = "代码", en = "Code" }, type = "integer", allowed = [CODES] },
]
"#;

/// Values of `city`: too many for a rule, and one with a comma.
pub(crate) fn cities() -> Vec<String> {
    let plain = (0..200).map(|it| format!("城市{it:03}"));
    plain.chain(["Washington, D.C.".to_owned()]).collect()
}

/// Values of `code`: numbers, too many for a rule.
pub(crate) fn codes() -> Vec<String> {
    (1000..1100).map(|it| it.to_string()).collect()
}

pub(crate) fn dataset() -> Dataset {
    let list = |values: Vec<String>| format!("{values:?}").replace(['[', ']'], "");
    let text = DEFINITION
        .replace("CITIES", &list(cities()))
        .replace("CODES", &list(codes()));
    let catalog = Catalog::parse([("member.toml", text)]).unwrap();
    catalog.get("member").unwrap().clone()
}

pub(crate) fn open(bytes: &[u8], format: UploadFormat) -> Book {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Book::open(file, format, &ReadTerms::default()).unwrap()
}
