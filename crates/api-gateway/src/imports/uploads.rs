//! Files on their way into storage. Each is kept by a task of its own on the main runtime, told of
//! in `task_file` before its first byte is stored: a client that goes away takes only its own end of
//! the channel with it, and what it left unfinished is removed, or found by the sweeper.

use std::time::Duration;

use actix_web::web::Bytes;
use anyhow::anyhow;
use domain::{TaskFileId, Tenant, Upload, UploadFormat, UserId, upload_key};
use engine::Announcer;
use futures::{Stream, stream};
use service::{Label, Storage, StorageError};
use store::{
    Announced, NewImport, NewUpload, Once, OpenTaskLimits, Store, StoreError, Submission,
    UploadOpened,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::too_large;
use crate::auth::Caller;
use crate::problem::Problem;
use crate::quotas::too_many_uploads;

/// Pieces on their way between the client and storage.
const PIECES: usize = 4;

/// Longest wait for storage to remove what is not wanted; what is left then is marked for removal.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

/// How long an upload is kept, like the other files of its task: 7 days.
const KEEP: Duration = Duration::from_secs(7 * 24 * 3_600);

/// Takes uploads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Uploads {
    pub(crate) store: Store,
    pub(crate) storage: Storage,
    pub(crate) announcer: Announcer,
    /// Uploads of one user that may be under way.
    pub(crate) most_open: u32,
    pub(crate) under_way: TaskTracker,
}

/// A file that is being stored.
pub(super) struct Incoming {
    pieces: mpsc::Sender<Piece>,
    keeping: JoinHandle<Result<Held, Problem>>,
}

/// Without an end there is no file: a channel that is just closed is a client that is gone.
enum Piece {
    Bytes(Bytes),
    End,
}

impl Uploads {
    /// Begins to keep a file.
    pub(super) fn begin(
        &self,
        caller: &Caller,
        (name, format): (String, UploadFormat),
        language: &str,
    ) -> Incoming {
        let (pieces, coming) = mpsc::channel(PIECES);
        let key = upload_key(&caller.tenant, &Uuid::new_v4().to_string(), format);
        let keeping = self.clone().keep(
            (caller.tenant.clone(), caller.user.clone()),
            (key, name, format),
            language.to_owned(),
            coming,
        );
        Incoming {
            pieces,
            keeping: self.under_way.spawn_on(keeping, self.store.runtime()),
        }
    }

    async fn keep(
        self,
        (tenant, user): (Tenant, UserId),
        (object_key, name, format): (String, String, UploadFormat),
        language: String,
        coming: mpsc::Receiver<Piece>,
    ) -> Result<Held, Problem> {
        let new = NewUpload {
            tenant: tenant.clone(),
            user,
            object_key: object_key.clone(),
            name: name.clone(),
            keep: KEEP,
        };
        let file = match self.store.open_upload(new, self.most_open).await? {
            UploadOpened::Opened(file) => file,
            UploadOpened::TooMany(_) => return Err(too_many_uploads(self.most_open)),
        };
        let upload = Upload {
            file,
            object_key,
            name,
            size: 0,
            sha256: String::new(),
            format,
        };
        let mut held = Held {
            stray: true,
            uploads: self,
            tenant,
            upload,
        };
        let (storage, upload) = (held.uploads.storage.clone(), &held.upload);
        let label = Label::new(&upload.name);
        match storage
            .put(&upload.object_key, &label, content(coming))
            .await
        {
            Ok(stored) => {
                held.upload.size = stored.size;
                held.upload.sha256 = stored.sha256;
                Ok(held)
            }
            Err(error) => {
                held.discard().await;
                Err(match error {
                    StorageError::TooLarge { limit } => too_large(limit, &language),
                    other => other.into(),
                })
            }
        }
    }

    /// Waits until what was begun has ended; at most so long.
    pub(crate) async fn close(&self, patience: Duration) {
        self.under_way.close();
        let ended = tokio::time::timeout(patience, self.under_way.wait()).await;
        if ended.is_err() {
            tracing::warn!("unfinished uploads are left to the sweeper");
        }
    }

