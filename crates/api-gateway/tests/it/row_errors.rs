//! `GET /tasks/{id}/row-errors`.

use std::io::BufReader;
use std::process::Stdio;
use std::time::Duration;

use domain::RowCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::house::{House, SECRET, manager};
use crate::process::{Ended, address, command, peak};
use crate::worker::fault;

/// An import of two batches, with these faults in sheet order: (row, code).
const FAULTS: [(u32, RowCode); 6] = [
    (3, RowCode::Required),
    (3, RowCode::PatternMismatch),
    (9, RowCode::Required),
    (101, RowCode::DuplicateInDb),
    (150, RowCode::Required),
    (201, RowCode::PatternMismatch),
];

async fn an_import_with_faults(house: &House) -> String {
    let task = house.an_import(&manager()).await;
    house.split(&task, 2).await;
    for (number, from) in [(1, 0), (2, 4)] {
        let faults = FAULTS[from..].iter().take(if number == 1 { 4 } else { 2 });
        let faults = faults.map(|(row, code)| fault(*row, *code, "13800x"));
        house.apply(&task, number, faults.collect()).await;
    }
    task
}

async fn list(house: &House, task: &str, query: &str) -> Value {
    let path = format!("/api/v1/tasks/{task}/row-errors{query}");
    let answer = house.get(&manager(), &path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn places(list: &Value) -> Vec<(u64, String)> {
    let items = list["items"].as_array().unwrap().iter();
    let place = |item: &Value| {
        (
            item["row"].as_u64().unwrap(),
            item["code"].as_str().unwrap().to_owned(),
        )
    };
    items.map(place).collect()
}

fn expected(code: Option<RowCode>) -> Vec<(u64, String)> {
    let wanted = FAULTS
        .iter()
        .filter(|(_, it)| code.is_none_or(|code| code == *it));
    wanted
        .map(|(row, code)| (u64::from(*row), code.to_string()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn they_come_in_sheet_order_and_have_the_shape_of_the_contract() {
    let house = House::open().await;
    let task = an_import_with_faults(&house).await;
    let all = list(&house, &task, "").await;
    assert_eq!(places(&all), expected(None));
    assert_eq!(all["next_cursor"], Value::Null);
    assert_eq!(
        all["items"][1],
        json!({"row": 3, "sheet": "Sheet1", "column": "D", "field": "mobile",
            "code": "pattern_mismatch", "value": "13800x", "message": "不对", "params": {},
            "related_rows": []})
    );
    let shown = house
        .get(&manager(), &format!("/api/v1/tasks/{task}"))
        .await
        .json();
    assert_eq!(
        shown["errors_by_code"],
        json!({"required": 3, "pattern_mismatch": 2, "duplicate_in_db": 1})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_put_together_are_the_whole_with_and_without_a_code() {
    let house = House::open().await;
    let task = an_import_with_faults(&house).await;
    for code in [None, Some(RowCode::Required), Some(RowCode::TooLong)] {
        for limit in [1, 2, 3, 4, 200] {
            let mut query = format!("?limit={limit}");
            if let Some(code) = code {
                query.push_str(&format!("&code={code}"));
            }
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = list(&house, &task, &format!("{query}&cursor={cursor}")).await;
                let places = places(&page);
                assert!(places.len() <= limit, "{query}");
                found.extend(places);
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert_eq!(found, expected(code), "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_code_limit_cursor_or_format_is_refused() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    for (query, field) in [
        ("code=nonsense", "/code"),
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("cursor=x", "/cursor"),
        ("format=xml", "/format"),
    ] {
        let path = format!("/api/v1/tasks/{task}/row-errors?{query}");
        let answer = house.get(&manager(), &path).await;
        assert_eq!(answer.problem(), "invalid_request", "{query}");
        assert_eq!(answer.json()["errors"][0]["pointer"], field);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_without_faults_and_an_export_have_none() {
    let house = House::open().await;
    let import = house.an_import(&manager()).await;
    let export = house.an_export(&manager()).await;
    for task in [import, export] {
        let none = list(&house, &task, "").await;
        assert_eq!(none, json!({"items": [], "next_cursor": null}));
        let csv = house
            .get(
                &manager(),
                &format!("/api/v1/tasks/{task}/row-errors?format=csv"),
            )
            .await;
        assert_eq!(String::from_utf8(csv.body).unwrap().lines().count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_csv_is_complete_whatever_a_page_holds_and_holds_no_formula() {
    let house = House::open().await;
    let task = house.an_import(&manager()).await;
    house.split(&task, 15).await;
    for number in 1..=15_u32 {
        let rows = (number - 1) * 100 + 2..number * 100 + 2;
        let faults = rows.map(|row| fault(row, RowCode::NotInList, "=1+1,\"x\"\r\ny"));
        house.apply(&task, number, faults.collect()).await;
    }
    let path = format!("/api/v1/tasks/{task}/row-errors");
    let asked = house.get(&manager(), &format!("{path}?format=csv")).await;
    let accept = house
        .request(Method::GET, &path)
        .bearer_auth(manager())
        .header("accept", "text/csv");
    let accepted = house.send(accept).await;
    assert_eq!(asked.body, accepted.body);
    assert_eq!(
        asked.header("content-type"),
        Some("text/csv; charset=utf-8")
    );
    let disposition = asked.header("content-disposition").unwrap();
    assert!(disposition.contains("m_errors.csv"), "{disposition}");

    let text = String::from_utf8(asked.body).unwrap();
    let (header, rest) = text.split_once("\r\n").unwrap();
    assert_eq!(
        header,
        "\u{feff}row,sheet,column,field,code,value,message,related_rows"
    );
    let line =
        |row: u32| format!("{row},Sheet1,D,mobile,not_in_list,\"'=1+1,\"\"x\"\"\r\ny\",不对,\r\n");
    let whole: String = (2..1_502).map(line).collect();
    assert!(rest == whole, "1,500 rows in sheet order: {}", &rest[..200]);

    let filtered = house
        .get(&manager(), &format!("{path}?format=csv&code=required"))
        .await;
    assert_eq!(String::from_utf8(filtered.body).unwrap().lines().count(), 1);
}

/// A page, and a part of the ledger while it is unpacked, several times over: an allocator keeps what it
/// had. The text of all errors alone is as much; unpacked they are more than 100 MiB.
const MOST_GROWTH_KIB: u64 = 20 << 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_errors_of_one_batch_are_never_in_memory_together() {
    let house = House::with_tables().await;
    let task = house.an_import(&manager()).await;
    house.split(&task, 1).await;
    let long = "x".repeat(100);
    let rows = 2..100_002_u32;
    let code = |row| [RowCode::Required, RowCode::NotInList][usize::from(row == 100_001)];
    let faults = rows.clone().map(|row| fault(row, code(row), &long));
    house.apply_whole(&task, faults.collect()).await;

    let storage = tempfile::tempdir().unwrap();
    let mut command = command(house.database.url(), SECRET, storage.path());
    let mut process = Ended(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut log = BufReader::new(process.0.stderr.take().unwrap());
    let public = address(&mut log, "the gateway is open");
    // A log that nobody reads would hold the process up.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let get = async |query: &str| {
        let path = format!("http://{public}/api/v1/tasks/{task}/row-errors{query}");
        let answer = client
            .get(path)
            .bearer_auth(manager())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{query}");
        answer.text().await.unwrap()
    };
    let page = async |query: &str| -> Value { serde_json::from_str(&get(query).await).unwrap() };
    get("?limit=1").await;
    let before = peak(&process.0);
    let first = page("?limit=200").await;
    let next = first["next_cursor"].as_str().unwrap();
    let second = page(&format!("?limit=200&cursor={next}")).await;
    let row = |page: &Value, at: usize| page["items"][at]["row"].as_u64().unwrap();
    assert_eq!((row(&first, 0), row(&first, 199)), (2, 201));
    assert_eq!((row(&second, 0), row(&second, 199)), (202, 401));
    let last = page("?code=not_in_list").await;
    assert_eq!(
        (row(&last, 0), &last["next_cursor"]),
        (100_001, &Value::Null)
    );
    let csv = get("?format=csv").await;
    let told = csv
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap());
    assert!(
        told.eq(rows.map(|row| row.to_string())),
        "each once, in sheet order"
    );
    let growth = peak(&process.0) - before;
    assert!(growth < MOST_GROWTH_KIB, "grew by {growth} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_gone_with_their_task() {
    let house = House::open().await;
    let task = an_import_with_faults(&house).await;
    house.finish(&task, Some(b"workbook")).await;
    assert_eq!(places(&list(&house, &task, "").await).len(), 6);
    let delete = house
        .request(Method::DELETE, &format!("/api/v1/tasks/{task}"))
        .bearer_auth(manager());
    assert_eq!(house.send(delete).await.status, 204);
    for format in ["json", "csv"] {
        let path = format!("/api/v1/tasks/{task}/row-errors?format={format}");
        assert_eq!(house.get(&manager(), &path).await.problem(), "not_found");
    }
}
