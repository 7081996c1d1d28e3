//! What one wants to be told of, and where.

use serde_json::Value;

use super::Gateway;
use crate::exit::Failure;

impl Gateway {
    /// `POST /webhooks`; the webhook, with its secret.
    pub(crate) async fn add_webhook(
        &self,
        body: &Value,
        idempotency_key: Option<&str>,
    ) -> Result<Value, Failure> {
        let mut call = self.http.post(self.at(&["webhooks"])?).json(body);
        if let Some(key) = idempotency_key {
            call = call.header("Idempotency-Key", key);
        }
        self.read(self.send(call).await?).await
    }

    pub(crate) async fn remove_webhook(&self, id: u64) -> Result<(), Failure> {
        let call = self.http.delete(self.at(&["webhooks", &id.to_string()])?);
        self.send(call).await.map(drop)
    }

    pub(crate) async fn notification_settings(&self) -> Result<Value, Failure> {
        let url = self.at(&["notifications", "settings"])?;
        self.read(self.send(self.http.get(url)).await?).await
    }

    pub(crate) async fn set_notification_settings(&self, body: &Value) -> Result<Value, Failure> {
        let call = self.http.put(self.at(&["notifications", "settings"])?);
        self.read(self.send(call.json(body)).await?).await
    }
}