    /// Removes a file that will be nobody's.
    async fn remove(self, tenant: Tenant, file: TaskFileId, object_key: String) {
        if let Err(error) = self.store.drop_upload(&tenant, file).await {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(file.id = %file, error, "an unfinished upload is left to the sweeper");
            return;
        }
        let deleting = self.storage.delete(&object_key);
        let deleted = match tokio::time::timeout(REMOVAL_PATIENCE, deleting).await {
            Ok(deleted) => deleted.map_err(anyhow::Error::from),
            Err(_elapsed) => Err(anyhow!("storage takes its time")),
        };
        let noted = match deleted {
            Ok(()) => self.store.objects_removed(&tenant, &[file]).await,
            Err(error) => {
                tracing::warn!(file.id = %file, error = format!("{error:#}"),
                    "an object is left for later");
                return;
            }
        };
        if let Err(error) = noted {
            let error = format!("{:#}", anyhow::Error::from(error));
            tracing::warn!(file.id = %file, error, "a removed object stays marked for removal");
        }
    }
}

fn content(coming: mpsc::Receiver<Piece>) -> impl Stream<Item = std::io::Result<Bytes>> + Send {
    stream::unfold(Some(coming), async |coming| {
        let mut coming = coming?;
        match coming.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(coming))),
            Some(Piece::End) => None,
            None => {
                let gone = std::io::ErrorKind::UnexpectedEof.into();
                Some((Err(gone), None))
            }
        }
    })
}

impl Incoming {
    /// Hands on the next bytes; waits while storage is slower than the client. False when it has
    /// ended already: [`Incoming::finish`] tells why.
    pub(super) async fn take(&mut self, bytes: Bytes) -> bool {
        self.pieces.send(Piece::Bytes(bytes)).await.is_ok()
    }

    /// The file is whole.
    pub(super) async fn finish(self) -> Result<Held, Problem> {
        // What has ended already says why.
        drop(self.pieces.send(Piece::End).await);
        self.keeping.await.map_err(Problem::internal)?
    }

    /// The file will not be whole: nothing of it stays.
    pub(super) async fn abandon(self) {
        let Self { pieces, keeping } = self;
        drop(pieces);
        // Its own answer is that the content broke off.
        drop(keeping.await);
    }
}

/// A file in storage that is nobody's yet. Dropped, it is removed.
pub(super) struct Held {
    /// False once somebody else answers for it.
    stray: bool,
    uploads: Uploads,
    tenant: Tenant,
    upload: Upload,
}

impl Held {
    pub(super) fn upload(&self) -> &Upload {
        &self.upload
    }

    /// Removes it.
    pub(super) async fn discard(mut self) {
        self.stray = false;
        self.removal().await;
    }

    /// Makes it a task's, and rings; removes it where the request is a repetition or is refused. A
    /// client that goes away meanwhile changes nothing.
    pub(super) async fn submit(
        self,
        import: NewImport,
        once: Once,
        limits: OpenTaskLimits,
    ) -> Result<Submission, Problem> {
        let uploads = self.uploads.clone();
        let submitting = self.submit_here(import, once, limits);
        let submitted = uploads
            .under_way
            .spawn_on(submitting, uploads.store.runtime());
        submitted.await.map_err(Problem::internal)?
    }

    async fn submit_here(
        mut self,
        import: NewImport,
        once: Once,
        limits: OpenTaskLimits,
    ) -> Result<Submission, Problem> {
        let (lane, trace_context) = (import.lane.clone(), import.trace_context.clone());
        let store = self.uploads.store.clone();
        let submission = store.submit_import_once(import, once, limits).await;
        match &submission {
            Ok(Submission::New(accepted)) => {
                self.stray = false;
                let row = Announced {
                    rung: accepted.rung,
                    trace_context,
                };
                self.uploads.announcer.announce(lane, row);
            }
            // It may be a task's by now. If it is not, the sweeper finds it.
            Err(StoreError::UnknownCommit(_)) => self.stray = false,
            Ok(_) | Err(_) => self.discard().await,
        }
        Ok(submission?)
    }

    fn removal(&self) -> impl Future<Output = ()> + use<> {
        let (file, key) = (self.upload.file, self.upload.object_key.clone());
        self.uploads.clone().remove(self.tenant.clone(), file, key)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.stray {
            let runtime = self.uploads.store.runtime();
            self.uploads.under_way.spawn_on(self.removal(), runtime);
        }
    }
}
