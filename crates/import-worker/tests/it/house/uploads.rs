//! Uploads, and imports submitted with them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{ImportOptions, ImportSpec, TaskId, Tenant, Upload, UploadFormat, UserId};
use serde_json::Value;
use service::Label;
use store::{NewImport, NewUpload, Once, OpenTaskLimits, Submission, UploadOpened};

use super::{House, imports};

/// An upload and what is to become of it.
pub(crate) struct Import<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) dataset: &'a str,
    pub(crate) name: &'a str,
    pub(crate) locale: &'a str,
    pub(crate) options: Value,
    pub(crate) content: Vec<u8>,
}

impl<'a> Import<'a> {
    pub(crate) fn members(content: Vec<u8>, options: Value) -> Self {
        Self {
            tenant: "acme",
            dataset: "member",
            name: "会员.xlsx",
            locale: "zh-CN",
            options,
            content,
        }
    }

    pub(crate) fn club(content: Vec<u8>, options: Value) -> Self {
        Self {
            tenant: "acme",
            dataset: "club",
            name: "club.xlsx",
            locale: "en",
            options,
            content,
        }
    }
}

impl House {
    /// Imports members of acme.
    pub(crate) async fn import_members(&self, content: Vec<u8>, options: Value) -> TaskId {
        self.import(Import::members(content, options)).await
    }

    /// Stores the upload and submits its import without a ring: the scan finds it.
    pub(crate) async fn import(&self, import: Import<'_>) -> TaskId {
        let lane = imports();
        let tenant = Tenant::parse(import.tenant).expect("a name");
        let user = UserId::parse("7").expect("a name");
        let upload = self.upload(&tenant, &user, &import).await;
        let dataset = self.catalog.get(import.dataset).expect("defined");
        // as the gateway does: beside the options of the file
        let mut options = import.options.clone();
        let zone = options.as_object_mut().and_then(|it| it.remove("timezone"));
        let zone = zone.as_ref().and_then(Value::as_str);
        let options: ImportOptions = serde_json::from_value(options).expect("options");
        let spec = ImportSpec {
            dataset: import.dataset.to_owned(),
            dataset_version: dataset.version.clone(),
            upload: upload.clone(),
            locale: import.locale.to_owned(),
            timezone: zone.unwrap_or("Asia/Shanghai").parse().expect("a zone"),
            queue: "default".to_owned(),
            sees_sensitive: true,
            options,
        };
        let new = NewImport {
            tenant,
            user,
            request_id: None,
            dataset: import.dataset.to_owned(),
            name: import.name.to_owned(),
            queue: "default".to_owned(),
            lane,
            locale: import.locale.to_owned(),
            options: import.options.to_string(),
            context: serde_json::to_string(&spec).expect("JSON"),
            max_retries: 20,
            trace_context: None,
            scan_interval: Duration::ZERO,
            upload,
        };
        let limits = OpenTaskLimits::default();
        let submitted = self.store.submit_import_once(new, Once::Always, limits);
        match submitted.await.expect("accepted") {
            Submission::New(accepted) => accepted.task.id,
            other => panic!("not new: {other:?}"),
        }
    }

    async fn upload(&self, tenant: &Tenant, user: &UserId, import: &Import<'_>) -> Upload {
        let format = if import.name.ends_with(".csv") {
            UploadFormat::Csv
        } else {
            UploadFormat::Xlsx
        };
        let name = uuid_like();
        let object_key = domain::upload_key(tenant, &name, format);
        let new = NewUpload {
            tenant: tenant.clone(),
            user: user.clone(),
            object_key: object_key.clone(),
            name: import.name.to_owned(),
            keep: Duration::from_secs(3_600),
        };
        let UploadOpened::Opened(file) = self.store.open_upload(new, 1_000).await.expect("opened")
        else {
            panic!("too many uploads")
        };
        let content = futures::stream::iter([Ok(Bytes::from(import.content.clone()))]);
        let label = Label::new(import.name);
        let stored = self.storage.put(&object_key, &label, content).await;
        let stored = stored.expect("stored");
        Upload {
            file,
            object_key,
            name: import.name.to_owned(),
            size: stored.size,
            sha256: stored.sha256,
            format,
        }
    }
}

fn uuid_like() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("upload-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
