//! The life of the process: starting, ready, draining, over.
//!
//! - SIGTERM or SIGINT begins the **soft** shutdown: take nothing new, finish or hand back.
//! - After the grace period the process leaves, whatever still runs. The design survives that as
//!   it survives any crash.
//! - A second signal exits at once: 130 after SIGINT, 143 after SIGTERM.
//! - Only tracked tasks are spawned. One that panics, fails, or ends before the soft shutdown
//!   ends the process with an error, so a half-alive process cannot exist.
//!
//! Proven by `tests/it/lifecycle.rs`.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What the support tasks may use to end once all work is done.
const LAST_MOMENTS: Duration = Duration::from_secs(2);

/// Where the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not ready yet.
    Starting,
    /// Takes work.
    Ready,
    /// Takes no new work and finishes what it has.
    Draining,
}

/// How a life ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// A tracked task ended that should have lived on.
    #[error("the task \"{task}\" ended unexpectedly: {reason}")]
    TaskEnded {
        /// Its name.
        task: &'static str,
        /// How.
        reason: String,
    },
    /// The grace period was not enough.
    #[error("work was still running when the grace period of {} s was over", grace.as_secs())]
    GraceOver {
        /// The period.
        grace: Duration,
    },
}

/// The life of the process; clones speak of the same one.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    grace: Duration,
    ready: CancellationToken,
    soft: CancellationToken,
    drained: CancellationToken,
    tasks: TaskTracker,
    support: TaskTracker,
    failure: Mutex<Option<Ended>>,
}

impl Lifecycle {
    /// A life that, once its end has begun, leaves running work `grace` to finish.
    pub fn new(grace: Duration) -> Self {
        let inner = Inner {
            grace,
            ready: CancellationToken::new(),
            soft: CancellationToken::new(),
            drained: CancellationToken::new(),
            tasks: TaskTracker::new(),
            support: TaskTracker::new(),
            failure: Mutex::new(None),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Runs `work` as a tracked task. It may end, with `Ok`, only after [`Lifecycle::soft`]
    /// fell; anything else ends the process with an error that names the task.
    pub fn spawn<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.inner.tasks.spawn(self.clone().watched(name, work));
    }

    /// As [`Lifecycle::spawn`], for what must answer until all work is done (the admin port):
    /// it is told to end by [`Lifecycle::drained`].
    pub fn spawn_support<F>(&self, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        self.inner.support.spawn(self.clone().watched(name, work));
    }

    /// Falls when the soft shutdown begins: take nothing new.
    pub fn soft(&self) -> CancellationToken {
        self.inner.soft.clone()
    }

    /// Falls when all tracked tasks have ended, or the grace period is over.
    pub fn drained(&self) -> CancellationToken {
        self.inner.drained.clone()
    }

    /// The time that running work gets once the soft shutdown has begun.
    pub fn grace(&self) -> Duration {
        self.inner.grace
    }

    /// Says that the process takes work from now on.
    pub fn set_ready(&self) {
        self.inner.ready.cancel();
    }

    /// Begins the soft shutdown, as SIGTERM does.
    pub fn begin_shutdown(&self) {
        self.inner.soft.cancel();
    }

    /// Where the process is in its life.
    pub fn phase(&self) -> Phase {
        if self.inner.soft.is_cancelled() {
            Phase::Draining
        } else if self.inner.ready.is_cancelled() {
            Phase::Ready
        } else {
            Phase::Starting
        }
    }

    /// Lives until a signal, [`Lifecycle::begin_shutdown`] or the unexpected end of a task, then
    /// drains. An error names what went wrong.
    pub async fn run_to_end(&self) -> Result<(), Ended> {
        let inner = &self.inner;
        inner.soft.cancelled().await;
        tracing::info!(grace_seconds = inner.grace.as_secs(), "shutting down");
        inner.tasks.close();
        inner.support.close();
        let in_time = tokio::time::timeout(inner.grace, inner.tasks.wait())
            .await
            .is_ok();
        inner.drained.cancel();
        drop(tokio::time::timeout(LAST_MOMENTS, inner.support.wait()).await);
        let failure = inner
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match failure {
            Some(failure) => Err(failure),
            None if in_time => Ok(()),
            None => Err(Ended::GraceOver { grace: inner.grace }),
        }
    }

    /// Lets SIGTERM and SIGINT begin the soft shutdown, and a second one exit at once.
    pub fn listen_to_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let life = self.clone();
        // Not waited for: it lives as long as the process.
        TaskTracker::new().spawn(async move {
            loop {
                let exit_code = tokio::select! {
                    _ = terminate.recv() => 143,
                    _ = interrupt.recv() => 130,
                };
                if life.phase() == Phase::Draining {
                    tracing::warn!(exit_code, "second signal: exiting at once");
                    std::process::exit(exit_code);
                }
                life.begin_shutdown();
            }
        });
        Ok(())
    }

    async fn watched<F>(self, name: &'static str, work: F)
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let reason = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(())) if self.inner.soft.is_cancelled() => return,
            Ok(Ok(())) => "it returned while the process was to live on".to_owned(),
            Ok(Err(error)) => format!("{error:#}"),
            Err(panic) => format!("it panicked: {}", panic_text(panic.as_ref())),
        };
        tracing::error!(task = name, reason, "a tracked task ended unexpectedly");
        self.inner
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(Ended::TaskEnded { task: name, reason });
        self.begin_shutdown();
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
