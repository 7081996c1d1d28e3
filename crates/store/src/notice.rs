//! Telling the owner of a task that it has ended: the rows that do so are born in the transaction that
//! ends it, so the telling is as sure as the end, and nobody is told of an end that was taken back.
//!
//! Who has asked for nothing costs two reads by key. Each way of telling is a row of its own: a mail
//! server that is away neither holds up the inbox nor has anything told twice. The rows are rung by the
//! relay. Shown by `tests/it/notice.rs`.

use chrono::NaiveDateTime;
use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Datetime, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::{About, BizType, Lane, NOTIFY, Notice, TaskEnd, TaskId, UserId, WebhookEvent};

use crate::error::StoreError;
use crate::ledger::corrupt;
use crate::pool::Connection;
use crate::webhook::{MAX_WEBHOOKS, born_deliveries};

/// What is to be told, and as which row.
struct Telling {
    biz_id: String,
    notice: Notice,
}

/// Bears what tells the task's owner of its end, as the owner has asked for. To be called with the
/// task's lock, after its end was written.
pub(crate) async fn tell_end(connection: &mut Connection, task: TaskId) -> Result<(), StoreError> {
    // A row that outlived its task tells nobody.
    let Some(ended) = ended(connection, task).await? else {
        return Ok(());
    };
    let (settings, tenant) = (ended.wanted(), ended.tenant.clone());
    let version = ended.version;
    let end = ended.into_end()?;
    let Some(event) = WebhookEvent::of(end.status) else {
        return Ok(());
    };
    let webhooks = webhooks(connection, &tenant, &end.created_by, event).await?;
    let mut tellings = Vec::new();
    if settings.in_app {
        let user = end.created_by.clone();
        let about = About::Task(end.clone());
        tellings.push(Telling {
            biz_id: format!("task/{task}/{version}/inbox"),
            notice: Notice::Inbox { user, about },
        });
    }
    if let Some(to) = settings.email {
        let about = About::Task(end.clone());
        tellings.push(Telling {
            biz_id: format!("task/{task}/{version}/email"),
            notice: Notice::Email { to, about },
        });
    }
    for delivery in born_deliveries(connection, &tenant, &webhooks, event, task).await? {
        let about = About::Task(end.clone());
        tellings.push(Telling {
            // By this name the list of deliveries finds it.
            biz_id: format!("delivery/{delivery}"),
            notice: Notice::Webhook { delivery, about },
        });
    }
    bear(connection, &tenant, &tellings).await
}

/// The rows as a service would insert them: what is left out, the definition says. The task must be able
/// to end: what somebody has put there under such a name is taken as born.
async fn bear(
    connection: &mut Connection,
    tenant: &str,
    tellings: &[Telling],
) -> Result<(), StoreError> {
    if tellings.is_empty() {
        return Ok(());
    }
    let mut insert = sql_query(format!(
        "INSERT INTO compensate_biz (tenant, biz_type, biz_id, lane, context) VALUES {} \
         ON DUPLICATE KEY UPDATE biz_id = compensate_biz.biz_id",
        vec!["(?, ?, ?, ?, ?)"; tellings.len()].join(",")
    ))
    .into_boxed::<Mysql>();
    for telling in tellings {
        let context = serde_json::to_string(&telling.notice).map_err(corrupt)?;
        let lane = Lane::biz(&BizType::parse(NOTIFY)?, telling.notice.queue())?;
        insert = insert
            .bind::<Text, _>(tenant)
            .bind::<Text, _>(NOTIFY)
            .bind::<Text, _>(&telling.biz_id)
            .bind::<Text, _>(lane.as_str().to_owned())
            .bind::<Text, _>(context);
    }
    insert.execute(connection).await?;
    Ok(())
}

/// The webhooks of the user that want to hear of it.
async fn webhooks(
    connection: &mut Connection,
    tenant: &str,
    user: &UserId,
    event: WebhookEvent,
) -> Result<Vec<u64>, StoreError> {
    let found: Vec<WebhookRow> = sql_query(format!(
        "SELECT id, events FROM webhook FORCE INDEX (tenant_user) \
         WHERE tenant = ? AND created_by = ? ORDER BY id LIMIT {MAX_WEBHOOKS}"
    ))
    .bind::<Text, _>(tenant)
    .bind::<Text, _>(user.as_str())
    .load(connection)
    .await?;
    let wants = |row: &WebhookRow| row.events.split(',').any(|word| word == event.as_str());
    Ok(found
        .iter()
        .filter(|it| wants(it))
        .map(|it| it.id)
        .collect())
}

async fn ended(connection: &mut Connection, task: TaskId) -> Result<Option<Ended>, StoreError> {
    let rows: Vec<Ended> = sql_query(
        "SELECT t.tenant, t.id, t.kind, t.dataset, t.name, t.status, t.locale, t.created_by, \
         t.total_rows, t.done_rows, t.failed_rows, t.skipped_rows, t.error_code, t.error_msg, \
         t.finished_at, t.version, COALESCE(s.in_app, FALSE) AS in_app, s.email \
         FROM task t FORCE INDEX (PRIMARY) \
         LEFT JOIN notification_setting s FORCE INDEX (PRIMARY) \
         ON s.tenant = t.tenant AND s.created_by = t.created_by \
         WHERE t.id = ?",
    )
    .bind::<Unsigned<BigInt>, _>(task.0)
    .load(connection)
    .await?;
    Ok(rows.into_iter().next())
}

/// What the owner has asked for.
struct Asked {
    in_app: bool,
    email: Option<String>,
}

#[derive(QueryableByName)]
struct WebhookRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    events: String,
}

#[derive(QueryableByName)]
struct Ended {
    #[diesel(sql_type = Text)]
    tenant: String,
    #[diesel(sql_type = Unsigned<BigInt>)]
    id: u64,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    dataset: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    status: String,
    #[diesel(sql_type = Text)]
    locale: String,
    #[diesel(sql_type = Text)]
    created_by: String,
    #[diesel(sql_type = Nullable<Unsigned<BigInt>>)]
    total_rows: Option<u64>,
    #[diesel(sql_type = Unsigned<BigInt>)]
    done_rows: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    failed_rows: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    skipped_rows: u64,
    #[diesel(sql_type = Nullable<Text>)]
    error_code: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    error_msg: Option<String>,
    #[diesel(sql_type = Nullable<Datetime>)]
    finished_at: Option<NaiveDateTime>,
    #[diesel(sql_type = Unsigned<BigInt>)]
    version: u64,
    #[diesel(sql_type = Bool)]
    in_app: bool,
    #[diesel(sql_type = Nullable<Text>)]
    email: Option<String>,
}

impl Ended {
    fn wanted(&self) -> Asked {
        Asked {
            in_app: self.in_app,
            email: self.email.clone(),
        }
    }

    fn into_end(self) -> Result<TaskEnd, StoreError> {
        Ok(TaskEnd {
            task: self.id,
            kind: self.kind.parse()?,
            dataset: self.dataset,
            name: self.name,
            status: self.status.parse()?,
            locale: self.locale,
            created_by: UserId::stored(self.created_by),
            total_rows: self.total_rows,
            done_rows: self.done_rows,
            failed_rows: self.failed_rows,
            skipped_rows: self.skipped_rows,
            error_code: self.error_code,
            error_message: self.error_msg,
            finished_at: self.finished_at.unwrap_or_default().and_utc(),
        })
    }
}
