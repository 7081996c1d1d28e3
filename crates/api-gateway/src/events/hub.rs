//! One look at the database for all who watch: while somebody does, one loop per process asks for
//! the versions of all that is watched, reads once what has changed, and puts it into the mailboxes.
//!
//! A database that is away ends no stream: the loop goes on asking. The soft shutdown ends them all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use service::{EventSettings, Lifecycle};
use store::Store;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::book::{Book, Owner, Subject, Watcher};
use super::mailbox::{Mailbox, News};
use super::slots::{Full, Slot, Slots};

/// Least time between two looks, however many streams begin: they share one.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// Tasks that are read at one look, at most; the others' turn comes at the next.
const MOST_READ: usize = 1_000;

/// Knows all open streams of this process.
pub(crate) struct Hub {
    store: Store,
    poll_interval: Duration,
    slots: Arc<Slots>,
    book: Mutex<Book>,
    /// Somebody waits for a first look.
    kick: Notify,
}

/// A stream's place at the hub; leaves it when dropped.
pub(super) struct Watch {
    hub: Arc<Hub>,
    subject: Subject,
    key: u64,
    pub(super) mailbox: Arc<Mailbox>,
    _slot: Slot,
}

impl Hub {
    pub(crate) fn new(store: Store, settings: &EventSettings) -> Arc<Self> {
        Arc::new(Self {
            store,
            poll_interval: settings.poll_interval(),
            slots: Arc::new(Slots::new(
                settings.streams_per_user,
                settings.streams_per_process,
            )),
            book: Mutex::default(),
            kick: Notify::new(),
        })
    }

    /// Looks for changes until the soft shutdown, which ends every stream.
    pub(crate) fn start(self: &Arc<Self>, lifecycle: &Lifecycle) {
        let hub = self.clone();
        let soft = lifecycle.soft();
        lifecycle.spawn("live events", async move {
            soft.run_until_cancelled(hub.run()).await;
            hub.book().close();
            Ok(())
        });
    }

    /// Watches a task from this state of it on; `known` is the version that the client has.
    pub(super) fn watch_task(
        self: &Arc<Self>,
        owner: Owner,
        news: News,
        known: Option<u64>,
    ) -> Result<Watch, Full> {
        let slot = self.slots.take(owner, "task")?;
        let mailbox = Arc::<Mailbox>::default();
        let watcher = Watcher::of_task(mailbox.clone(), news.id, news.version);
        let subject = Subject::Task(news.id);
        if known != Some(news.version) {
            mailbox.put(Arc::new(news));
        }
        Ok(self.enter(subject, watcher, mailbox, slot))
    }

    /// Watches a user's own tasks. The first look comes at once.
    pub(super) fn watch_own(
        self: &Arc<Self>,
        owner: Owner,
        finished_after: Option<DateTime<Utc>>,
    ) -> Result<Watch, Full> {
        let slot = self.slots.take(owner.clone(), "own")?;
        let mailbox = Arc::<Mailbox>::default();
        let watcher = Watcher::of_user(mailbox.clone(), finished_after);
        Ok(self.enter(Subject::Own(owner), watcher, mailbox, slot))
    }

    fn enter(
        self: &Arc<Self>,
        subject: Subject,
        watcher: Watcher,
        mailbox: Arc<Mailbox>,
        slot: Slot,
    ) -> Watch {
        let key = self.book().enter(subject.clone(), watcher);
        self.kick.notify_one();
        Watch {
            hub: self.clone(),
            subject,
            key,
            mailbox,
            _slot: slot,
        }
    }

    async fn run(&self) {
        let mut away = false;
        loop {
            while self.book().is_empty() {
                self.kick.notified().await;
            }
            let began = Instant::now();
            match self.look().await {
                Ok(()) if away => {
                    away = false;
                    tracing::info!("live events go on");
                }
                Ok(()) => {}
                Err(error) if away => tracing::debug!(error = %format!("{error:#}"), "still none"),
                Err(error) => {
                    away = true;
                    let error = format!("{error:#}");
                    tracing::warn!(error, "live events wait for the database");
                }
            }
            self.pause(began).await;
        }
    }

    /// Until the next look is due, or somebody waits for a first one.
    async fn pause(&self, began: Instant) {
        tokio::select! {
            () = sleep_until(began + self.poll_interval) => {}
            () = self.kick.notified() => sleep_until(began + SHORTEST_PAUSE).await,
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        let question = self.book().question();
        if question.is_empty() {
            return Ok(());
        }
        let (tasks, users) = (question.tasks.clone(), question.users.clone());
        let found = self.store.standings(tasks, users).await?;
        let wanted = self.book().wanted(&question, &found);
        let wanted: Vec<_> = wanted.into_iter().take(MOST_READ).collect();
        let mut news = HashMap::with_capacity(wanted.len());
        if !wanted.is_empty() {
            for task in self.store.tasks_by_id(wanted).await? {
                news.insert(task.id, Arc::new(News::of(&task)?));
            }
        }
        self.book().tell(&question, &found, &news);
        Ok(())
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.hub.book().strike(&self.subject, self.key);
    }
}
