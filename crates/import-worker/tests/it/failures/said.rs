//! A failure file that comes back mended means what the first file meant, unless its own request says
//! otherwise.

use domain::{Task, TaskStatus};
use serde_json::{Value as Json, json};

use super::{bytes, failures, mended};
use crate::club::{club_of, club_rows, clubs};
use crate::house::{House, Import};
use crate::workbook::{Value, member, member_header, text, workbook};

/// A first file in one of the two formats.
struct First {
    dataset: &'static str,
    name: &'static str,
    rows: Vec<Vec<Value>>,
}

impl First {
    fn content(&self) -> Vec<u8> {
        if self.name.ends_with(".xlsx") {
            return workbook(self.rows.clone());
        }
        let cell = |value: &Value| match value {
            Value::Text(text) | Value::Number(text) => text.clone(),
            Value::Blank | Value::Formula(..) => String::new(),
        };
        let line = |row: &Vec<Value>| {
            let cells: Vec<String> = row.iter().map(cell).collect();
            cells.join(",") + "\r\n"
        };
        self.rows.iter().map(line).collect::<String>().into_bytes()
    }

    async fn import(&self, house: &House, content: Vec<u8>, options: Json) -> Task {
        let import = Import {
            dataset: self.dataset,
            name: self.name,
            ..Import::members(content, options)
        };
        house.ended(house.import(import).await).await
    }

    /// What failed of a task, one text mended.
    fn mended(&self, house: &House, task: &Task, from: &str, to: &str) -> Vec<u8> {
        let file = bytes(house, failures(task));
        if self.name.ends_with(".xlsx") {
            return mended(&file, from, to);
        }
        let text = String::from_utf8(file).expect("UTF-8");
        text.replace(from, to).into_bytes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mended_file_is_read_in_the_time_zone_of_the_first_unless_another_is_named() {
    let house = House::build().await;
    let worker = house.work();
    for name in ["members.xlsx", "members.csv"] {
        let mut header = member_header();
        header.push(text("创建时间"));
        let mut row = member(1);
        row[2] = text("13800x");
        row.push(text("2026-01-31 20:00:00"));
        let first = First {
            dataset: "member",
            name,
            rows: vec![header, row],
        };
        let created = async || {
            let sql = "SELECT DATE_FORMAT(created_at, '%d %H:%i') FROM member";
            house.database.one::<String>(sql).await
        };
        let options = json!({"timezone": "UTC"});
        let failed = first.import(&house, first.content(), options).await;
        // as it is: what comes of it still knows
        let again = first.mended(&house, &failed, "", "");
        let again = first.import(&house, again, json!({})).await;
        assert_eq!(again.status, TaskStatus::Failed, "{again:?}");

        let content = first.mended(&house, &again, "13800x", "13800000000");
        let done = first.import(&house, content.clone(), json!({})).await;
        assert_eq!(done.status, TaskStatus::Success, "{done:?}");
        assert_eq!(created().await, "31 20:00", "{name}");

        let options = json!({"timezone": "Asia/Tokyo", "mode": "upsert"});
        let done = first.import(&house, content, options).await;
        assert_eq!(done.status, TaskStatus::Success, "{done:?}");
        assert_eq!(created().await, "31 11:00", "{name}");
        house.database.execute("DELETE FROM member").await;
    }
    worker.stop().await;
}

/// One club that is in the table, with a fault.
fn one_club(name: &'static str) -> First {
    First {
        dataset: "club",
        name,
        rows: club_rows(vec![vec![text("a"), Value::Blank, text("bad")]]),
    }
}

async fn put_club(house: &House) {
    house.database.execute("DELETE FROM club").await;
    let sql = "INSERT INTO club (tenant, code, nickname, score) VALUES ('acme', 'a', 'Al', 1)";
    house.database.execute(sql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_an_update_or_upsert_come_back_as_such_and_empty_means_what_it_meant() {
    let house = House::build().await;
    let worker = house.work();
    let update = json!({"mode": "update"});
    let keep = json!({"mode": "upsert", "empty_means": "keep"});
    let cases = [
        ("clubs.xlsx", update, None),
        ("clubs.xlsx", keep.clone(), Some("Al")),
        ("clubs.csv", keep, Some("Al")),
    ];
    for (name, said, nickname) in cases {
        let first = one_club(name);
        put_club(&house).await;
        let failed = first.import(&house, first.content(), said).await;
        assert_eq!(failed.status, TaskStatus::Failed, "{failed:?}");
        let content = first.mended(&house, &failed, "bad", "7");
        let done = first.import(&house, content.clone(), json!({})).await;
        assert_eq!(done.status, TaskStatus::Success, "{done:?}");
        assert_eq!(clubs(&house).await, [club_of("a", nickname, Some(7))]);
        if nickname.is_none() {
            continue;
        }
        // what its own request names counts first
        let options = json!({"mode": "insert"});
        let refused = first.import(&house, content.clone(), options).await;
        let codes: Vec<&str> = refused
            .errors_by_code
            .keys()
            .map(|it| it.as_str())
            .collect();
        assert_eq!(codes, ["duplicate_in_db"], "{refused:?}");
        let options = json!({"empty_means": "null"});
        let done = first.import(&house, content, options).await;
        assert_eq!(done.status, TaskStatus::Success, "{done:?}");
        assert_eq!(clubs(&house).await, [club_of("a", None, Some(7))]);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_its_dataset_does_not_offer_any_more_is_no_mode_of_a_mended_file() {
    let mut house = House::build().await;
    let worker = house.work();
    put_club(&house).await;
    let first = one_club("clubs.xlsx");
    let failed = first
        .import(&house, first.content(), json!({"mode": "upsert"}))
        .await;
    let content = first.mended(&house, &failed, "bad", "7");
    worker.stop().await;

    let all = r#"import_modes = ["insert", "upsert", "update"]"#;
    house.catalog = house.redefined(all, r#"import_modes = ["insert"]"#);
    let worker = house.work();
    let refused = first.import(&house, content, json!({})).await;
    assert_eq!(refused.status, TaskStatus::Failed, "{refused:?}");
    let codes: Vec<&str> = refused
        .errors_by_code
        .keys()
        .map(|it| it.as_str())
        .collect();
    assert_eq!(codes, ["duplicate_in_db"], "{refused:?}");
    assert_eq!(clubs(&house).await, [club_of("a", Some("Al"), Some(1))]);
    worker.stop().await;
}
