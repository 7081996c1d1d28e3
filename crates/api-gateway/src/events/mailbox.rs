//! Between the one that polls and the one that writes a stream: the newest states that the stream
//! has not sent yet. Bounded, and never two states of one task, so a client that reads slowly holds
//! up nobody and skips what is outdated.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use domain::{Task, TaskId};
use tokio::sync::Notify;

use crate::view::TaskView;

/// Tasks that wait in a mailbox at most. Further ones stay in the database meanwhile.
pub(super) const MOST_WAITING: usize = 64;

/// A state of a task, ready to be sent to whoever watches.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) id: TaskId,
    pub(crate) version: u64,
    pub(crate) is_final: bool,
    /// The task as JSON, in one line.
    pub(crate) json: String,
}

impl News {
    /// # Errors
    /// When the task cannot be written as JSON.
    pub(crate) fn of(task: &Task) -> serde_json::Result<Self> {
        Ok(Self {
            id: task.id,
            version: task.version,
            is_final: task.status.is_final(),
            json: serde_json::to_string(&TaskView::from(task))?,
        })
    }
}

/// What is sent next.
#[derive(Debug)]
pub(crate) struct Batch {
    /// By id.
    pub(crate) news: Vec<Arc<News>>,
    /// The database's time of the newest look; of no meaning for the stream of one task.
    pub(crate) as_of: DateTime<Utc>,
    /// Whether nothing that was committed by then is missing.
    pub(crate) complete: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inside: Mutex<Inside>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    news: BTreeMap<TaskId, Arc<News>>,
    as_of: DateTime<Utc>,
    complete: bool,
    closed: bool,
}

impl Mailbox {
    /// Whether a state of this task would be taken.
    pub(crate) fn takes(&self, id: TaskId) -> bool {
        let inside = self.inside();
        inside.news.len() < MOST_WAITING || inside.news.contains_key(&id)
    }

    /// Puts a state in the place of an older one; false when there is no room.
    pub(crate) fn put(&self, news: Arc<News>) -> bool {
        if !self.takes(news.id) {
            return false;
        }
        let mut inside = self.inside();
        inside.news.insert(news.id, news);
        drop(inside);
        self.arrived.notify_one();
        true
    }

    /// Says up to when it has been looked, and whether everything found was put in here.
    pub(crate) fn told(&self, as_of: DateTime<Utc>, complete: bool) {
        let mut inside = self.inside();
        inside.as_of = as_of;
        inside.complete = complete;
    }

    /// Lets the stream end once it has sent what is left.
    pub(crate) fn close(&self) {
        self.inside().closed = true;
        self.arrived.notify_one();
    }

    /// Waits for news; none once it is closed and empty. May be dropped at any moment.
    pub(crate) async fn take(&self) -> Option<Batch> {
        loop {
            if let Some(taken) = self.take_now() {
                return taken;
            }
            self.arrived.notified().await;
        }
    }

    fn take_now(&self) -> Option<Option<Batch>> {
        let mut inside = self.inside();
        if inside.news.is_empty() {
            return inside.closed.then_some(None);
        }
        let news = std::mem::take(&mut inside.news).into_values().collect();
        Some(Some(Batch {
            news,
            as_of: inside.as_of,
            complete: inside.complete,
        }))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
