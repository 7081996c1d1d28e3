//! Imports of clubs, whose table is small and compares without regard to case.

use domain::Task;
use serde_json::Value as Json;

use crate::house::{House, Import};
use crate::workbook::{Sheet, Value, text, workbook_of};

pub(crate) type Club = (String, Option<String>, Option<i32>);

pub(crate) async fn clubs(house: &House) -> Vec<Club> {
    house
        .database
        .query("SELECT code, nickname, score FROM club ORDER BY tenant, code")
        .await
}

pub(crate) fn club_of(code: &str, nickname: Option<&str>, score: Option<i32>) -> Club {
    (code.to_owned(), nickname.map(str::to_owned), score)
}

pub(crate) fn club_rows(rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    let header = ["Code", "Nickname", "Score"].map(text).to_vec();
    std::iter::once(header).chain(rows).collect()
}

pub(crate) async fn import_club(house: &House, rows: Vec<Vec<Value>>, options: Json) -> Task {
    let content = workbook_of(&[Sheet::new("Clubs", club_rows(rows))]);
    let task = house.import(Import::club(content, options)).await;
    house.ended(task).await
}
