//! Insert, upsert and update: what each does to rows that are there and to those that are not.

use domain::{ImportMode, RowCode};
use store::{ApplyRows, ApplyTarget, BulkRows};

use super::thing::{KEEP, NULL, a_table, apply, dataset, read, refusals, rows, target_of, tenant};

type Row = (String, String, i8, Option<String>);
const ROW: &str = "code, name, level, CAST(price AS CHAR)";

fn row(code: &str, name: &str, level: i8, price: Option<&str>) -> Row {
    (code.into(), name.into(), level, price.map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_arrives_as_it_was_given_by_load_data_and_by_insert_alike() {
    let database = a_table().await;
    let store = database.store();
    let fields = [
        "code", "name", "level", "price", "born", "seen", "clock", "active", "kind", "serial",
        "note",
    ];
    let value = |n: usize| -> Vec<String> {
        let odd = "tab\there, line\nthere, \\back\\slash\\, \\N, \\K, NUL\0, 'quote' \"too\", 😀\r";
        let truth = if n.is_multiple_of(2) { "1" } else { "0" };
        [
            &format!("C{n:03}"),
            "张三",
            "-7",
            "1234.50",
            "2024-02-29",
            "2024-02-29 23:59:59.123456",
            "23:59:58",
            truth,
            "small",
            NULL,
            odd,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    // 60 rows go by LOAD DATA, 10 by INSERT
    for count in [0..60, 60..70] {
        let given: Vec<Vec<String>> = count.clone().map(value).collect();
        let applied = apply(&store, ImportMode::Insert, &fields, &given).await;
        assert_eq!(
            applied.inserted,
            given.len() as u64,
            "{:?}",
            applied.refused
        );
    }
    let select = "code, name, CAST(level AS CHAR), CAST(price AS CHAR), CAST(born AS CHAR), \
                  CAST(seen AS CHAR), CAST(clock AS CHAR), CAST(active + 0 AS CHAR), kind, note";
    type Texts = (
        String,
        String,
        String,
        String,
        String,
        String,
        String,
        String,
        String,
        String,
    );
    let stored: Vec<Texts> = read(&database, select).await;
    assert_eq!(stored.len(), 70);
    for (n, row) in stored.into_iter().enumerate() {
        let mut wanted = value(n);
        wanted.remove(9);
        let row = [
            row.0, row.1, row.2, row.3, row.4, row.5, row.6, row.7, row.8, row.9,
        ];
        assert_eq!(row.to_vec(), wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_as_long_as_an_index_can_be_is_found_whatever_its_charset() {
    // with the tenant's 256 bytes, 3,072 are the most
    for (charset, length) in [("ascii", 2_816), ("gbk", 1_408), ("utf8mb4", 704)] {
        let database = a_table().await;
        let longer = format!(
            "ALTER TABLE thing MODIFY code VARCHAR({length}) CHARACTER SET {charset} NOT NULL"
        );
        database.execute(&longer).await;
        let store = database.store();
        let fields = ["code", "name"];
        let key = "k".repeat(length);
        for (name, wanted) in [("one", (1, 0)), ("two", (0, 1))] {
            let given = [[key.as_str(), name]];
            let applied = apply(&store, ImportMode::Upsert, &fields, &given).await;
            let counts = (applied.inserted, applied.updated);
            assert_eq!(
                (counts, refusals(&applied)),
                (wanted, Vec::new()),
                "{charset}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn insert_takes_new_rows_and_refuses_those_that_are_there_or_were_deleted_softly() {
    let database = a_table().await;
    let store = database.store();
    let fields = ["code", "name"];
    apply(
        &store,
        ImportMode::Insert,
        &fields,
        &[["A1", "one"], ["A2", "two"]],
    )
    .await;
    database
        .execute("UPDATE thing SET deleted_at = NOW() WHERE code = 'A2'")
        .await;
    let given = [["a1", "other"], ["A2", "other"], ["A3", "three"]];
    let target = target_of(
        &dataset("soft_delete = { column = \"deleted_at\", live = \"null\" }"),
        ImportMode::Insert,
        &fields,
    );
    let applied = store
        .apply_rows(target, rows(&given))
        .await
        .expect("applied");
    assert_eq!((applied.inserted, applied.updated), (1, 0));
    // the column's collation takes a1 for A1
    let duplicate = RowCode::DuplicateInDb;
    let wanted = [(2, duplicate, Some("code")), (3, duplicate, Some("code"))];
    assert_eq!(refusals(&applied), wanted);
    let names: Vec<String> = read(&database, "name").await;
    assert_eq!(names, ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn upsert_changes_what_is_there_by_key_and_adds_the_rest() {
    let database = a_table().await;
    let store = database.store();
    let fields = ["code", "name", "level", "price"];
    apply(
        &store,
        ImportMode::Insert,
        &fields,
        &[["A1", "one", "1", "1.00"], ["A2", "two", "2", NULL]],
    )
    .await;
    let given = [
        ["a2 ", "zwei", "22", "2.00"],
        ["A1", "one", "1", "1.00"],
        ["A3", "three", "3", NULL],
    ];
    let applied = apply(&store, ImportMode::Upsert, &fields, &given).await;
    // "a2 " is not A2 where the collation does not pad
    assert_eq!(
        (applied.inserted, applied.updated, applied.refused.len()),
        (2, 1, 0)
    );
    assert_eq!(applied.updated_rows, [3]);
    let given = [["a2", "ZWEI", "22", NULL], ["a1", "one", "1", "1.00"]];
    let applied = apply(&store, ImportMode::Upsert, &fields, &given).await;
    assert_eq!(
        (applied.inserted, applied.updated, applied.refused.len()),
        (0, 2, 0)
    );
    let wanted = [
        row("A1", "one", 1, Some("1.00")),
        row("A2", "ZWEI", 22, None),
        row("a2 ", "zwei", 22, Some("2.00")),
        row("A3", "three", 3, None),
    ];
    assert_eq!(read::<Row>(&database, ROW).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn update_changes_what_is_there_and_refuses_the_rest() {
    let database = a_table().await;
    let store = database.store();
    apply(
        &store,
        ImportMode::Insert,
        &["code", "name"],
        &[["A1", "one"], ["A2", "two"]],
    )
    .await;
    let given = [["A2", "5"], ["A9", "5"], ["A1", "6"]];
    let applied = apply(&store, ImportMode::Update, &["code", "level"], &given).await;
    assert_eq!((applied.inserted, applied.updated), (0, 2));
    assert_eq!(refusals(&applied), [(3, RowCode::NotFound, Some("code"))]);
    let wanted = [row("A1", "one", 6, None), row("A2", "two", 5, None)];
    assert_eq!(read::<Row>(&database, ROW).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_stays_in_an_old_row_and_takes_the_default_in_a_new_one() {
    let database = a_table().await;
    let store = database.store();
    let fields = ["code", "name", "level", "price"];
    apply(
        &store,
        ImportMode::Insert,
        &fields,
        &[["A1", "one", "9", "1.00"]],
    )
    .await;
    let given = [
        ["A1", KEEP, "8", KEEP],
        ["B1", KEEP, KEEP, "2.00"],
        ["B2", "two", KEEP, NULL],
    ];
    let applied = apply(&store, ImportMode::Upsert, &fields, &given).await;
    assert_eq!(
        (applied.inserted, applied.updated, applied.refused.len()),
        (2, 1, 0)
    );
    let many: Vec<[String; 4]> = (0..120)
        .map(|n| {
            let name = if n % 2 == 0 { KEEP } else { "some" };
            [format!("C{n:03}"), name.into(), KEEP.into(), NULL.into()]
        })
        .collect();
    let applied = apply(&store, ImportMode::Insert, &fields, &many).await;
    assert_eq!((applied.inserted, applied.refused.len()), (120, 0));
    let stored: Vec<Row> = read(&database, ROW).await;
    let wanted = [
        row("A1", "one", 8, Some("1.00")),
        row("B1", "unnamed", 1, Some("2.00")),
        row("B2", "two", 1, None),
        row("C000", "unnamed", 1, None),
        row("C001", "some", 1, None),
    ];
    assert_eq!(stored[..5], wanted);
    assert_eq!(stored.len(), 123);
    // nothing but kept values changes nothing, and is no fault
    let applied = apply(
        &store,
        ImportMode::Update,
        &fields,
        &[["A1", KEEP, KEEP, KEEP]],
    )
    .await;
    assert_eq!((applied.updated, applied.refused.len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_tenant_meets_the_rows_of_another() {
    let database = a_table().await;
    let store = database.store();
    for mode in [ImportMode::Insert, ImportMode::Upsert, ImportMode::Update] {
        for (name, level) in [("acme", "1"), ("globex", "2")] {
            let fields = ["code".to_owned(), "level".to_owned()];
            let target = ApplyTarget::new(&dataset(""), &fields, &tenant(name), mode);
            let target = target.expect("a target");
            let applied = store.apply_rows(target, rows(&[["A1", level]])).await;
            assert_eq!(applied.expect("applied").refused, [], "{mode} for {name}");
        }
    }
    let stored: Vec<(String, i8)> = database
        .query("SELECT tenant, level FROM thing ORDER BY tenant")
        .await;
    assert_eq!(stored, [("acme".to_owned(), 1), ("globex".to_owned(), 2)]);
    let fields = ["code".to_owned(), "level".to_owned()];
    database
        .execute("DELETE FROM thing WHERE tenant = 'acme'")
        .await;
    let target = ApplyTarget::new(&dataset(""), &fields, &tenant("acme"), ImportMode::Update);
    let applied = store
        .apply_rows(target.expect("a target"), rows(&[["A1", "9"]]))
        .await;
    let applied = applied.expect("applied");
    assert_eq!(refusals(&applied), [(2, RowCode::NotFound, Some("code"))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_deleted_softly_lives_again_by_upsert_and_is_not_there_for_update() {
    let database = a_table().await;
    let store = database.store();
    let softly = dataset("soft_delete = { column = \"deleted_at\", live = \"null\" }");
    apply(
        &store,
        ImportMode::Insert,
        &["code", "name"],
        &[["A1", "one"], ["A2", "two"]],
    )
    .await;
    database
        .execute("UPDATE thing SET deleted_at = NOW()")
        .await;
    let fields = ["code", "level"];
    let given = rows(&[["A1", "4"]]);
    let update = target_of(&softly, ImportMode::Update, &fields);
    let applied = store
        .apply_rows(update, given.clone())
        .await
        .expect("applied");
    assert_eq!(refusals(&applied), [(2, RowCode::NotFound, Some("code"))]);
    let upsert = target_of(&softly, ImportMode::Upsert, &fields);
    let applied = store.apply_rows(upsert, given).await.expect("applied");
    assert_eq!((applied.inserted, applied.updated), (0, 1));
    let stored: Vec<(String, i8, bool)> = read(&database, "name, level, deleted_at IS NULL").await;
    assert_eq!(
        stored,
        [("one".to_owned(), 4, true), ("two".to_owned(), 1, false)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_value_other_than_null_is_written_into_new_rows_and_those_that_come_back() {
    let database = a_table().await;
    let store = database.store();
    let softly = dataset("soft_delete = { column = \"owner\", live = \"here\" }");
    // without the column itself among the fields
    let fields = ["code", "level"];
    let many: Vec<[String; 2]> = (0..60).map(|n| [format!("C{n}"), "1".to_owned()]).collect();
    for given in [rows(&many), rows(&[["A1", "1"]])] {
        let target = target_of(&softly, ImportMode::Insert, &fields);
        let applied = store.apply_rows(target, given).await.expect("applied");
        assert_eq!(applied.refused, []);
    }
    database
        .execute("UPDATE thing SET owner = 'gone' WHERE code < 'C3'")
        .await;
    let target = target_of(&softly, ImportMode::Upsert, &fields);
    let applied = store
        .apply_rows(target, rows(&[["A1", "2"]]))
        .await
        .expect("applied");
    assert_eq!(applied.updated, 1);
    let owners: Vec<String> = read(&database, "owner").await;
    assert_eq!(owners.first().map(String::as_str), Some("here"));
    assert_eq!(owners.last().map(String::as_str), Some("here"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changed_since_its_version_was_read_is_a_conflict() {
    let database = a_table().await;
    let store = database.store();
    let versioned = dataset("version_column = \"version\"");
    let fields = ["code", "level", "version"];
    for mode in [ImportMode::Update, ImportMode::Upsert] {
        database.execute("DELETE FROM thing").await;
        apply(
            &store,
            ImportMode::Insert,
            &["code"],
            &[["A1"], ["A2"], ["A3"]],
        )
        .await;
        database.execute("UPDATE thing SET version = 7").await;
        let given = [["A1", "5", "7"], ["A2", "5", "6"], ["A3", "5", NULL]];
        let target = target_of(&versioned, mode, &fields);
        let applied = store
            .apply_rows(target.clone(), rows(&given))
            .await
            .expect("applied");
        assert_eq!(applied.updated, 2);
        let conflict = (3, RowCode::ConflictChanged, Some("version"));
        assert_eq!(refusals(&applied), [conflict]);
        let stored: Vec<(i8, i32)> = read(&database, "level, version").await;
        assert_eq!(stored, [(5, 8), (1, 7), (5, 8)]);
        // the same file once more: its versions are old now
        let applied = store
            .apply_rows(target, rows(&given[..1]))
            .await
            .expect("applied");
        assert_eq!(
            refusals(&applied),
            [(2, RowCode::ConflictChanged, Some("version"))]
        );
    }
    // a new row begins at the table's first version, whatever the file says
    let target = target_of(&versioned, ImportMode::Insert, &fields);
    let many: Vec<[String; 3]> = (0..60)
        .map(|n| [format!("B{n}"), "1".to_owned(), "99".to_owned()])
        .collect();
    for given in [rows(&many), rows(&[["A9", "1", "99"]])] {
        let applied = store
            .apply_rows(target.clone(), given)
            .await
            .expect("applied");
        assert_eq!(applied.refused, []);
    }
    let old: u64 = database
        .one("SELECT COUNT(*) FROM thing WHERE version > 8")
        .await;
    assert_eq!(old, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_rows_with_one_key_in_one_batch_the_first_is_taken() {
    let database = a_table().await;
    let store = database.store();
    let fields = ["code", "level"];
    let given = [["A1", "1"], ["B1", "1"], ["a1", "2"], ["A1", "3"]];
    let wanted = [
        (4, RowCode::DuplicateInFile, Some("code")),
        (5, RowCode::DuplicateInFile, Some("code")),
    ];
    // the first time both are new, the second time they are there
    for counts in [(2, 0), (0, 2)] {
        let applied = apply(&store, ImportMode::Upsert, &fields, &given).await;
        assert_eq!((applied.inserted, applied.updated), counts);
        assert_eq!(refusals(&applied), wanted);
    }
    let stored: Vec<i8> = read(&database, "level").await;
    assert_eq!(stored, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_two_columns_of_other_types_finds_its_row() {
    let database = a_table().await;
    database
        .execute(
            "CREATE TABLE rate (tenant VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, \
             day DATE, grade DECIMAL(6,2), value INT, PRIMARY KEY (tenant, day, grade))",
        )
        .await;
    let definition = "name = \"rate\"\nlabel = { en = \"Rate\" }\nversion = \"1\"\ntable = \"rate\"\n\
        primary_key = [\"day\", \"grade\"]\nkey = [\"day\", \"grade\"]\nimport_modes = [\"upsert\"]\n\
        columns = [{ name = \"day\", label = { en = \"Day\" }, type = \"date\" }, \
        { name = \"grade\", label = { en = \"Grade\" }, type = \"decimal\" }, \
        { name = \"value\", label = { en = \"Value\" }, type = \"integer\" }]";
    let catalog = domain::Catalog::parse([("rate.toml", definition)]).expect("a definition");
    let rate = catalog.get("rate").expect("it is there");
    let target = target_of(rate, ImportMode::Upsert, &["value", "grade", "day"]);
    let first = rows(&[["1", "1.50", "2024-02-29"], ["2", "2.50", "2024-02-29"]]);
    let store = database.store();
    let applied = store
        .apply_rows(target.clone(), first)
        .await
        .expect("applied");
    assert_eq!((applied.inserted, applied.updated), (2, 0));
    let second = rows(&[["3", "1.5", "2024-02-29"], ["4", "1.5", "2024-03-01"]]);
    let applied = store.apply_rows(target, second).await.expect("applied");
    assert_eq!((applied.inserted, applied.updated), (1, 1));
    let values: Vec<i32> = database
        .query("SELECT value FROM rate ORDER BY day, grade")
        .await;
    assert_eq!(values, [3, 2, 4]);
}

#[test]
fn a_target_that_cannot_be_is_refused() {
    let fields = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let target = |mode, names: &[&str]| {
        ApplyTarget::new(&dataset(""), &fields(names), &tenant("acme"), mode)
    };
    assert!(target(ImportMode::Insert, &["code", "colour"]).is_err());
    assert!(
        target(ImportMode::Insert, &["code", "id"]).is_err(),
        "not importable"
    );
    assert!(target(ImportMode::Insert, &["code", "name", "code"]).is_err());
    assert!(target(ImportMode::Insert, &[]).is_err());
    assert!(target(ImportMode::Upsert, &["name"]).is_err());
    assert!(target(ImportMode::Update, &["name"]).is_err());
    assert!(target(ImportMode::Insert, &["name"]).is_ok());
}

#[test]
fn rows_without_a_number_each_are_refused() {
    let mut writer = BulkRows::default();
    writer.text("one");
    writer.end_row();
    assert!(ApplyRows::of_chunk(vec![1, 2], writer.take()).is_err());
}
