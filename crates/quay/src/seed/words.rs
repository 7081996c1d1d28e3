//! Words that rows are made of. Those that `member` draws stand exactly as in the generator of the
//! peers' benchmark; their order is part of the result.

use super::python_random::PythonRandom;

pub(super) const SURNAMES: &[&str] = &[
    "赵", "钱", "孙", "李", "周", "吴", "郑", "王", "冯", "陈", "褚", "卫", "蒋", "沈", "韩", "杨",
    "朱", "秦", "尤", "许", "何", "吕", "施", "张", "孔", "曹", "严", "华", "金", "魏", "陶", "姜",
];

pub(super) const GIVEN: &[&str] = &[
    "伟", "芳", "娜", "敏", "静", "丽", "强", "磊", "军", "洋", "勇", "艳", "杰", "娟", "涛", "明",
    "超", "秀", "霞", "平", "刚", "桂", "英", "文", "志", "国", "春", "梅", "建", "华", "思", "远",
    "子", "涵", "雨", "泽", "梓", "萱", "浩", "然", "欣", "怡",
];

pub(super) const ENGLISH: &[&str] = &[
    "Alice", "Bob", "Carol", "David", "Erin", "Frank", "Grace", "Heidi", "Ivan", "Judy", "Mallory",
    "Niaj", "Olivia", "Peggy", "Rupert", "Sybil",
];

pub(super) const DOMAINS: &[&str] = &[
    "example.com",
    "mail.example.cn",
    "corp.example.org",
    "qq.example.com",
];

pub(super) const MOBILE_PREFIXES: &[&str] = &[
    "130", "131", "135", "136", "138", "139", "150", "158", "176", "186", "188", "199",
];

/// Surname and one or two letters: 王霞, 姜磊梓.
pub(super) fn chinese_name(random: &mut PythonRandom) -> String {
    let mut name = String::from(random.choice(SURNAMES));
    name.push_str(random.choice(GIVEN));
    if random.random() < 0.7 {
        name.push_str(random.choice(GIVEN));
    }
    name
}

/// Eleven digits.
pub(super) fn mobile(random: &mut PythonRandom) -> String {
    format!(
        "{}{:08}",
        random.choice(MOBILE_PREFIXES),
        random.below(100_000_000)
    )
}
