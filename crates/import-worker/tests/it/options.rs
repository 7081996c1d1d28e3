//! What the options of an import do that say what becomes of its rows.

use domain::TaskStatus;
use serde_json::json;
use testkit::eventually;

use crate::club::{club_of, clubs, import_club};
use crate::house::{House, Import, imports};
use crate::workbook::{Value, member, member_header, members, number, text, workbook};

#[tokio::test(flavor = "multi_thread")]
async fn the_modes_insert_upsert_and_update_and_what_empty_means() {
    let house = House::build().await;
    let worker = house.work();
    house
        .database
        .execute("INSERT INTO club (tenant, code, nickname, score) VALUES ('acme', 'a', 'Al', 1), ('acme', 'b', 'Bo', 2), ('other', 'c', 'Cy', 3)")
        .await;
    let row = |code: &str, nickname: &str, score: Option<u32>| {
        let nickname = if nickname.is_empty() {
            Value::Blank
        } else {
            text(nickname)
        };
        vec![text(code), nickname, score.map_or(Value::Blank, number)]
    };

    let done = import_club(
        &house,
        vec![row("A", "", Some(9)), row("c", "", None)],
        json!({}),
    )
    .await;
    assert_eq!(done.status, TaskStatus::PartialSuccess);
    let errors = house.row_errors(done.id).await;
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].row, errors[0].code.as_str()),
        (2, "duplicate_in_db")
    );

    let update = json!({"mode": "update"});
    let done = import_club(
        &house,
        vec![row("b", "Bob", None), row("d", "", Some(4))],
        update,
    )
    .await;
    assert_eq!(done.status, TaskStatus::PartialSuccess);
    let errors = house.row_errors(done.id).await;
    assert_eq!((errors[0].row, errors[0].code.as_str()), (3, "not_found"));

    let upsert = json!({"mode": "upsert", "empty_means": "keep"});
    let done = import_club(
        &house,
        vec![row("a", "", Some(7)), row("e", "Eve", None)],
        upsert,
    )
    .await;
    assert_eq!(done.status, TaskStatus::Success);
    assert_eq!(
        clubs(&house).await,
        [
            club_of("a", Some("Al"), Some(7)),
            club_of("b", Some("Bob"), None),
            club_of("c", None, None),
            club_of("e", Some("Eve"), Some(5)),
            club_of("c", Some("Cy"), Some(3)),
        ]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_only_tells_all_and_writes_nothing() {
    let house = House::build().await;
    let worker = house.work();
    let content = members(1_100, |n, row| {
        if n == 1_000 {
            row[4] = number(9);
        }
    });
    let options = json!({"validate_only": true});
    let task = house.import_members(content, options.clone()).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!(
        (done.progress.done_rows, done.progress.failed_rows),
        (1_099, 1)
    );
    assert_eq!(
        done.files
            .iter()
            .filter(|file| file.role.as_str() == "FAILURES")
            .count(),
        1
    );
    let task = house.import_members(members(3, |_, _| ()), options).await;
    let done = house.until(task, TaskStatus::Success).await;
    assert_eq!(done.progress.done_rows, 3);
    assert_eq!(house.rows("member").await, 0);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_only_checks_says_so_while_it_does() {
    let house = House::build().await;
    let splitting = house.work_on(&[imports()]);
    let told = async |task| {
        eventually("the split to end", async || {
            let phase = house.task(task).await.progress.phase?;
            (phase != "reading").then_some(phase)
        })
        .await
    };
    let options = json!({"validate_only": true});
    let task = house.import_members(members(3, |_, _| ()), options).await;
    assert_eq!(told(task).await, "validating");
    let options = json!({"validate_only": false});
    let task = house.import_members(members(3, |_, _| ()), options).await;
    assert_eq!(told(task).await, "importing");
    splitting.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fractions_of_a_second_that_a_column_does_not_keep_are_cut_and_counted_as_a_warning() {
    let house = House::build().await;
    let worker = house.work();
    let created = [
        text("2026-12-31 23:59:59.600"),
        // as NOW() gives it
        number("46387.99999537037"),
        text("2026-12-31 23:59:59"),
        number("46387.99998842593"),
    ];
    let mut rows = vec![member_header()];
    rows[0].push(text("创建时间"));
    for (n, created) in (1..).zip(created) {
        let mut row = member(n);
        row.push(created);
        rows.push(row);
    }
    let options = json!({"timezone": "UTC"});
    let task = house.import_members(workbook(rows), options).await;
    let done = house.until(task, TaskStatus::Success).await;
    let warnings: Vec<(&str, u64)> = done
        .warnings
        .iter()
        .map(|it| (it.code.as_str(), it.count))
        .collect();
    let stored: Vec<String> = house
        .database
        .query("SELECT CAST(created_at AS CHAR) FROM member")
        .await;
    assert_eq!(stored, ["2026-12-31 23:59:59"; 4]);
    assert_eq!(warnings, [("fraction_cut", 2)]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_are_rounded_at_their_columns_scale_are_counted_as_a_warning() {
    let house = House::build().await;
    let worker = house.work();
    let balances = [
        number("1.239"),
        number("0.30000000000000004"),
        number("2.5"),
        number("11.111000000001"),
        text("1.239"),
    ];
    let content = members(5, |n, row| row[6] = balances[n as usize].clone());
    let task = house.import_members(content, json!({})).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    let warnings: Vec<(&str, u64)> = done
        .warnings
        .iter()
        .map(|it| (it.code.as_str(), it.count))
        .collect();
    assert_eq!(warnings, [("number_rounded", 2)]);
    // a text says exactly its digits
    let errors = house.row_errors(task).await;
    assert_eq!((errors.len(), errors[0].row), (1, 6));
    assert_eq!(errors[0].code.as_str(), "out_of_range");
    let stored: Vec<String> = house
        .database
        .query("SELECT CAST(balance AS CHAR) FROM member ORDER BY member_no")
        .await;
    assert_eq!(stored, ["1.24", "0.30", "2.50", "11.11"]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_error_abort_writes_all_or_nothing() {
    let house = House::build().await;
    let worker = house.work();
    let abort = json!({"on_error": "abort"});
    // a fault that the file shows, one that only the table shows, none
    let content = members(2_000, |n, row| {
        if n == 1_999 {
            row[2] = text("no mobile");
        }
    });
    let task = house.import_members(content, abort.clone()).await;
    let failed = house.until(task, TaskStatus::Failed).await;
    assert_eq!(failed.error.expect("an error").code, "aborted");
    assert_eq!(
        (failed.progress.failed_rows, failed.progress.done_rows),
        (1, 0)
    );
    assert_eq!(house.rows("member").await, 0);

    let clash = "INSERT INTO member (tenant, member_no, name, mobile, level, points, balance) \
                 VALUES ('acme', 'M0001500', 'x', '1', 1, 1, 1)";
    house.database.execute(clash).await;
    let task = house
        .import_members(members(2_000, |_, _| ()), abort.clone())
        .await;
    let failed = house.until(task, TaskStatus::Failed).await;
    assert_eq!(failed.error.expect("an error").code, "aborted");
    assert_eq!(house.rows("member").await, 1);
    let errors = house.row_errors(task).await;
    assert_eq!(
        (errors[0].row, errors[0].code.as_str()),
        (1_502, "duplicate_in_db")
    );

    house.database.execute("DELETE FROM member").await;
    let task = house.import_members(members(2_000, |_, _| ()), abort).await;
    house.until(task, TaskStatus::Success).await;
    assert_eq!(house.rows("member").await, 2_000);
    let batches = format!("SELECT COUNT(*) FROM import_batch WHERE task_id = {task}");
    assert_eq!(house.database.one::<u64>(&batches).await, 1);
    worker.stop().await;
}

/// As many rows as go in all at once.
const AT_ONCE: u32 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn on_error_abort_takes_100_000_good_rows_as_one_transaction_new_ones_and_old() {
    let house = House::build().await;
    let worker = house.work();
    let content = members(AT_ONCE, |_, row| row[1] = text("new"));
    for mode in ["insert", "upsert"] {
        let older = "UPDATE member SET name = 'old'";
        house.database.execute(older).await;
        let options = json!({"on_error": "abort", "mode": mode});
        let task = house.import_members(content.clone(), options).await;
        let done = house.until(task, TaskStatus::Success).await;
        assert_eq!(done.progress.done_rows, u64::from(AT_ONCE));
        let ledger = format!("SELECT batch_no, done FROM import_batch WHERE task_id = {task}");
        let ledger: Vec<(u32, u32)> = house.database.query(&ledger).await;
        assert_eq!(ledger, [(1, AT_ONCE)]);
        let named = "SELECT COUNT(*), SUM(name = 'new') FROM member";
        let named: Vec<(u32, u32)> = house.database.query(named).await;
        assert_eq!(named, [(AT_ONCE, AT_ONCE)]);
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_take_as_many_rows_as_asked_for_and_are_spaced() {
    let house = House::build().await;
    let splitting = house.work_on(&[imports()]);
    let options = json!({"batch_size": 7, "stagger_ms": [50, 60]});
    let task = house.import_members(members(30, |_, _| ()), options).await;
    let due = "SELECT CAST(TIMESTAMPDIFF(MICROSECOND, (SELECT wake_at FROM compensate_biz \
               WHERE biz_type = 'IMPORT_BATCH' AND biz_id LIKE '%/2'), wake_at) AS SIGNED) \
               FROM compensate_biz WHERE biz_type = 'IMPORT_BATCH' AND announced = 0 ORDER BY id";
    let due: Vec<i64> = eventually("the batches to be born", async || {
        let due = house.database.query(due).await;
        (!due.is_empty()).then_some(due)
    })
    .await;
    // the first is due at once; each of the others 50 to 60 ms after the one before it
    assert_eq!((due.len(), due[0]), (4, 0));
    for pair in due.windows(2) {
        let apart = pair[1] - pair[0];
        assert!((50_000..=60_000).contains(&apart), "{due:?}");
    }
    let places = "SELECT CAST(JSON_EXTRACT(context, '$.number') AS UNSIGNED), \
                  CAST(JSON_EXTRACT(context, '$.of') AS UNSIGNED) FROM compensate_biz \
                  WHERE biz_type = 'IMPORT_BATCH' ORDER BY id";
    let places: Vec<(u32, u32)> = house.database.query(places).await;
    assert_eq!(places, [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]);
    splitting.stop().await;
    house
        .database
        .execute("UPDATE compensate_biz SET announced = 1")
        .await;
    let worker = house.work();
    house.until(task, TaskStatus::Success).await;
    let ledger: Vec<(u32, u32, u32, u32)> = house
        .database
        .query("SELECT batch_no, first_row, last_row, done FROM import_batch ORDER BY batch_no")
        .await;
    assert_eq!(
        ledger,
        [
            (1, 2, 8, 7),
            (2, 9, 15, 7),
            (3, 16, 22, 7),
            (4, 23, 29, 7),
            (5, 30, 31, 2)
        ]
    );
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_is_read_as_well() {
    let house = House::build().await;
    let worker = house.work();
    let content = "Code,Score\r\na,1\r\n\"b,\r\nc\",x\r\nd,3\r\n";
    let import = Import {
        name: "club.csv",
        ..Import::club(content.as_bytes().to_vec(), json!({}))
    };
    let task = house.import(import).await;
    let done = house.until(task, TaskStatus::PartialSuccess).await;
    assert_eq!((done.progress.done_rows, done.progress.failed_rows), (2, 1));
    let failures = done
        .files
        .iter()
        .find(|file| file.role.as_str() == "FAILURES");
    let failures = failures.expect("a file of what failed");
    assert_eq!((&*failures.name, failures.rows), ("club_failed.csv", 1));
    let file = std::fs::read_to_string(house.path("storage").join(&failures.object_key));
    let file = file.expect("the file");
    assert!(file.contains("\"b,\r\nc\",x,"), "{file}");

    // mended, saved under another name and with other separators, it still names its import
    let mended = file
        .replace(",x,", ",2,")
        .replace("\"b,\r\nc\"", "b")
        .replace(',', ";");
    let import = Import {
        name: "mended.csv",
        ..Import::club(mended.into_bytes(), json!({}))
    };
    let second = house.import(import).await;
    let done = house.until(second, TaskStatus::Success).await;
    assert_eq!((done.mends, done.progress.done_rows), (Some(task), 1));
    assert_eq!(done.warnings, [], "our own columns are no unknown ones");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_of_failures_comes_back_as_it_is_whatever_was_said_of_the_first_files_header() {
    let house = House::build().await;
    let worker = house.work();
    let upload = async |content: String, options: serde_json::Value| {
        let import = Import {
            name: "club.csv",
            ..Import::club(content.into_bytes(), options)
        };
        house.ended(house.import(import).await).await
    };
    let file = |task: &domain::Task| {
        let mut files = task.files.iter();
        let file = files.find(|file| file.role.as_str() == "FAILURES");
        let key = &file.expect("a file of what failed").object_key;
        std::fs::read_to_string(house.path("storage").join(key)).expect("the file")
    };
    let titled = "Clubs of the north\r\n\r\nWhich,Score\r\na,1\r\nb,x\r\nc,y\r\n";
    let said = json!({"header_row": 3, "mapping": {"Which": "code"}});
    let first = upload(titled.to_owned(), said.clone()).await;
    assert_eq!(first.status, TaskStatus::PartialSuccess);

    // as it is: told nothing, then told the same, then mended
    let second = upload(file(&first), json!({})).await;
    let third = upload(file(&second), said).await;
    for (task, mends) in [(&second, &first), (&third, &second)] {
        assert_eq!(task.status, TaskStatus::Failed);
        let told = (task.mends, task.progress.failed_rows);
        assert_eq!(told, (Some(mends.id), 2), "{task:?}");
        assert_eq!(task.warnings, []);
    }
    let header = "Which,Score,Original row #";
    assert!(
        file(&second)
            .trim_start_matches('\u{feff}')
            .starts_with(header)
    );
    let fourth = upload(file(&second), json!({})).await;
    assert_eq!(fourth.progress.failed_rows, 2, "what the first one said");
    let mended = file(&fourth).replace(",x,", ",2,").replace(",y,", ",3,");
    let last = upload(mended, json!({})).await;
    assert_eq!(last.status, TaskStatus::Success);
    assert_eq!((last.mends, last.progress.done_rows), (Some(fourth.id), 2));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_csv_of_another_country_is_read_as_its_user_declares_it_and_so_are_its_failures() {
    let house = House::build().await;
    let worker = house.work();
    let upload = async |content: Vec<u8>, options: serde_json::Value| {
        let import = Import {
            name: "clubs.csv",
            ..Import::club(content, options)
        };
        house.ended(house.import(import).await).await
    };
    // in windows-1252, where ß is 0xDF and ä 0xE4
    let file = b"Code;Nickname;Score\r\nStra\xdfe;K\xe4te;1.355,00\r\nb;;2.000 x\r\n".to_vec();
    let refused = upload(file.clone(), json!({})).await;
    assert_eq!(refused.error.expect("refused").code, "unsupported_media");
    let declared = json!({"encoding": "windows-1252"});
    let ambiguous = upload(file.clone(), declared).await;
    let codes = ambiguous.errors_by_code.keys().map(|code| code.as_str());
    let codes: std::collections::BTreeSet<&str> = codes.collect();
    assert_eq!(codes, ["number_ambiguous", "type_mismatch"].into());
    let declared = json!({"encoding": "windows-1252", "numbers": "1.234,5"});
    let partly = upload(file, declared).await;
    assert_eq!(partly.status, TaskStatus::PartialSuccess);
    assert_eq!(
        clubs(&house).await,
        [club_of("Straße", Some("Käte"), Some(1_355))]
    );

    // told nothing, or the same again
    for (code, said) in [("b", json!({})), ("c", json!({"encoding": "windows-1252"}))] {
        let mut files = partly.files.iter();
        let failures = files.find(|file| file.role.as_str() == "FAILURES");
        let key = &failures.expect("a file of what failed").object_key;
        let failures = std::fs::read_to_string(house.path("storage").join(key)).expect("text");
        let mended = failures
            .replace("2.000 x", "2.000")
            .replace("\r\nb,", &format!("\r\n{code},"));
        let done = upload(mended.into_bytes(), said).await;
        assert_eq!(done.status, TaskStatus::Success, "{done:?}");
        let scored = format!("SELECT score FROM club WHERE code = '{code}'");
        assert_eq!(house.database.one::<i32>(&scored).await, 2_000);
    }
    worker.stop().await;
}
