//! A run that ended well: what the clients were told, and a database, a gateway and a service that
//! agree with it. Every test spoils one thing of it.

use std::collections::BTreeMap;

use chaos::{
    Accepted, AcceptedBusiness, Business, Checker, Format, Handler, Rows, Tally, Way, Wish,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::TestDatabase;
use xlsxwriter::Workbook;

use super::gateway::Gateway;

/// Members that an export can have.
const MEMBERS: u64 = 3;
const CSV: &str = "id,name\n1,a\n2,b\n3,c\n";

const CLEAN: &str = "
DELETE FROM compensate_biz; DELETE FROM compensate_biz_attempt; DELETE FROM dead_letter;
DELETE FROM compensate_group; DELETE FROM import_batch; DELETE FROM task; DELETE FROM task_file;
DELETE FROM notification; DELETE FROM chaos_append; DELETE FROM chaos_upsert;
DELETE FROM chaos_ledger; DELETE FROM chaos_order;";

const SOUND: &str = "
INSERT INTO task (id, tenant, kind, dataset, name, queue, params, locale, status, total_rows,
  done_rows, failed_rows, created_by) VALUES
  (1, 'acme', 'EXPORT', 'member', '', 'default', '{}', 'en', 'SUCCESS', 3, 3, 0, '7'),
  (2, 'acme', 'EXPORT', 'member', '', 'default', '{}', 'en', 'SUCCESS', 1, 1, 0, '7'),
  (3, 'acme', 'EXPORT', 'chaos_broken', '', 'default', '{}', 'en', 'FAILED', 0, 0, 0, '7'),
  (4, 'acme', 'IMPORT', 'chaos_append', '', 'default', '{}', 'en', 'PARTIAL_SUCCESS', 4, 2, 2, '7'),
  (5, 'acme', 'IMPORT', 'chaos_append', '', 'default', '{}', 'en', 'SUCCESS', 2, 2, 0, '7'),
  (6, 'acme', 'EXPORT', 'member', '', 'default', '{}', 'en', 'CANCELLED', 0, 0, 0, '7');
INSERT INTO compensate_biz (id, tenant, biz_type, biz_id, context, status, lease_epoch, wake_at,
  finished_at, group_id, task_id, last_failed_reason) VALUES
  (1, 'acme', 'EXPORT', '1', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, 1, NULL),
  (2, 'acme', 'EXPORT', '2', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, 2, NULL),
  (3, 'acme', 'EXPORT', '3', '{}', 'FAILED', 2, NULL, UTC_TIMESTAMP(6), NULL, 3, 'permanent'),
  (4, 'acme', 'IMPORT', '4', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, 4, NULL),
  (5, 'acme', 'IMPORT_BATCH', '4/0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), 1, 4, NULL),
  (6, 'acme', 'IMPORT_FINISH', '1/1', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, 4, NULL),
  (7, 'acme', 'EXPORT', '6', '{}', 'CANCELLED', 0, NULL, UTC_TIMESTAMP(6), NULL, 6, NULL),
  (8, 'acme', 'DEAD_LETTER', '1', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (9, 'acme', 'DEAD_LETTER', '2', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (10, 'acme', 'chaos_grant', 'g.0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (11, 'acme', 'chaos_grant', 'g.1', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (12, 'acme', 'chaos_grant', 'g.2', '{}', 'FAILED', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, 'rejected x'),
  (20, 'acme', 'chaos_keep', 'k.0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (30, 'acme', 'chaos_call', 'c.0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (31, 'acme', 'chaos_call', 'c.1', '{}', 'FAILED', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, 'rejected x'),
  (32, 'acme', 'chaos_batch', 'b.0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (40, 'acme', 'notify', 'n.0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (50, 'acme', 'chaos_grant', 'grp.0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), 2, NULL, NULL),
  (51, 'acme', 'chaos_grant', 'grp.1', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), 2, NULL, NULL),
  (52, 'acme', 'chaos_end', '2/1', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL),
  (60, 'acme', 'chaos_grant', 's.0', '{}', 'SUCCESS', 1, NULL, UTC_TIMESTAMP(6), NULL, NULL, NULL);
INSERT INTO compensate_biz_attempt (tenant, compensate_biz_id, epoch, outcome) VALUES
  ('acme', 3, 1, 'LOST'), ('acme', 3, 2, 'FAILED'), ('acme', 12, 1, 'FAILED'),
  ('acme', 31, 1, 'FAILED');
INSERT INTO dead_letter (id, tenant, source, lane, biz_type, compensate_biz_id, reason, status) VALUES
  (1, 'acme', 'ROW', 'quayside.export.default', 'EXPORT', 3, 'permanent', 'OPEN'),
  (2, 'acme', 'MESSAGE', 'quayside.export.default', NULL, NULL, 'malformed', 'OPEN'),
  (3, 'acme', 'MESSAGE', 'quayside.export.default.dlt', NULL, NULL, 'malformed', 'PARKED');
INSERT INTO compensate_group (id, tenant, task_id, group_key, total, succeeded, sealed, generation,
  ended_generation) VALUES
  (1, 'acme', 4, NULL, 1, 1, TRUE, 1, 1), (2, 'acme', NULL, 'grp', 2, 2, TRUE, 1, 1);
INSERT INTO import_batch (tenant, task_id, batch_no, first_row, last_row, done, inserted, updated,
  failed, skipped) VALUES ('acme', 4, 0, 2, 5, 2, 2, 0, 2, 0);
INSERT INTO notification (tenant, recipient_kind, recipient, kind, notification_key, params) VALUES
  ('acme', 'USER', '7', 'x', 'n.0/1', '{}');
INSERT INTO chaos_append (tenant, effect, amount) VALUES ('acme', 'i.0', 0), ('acme', 'i.2', 2),
  ('acme', 'g.0', 0), ('acme', 'g.1', 1), ('acme', 'grp.0', 0), ('acme', 'grp.1', 1),
  ('acme', 'grp.end', 0), ('acme', 's.0', 0);
INSERT INTO chaos_upsert (tenant, effect, amount) VALUES ('acme', 'd.0', 0), ('acme', 'd.1', 1),
  ('acme', 'd.2', 2), ('acme', 'k.0', 0);
INSERT INTO chaos_order (name) VALUES ('s');";

/// What is true, or, once it is spoilt, what there is.
pub(super) struct Truth {
    /// Run on the sound database.
    sql: String,
    pub(super) tasks: Vec<Accepted>,
    pub(super) business: Vec<AcceptedBusiness>,
    /// Of the gateway, by path under `/api/v1/tasks/`.
    pub(super) answers: BTreeMap<String, Vec<u8>>,
    /// To the service: what names the item, its tenant, its body.
    pub(super) calls: Vec<(&'static str, &'static str, Value)>,
}

impl Truth {
    pub(super) fn sound() -> Self {
        let yes = json!({"manner": "take"});
        let workbook = workbook();
        let (csv, xlsx) = (hash(CSV.as_bytes()), hash(&workbook));
        let told = |status, total, done, failed| {
            let progress = json!({"total_rows": total, "done_rows": done, "failed_rows": failed});
            let told = json!({"status": status, "progress": progress});
            told.to_string().into_bytes()
        };
        Self {
            sql: format!(
                "INSERT INTO task_file (id, tenant, task_id, role, state, object_key, name, sha256, \
                 row_count, expires_at) VALUES \
                 (1, 'acme', 1, 'ARTIFACT', 'AVAILABLE', 'x', 'x', '{csv}', 3, UTC_TIMESTAMP(6)), \
                 (2, 'acme', 2, 'ARTIFACT', 'AVAILABLE', 'x', 'x', '{xlsx}', 1, UTC_TIMESTAMP(6))"
            ),
            tasks: tasks(),
            business: business(),
            answers: BTreeMap::from(
                [
                    ("1", told("SUCCESS", 3, 3, 0)),
                    ("2", told("SUCCESS", 1, 1, 0)),
                    ("3", told("FAILED", 0, 0, 0)),
                    ("4", told("PARTIAL_SUCCESS", 4, 2, 2)),
                    ("5", told("SUCCESS", 2, 2, 0)),
                    ("6", told("CANCELLED", 0, 0, 0)),
                    ("1/files/1", CSV.as_bytes().to_vec()),
                    ("2/files/2", workbook),
                ]
                .map(|(path, answer)| (path.to_owned(), answer)),
            ),
            calls: vec![
                ("chaos_call/c.0", "acme", yes.clone()),
                ("chaos_call/c.0", "acme", yes.clone()),
                ("chaos_batch/b.0", "acme", yes),
            ],
        }
    }

    /// The database, changed.
    pub(super) fn spoil(&mut self, sql: &str) {
        self.sql.push_str("; ");
        self.sql.push_str(sql);
    }

    /// The answer about a task, changed.
    pub(super) fn tell(&mut self, task: &str, change: impl FnOnce(&mut Value)) {
        let answer = self.answers.get_mut(task).expect("the task is known");
        let mut told = serde_json::from_slice(answer).expect("JSON");
        change(&mut told);
        *answer = told.to_string().into_bytes();
    }
}

/// Where truths are looked at, one after the other.
pub(super) struct Scene {
    database: TestDatabase,
    gateway: Gateway,
    evidence: tempfile::TempDir,
}

impl Scene {
    pub(super) async fn build() -> Self {
        let database = TestDatabase::create().await;
        for script in ["chaos_append", "chaos_upsert"] {
            let path = format!("{}/datasets/{script}.sql", env!("CARGO_MANIFEST_DIR"));
            let script = std::fs::read_to_string(path).expect("a script");
            database.execute(&script).await;
        }
        Self {
            database,
            gateway: Gateway::open().await,
            evidence: tempfile::tempdir().expect("a directory"),
        }
    }

    /// What the checker says of it; `open`: of what has not ended.
    pub(super) async fn judge(&self, truth: &Truth, open: bool) -> (Tally, Vec<String>) {
        let plant = format!("BEGIN; {CLEAN} {SOUND} {}; COMMIT", truth.sql);
        self.database.execute(&plant).await;
        self.gateway.answers(truth.answers.clone());
        let (mysql, gateway) = (self.database.url(), self.gateway.url.clone());
        let checker = Checker::apart(mysql, gateway, MEMBERS, self.evidence.path()).await;
        let checker = checker.expect("a checker");
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.expect("a client");
        for (key, tenant, context) in &truth.calls {
            let call = http.post(checker.service());
            let call = if key.starts_with("chaos_batch") {
                let item = json!({"key": key, "tenant": tenant, "context": context});
                call.json(&json!({"items": [item]}))
            } else {
                let call = call.header("idempotency-key", *key);
                call.header("x-quayside-tenant", *tenant).json(context)
            };
            call.send().await.expect("an answer");
        }
        if open {
            let quiet = checker.quiet(std::time::Duration::ZERO).await;
            quiet.expect("the database answers");
        }
        let tally = checker.check(&truth.tasks, &truth.business).await;
        (tally.expect("checked"), checker.violations())
    }
}

fn tasks() -> Vec<Accepted> {
    let accepted = |key: &str, task, stored, wish| Accepted {
        key: key.to_owned(),
        wish,
        task,
        stored,
    };
    let export = |format, up_to| Wish::Export { format, up_to };
    let import = |count, every_bad, validate_only| Wish::Import {
        rows: rows(count, every_bad),
        format: Format::Csv,
        abort: false,
        validate_only,
    };
    vec![
        accepted("one", Some(1), 0, export(Format::Csv, 5)),
        accepted("two", Some(2), 0, export(Format::Xlsx, 1)),
        accepted("three", Some(3), 0, Wish::Broken),
        accepted("i", Some(4), 0, import(4, 2, false)),
        accepted("v", Some(5), 0, import(2, 0, true)),
        accepted("six", Some(6), 0, export(Format::Csv, 2)),
        accepted("d", None, 3, Wish::Direct(rows(3, 0))),
    ]
}

fn business() -> Vec<AcceptedBusiness> {
    let accepted = |key: &str, kind, way, rows| AcceptedBusiness {
        key: key.to_owned(),
        wish: Business::of(kind, way, rows),
        rows: BTreeMap::new(),
    };
    vec![
        accepted("g", Handler::Grant, Way::Keyed, rows(3, 3)),
        accepted("k", Handler::Keep, Way::Plain, rows(1, 0)),
        accepted("c", Handler::Call, Way::Keyed, rows(2, 2)),
        accepted("b", Handler::Batch, Way::Plain, rows(1, 0)),
        accepted("n", Handler::Tell, Way::Keyed, rows(1, 0)),
        accepted("grp", Handler::Grant, Way::Grouped, rows(2, 0)),
        accepted("s", Handler::Grant, Way::Sql, rows(1, 0)),
    ]
}

fn rows(count: u32, every_bad: u32) -> Rows {
    Rows {
        dataset: "chaos_append",
        count,
        every_bad,
    }
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write_string(0, 0, "id").expect("a heading");
    sheet.write_number(1, 0, 1.0).expect("a row");
    book.save_to_buffer().expect("a workbook")
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
