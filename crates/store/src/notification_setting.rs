//! What a user wants to be told by when a task of theirs ends. Without a word from them: by nothing.
//! Shown by `tests/it/notice.rs`.

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::RunQueryDsl;
use domain::{ObjectKind, OperationAction, Tenant, UserId};
use serde_json::json;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::operation_log::{self, Actor, Operation};
use crate::pool::Connection;

/// By what a user wants to be told; webhooks are besides it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotificationSettings {
    /// By the inbox.
    pub in_app: bool,
    /// By mail to this address, at most 254 characters.
    pub email: Option<String>,
}

impl Store {
    /// What the user has set.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn notification_settings(
        &self,
        tenant: &Tenant,
        user: &UserId,
    ) -> Result<NotificationSettings, StoreError> {
        let (tenant, user) = (tenant.clone(), user.clone());
        self.transact(
            Op::Notifications,
            async move |connection: &mut Connection| {
                let rows: Vec<SettingRow> = sql_query(
                    "SELECT in_app, email FROM notification_setting FORCE INDEX (PRIMARY) \
                     WHERE tenant = ? AND created_by = ?",
                )
                .bind::<Text, _>(tenant.as_str())
                .bind::<Text, _>(user.as_str())
                .load(connection)
                .await?;
                let row = rows.into_iter().next();
                Ok(
                    row.map_or_else(NotificationSettings::default, |row| NotificationSettings {
                        in_app: row.in_app,
                        email: row.email,
                    }),
                )
            },
        )
        .await
    }

    /// Sets what the actor wants, for tasks that end from now on. Again, it changes nothing but the
    /// log; so it is done again after an unknown COMMIT.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_notification_settings(
        &self,
        actor: &Actor,
        settings: &NotificationSettings,
    ) -> Result<(), StoreError> {
        let set = || {
            let (actor, settings) = (actor.clone(), settings.clone());
            self.transact(
                Op::Notifications,
                async move |connection: &mut Connection| {
                    sql_query(
                        "INSERT INTO notification_setting (tenant, created_by, in_app, email) \
                         VALUES (?, ?, ?, ?) AS new ON DUPLICATE KEY UPDATE in_app = new.in_app, \
                         email = new.email, updated_at = UTC_TIMESTAMP(6)",
                    )
                    .bind::<Text, _>(actor.tenant.as_str())
                    .bind::<Text, _>(actor.user.as_str())
                    .bind::<Bool, _>(settings.in_app)
                    .bind::<Nullable<Text>, _>(settings.email.as_deref())
                    .execute(connection)
                    .await?;
                    operation_log::write(connection, &entry(&actor, &settings)).await
                },
            )
        };
        match set().await {
            Err(StoreError::UnknownCommit(_)) => set().await,
            done => done,
        }
    }
}

/// The address is nobody's business but its owner's.
fn entry(actor: &Actor, settings: &NotificationSettings) -> Operation {
    let (action, object) = (OperationAction::SettingsChange, ObjectKind::Settings);
    Operation::done(actor, action, object, &actor.user).with_detail(json!({
        "in_app": settings.in_app,
        "email": settings.email.is_some(),
    }))
}

#[derive(QueryableByName)]
struct SettingRow {
    #[diesel(sql_type = Bool)]
    in_app: bool,
    #[diesel(sql_type = Nullable<Text>)]
    email: Option<String>,
}
