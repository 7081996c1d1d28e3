//! `quay tasks watch`: follows one task to its end, or prints each change of all of one's own.
//!
//! Changes come as server-sent events. Whenever there is no stream, or it breaks, the tasks are
//! looked at as well, so that nothing is missed; the next stream resumes where the last one broke.
//! Shown by `tests/it/watch.rs`.

use std::time::Duration;

use crate::cli::WatchArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::export::summary;
use crate::patience::{Patience, how_to_go_on, look_at, still_running};
use crate::print::{answer, say};
use crate::progress::Shown;
use crate::tasks::reason;
use crate::wire::{Answered, Task};
use known::{Known, print_line};
use stream::Stream;

mod known;
mod stream;

/// Newest tasks that are looked at where there is no stream (the longest page of api.md).
const LOOKED_AT: &str = "200";

pub(crate) async fn run(args: &WatchArgs) -> Result<Exit, Failure> {
    let gateway = Gateway::new(&args.gateway)?;
    let patience = Patience::new(args.timeout.map(Duration::from_secs));
    let Some(id) = args.id else {
        return all(&gateway, patience, args.json).await;
    };
    let ended = one(&gateway, &id.to_string(), patience, args.json).await?;
    if !ended.came_to_a_file() {
        return Err(reason(&ended));
    }
    if !args.json {
        answer(summary(&ended, None));
    }
    Ok(Exit::Done)
}

/// Follows a task until it is final.
async fn one(
    gateway: &Gateway,
    id: &str,
    mut patience: Patience,
    as_json: bool,
) -> Result<Task, Failure> {
    let mut stream = Stream::new(gateway, Some(id));
    let mut view = View::new(as_json);
    loop {
        // Opened before the look, so that no change falls between the two.
        let (opened, mut wrong) = open(&mut stream, &patience).await;
        let mut asked = None;
        match look_at(&mut patience, gateway, id).await {
            Ok(next) => {
                asked = next.retry_after;
                view.take(next.answered);
            }
            Err(failure) => wrong = Some(failure),
        }
        if let Some(failure) = wrong {
            asked = view.bear(&patience, failure, id)?;
        }
        if let Some(opened) = opened.filter(|_| !view.is_over()) {
            let each = |answered| view.take(answered);
            patience.within(stream.read(opened, each)).await;
            asked = stream.pause(&mut patience);
        }
        match view.latest {
            Some(task) if task.status.is_final() => return Ok(task),
            _ if patience.is_over() => return Err(still_running(id)),
            latest => view.latest = latest,
        }
        patience.pause(asked).await;
    }
}

/// The stream, if there is one; that there is none is not yet the end: the look tells.
async fn open(
    stream: &mut Stream<'_>,
    patience: &Patience,
) -> (Option<reqwest::Response>, Option<Failure>) {
    match patience.within(stream.open()).await {
        Some(Ok(opened)) => (opened, None),
        Some(Err(failure)) => (None, Some(failure)),
        None => (None, None),
    }
}

/// What a person or a script is shown of one task.
struct View {
    /// None where lines of JSON are printed instead.
    shown: Option<Shown>,
    latest: Option<Task>,
}

impl View {
    fn new(as_json: bool) -> Self {
        Self {
            shown: (!as_json).then(Shown::new),
            latest: None,
        }
    }

    fn is_over(&self) -> bool {
        self.latest
            .as_ref()
            .is_some_and(|task| task.status.is_final())
    }

    /// Shows it, unless a later one was shown; whether it is the last.
    fn take(&mut self, next: Answered) -> bool {
        let version = self.latest.as_ref().map(|latest| latest.version);
        if version > Some(next.task.version) {
            return self.is_over();
        }
        match &self.shown {
            Some(shown) => shown.show(&next.task),
            None if version < Some(next.task.version) => print_line(&next.json),
            None => {}
        }
        self.latest = Some(next.task);
        self.is_over()
    }

    /// Says what is wrong and goes on; ends where nothing was ever seen.
    fn bear(
        &self,
        patience: &Patience,
        failure: Failure,
        id: &str,
    ) -> Result<Option<Duration>, Failure> {
        if self.latest.is_none() {
            return Err(failure);
        }
        let borne = patience.bear(failure);
        let borne = borne.map_err(|failure| failure.also(how_to_go_on(id)))?;
        match &self.shown {
            Some(shown) => shown.say(&borne.say),
            None => say(&borne.say),
        }
        Ok(borne.retry_after)
    }
}

/// Prints a line for each change of any task, until the time is over.
async fn all(gateway: &Gateway, mut patience: Patience, as_json: bool) -> Result<Exit, Failure> {
    let mut stream = Stream::new(gateway, None);
    let mut known = Known::new(as_json);
    let mut greeted = false;
    loop {
        let (opened, mut wrong) = open(&mut stream, &patience).await;
        let mut asked = None;
        match patience.look(gateway, recent(gateway)).await {
            Ok(tasks) => {
                if known.take_all(tasks, greeted) {
                    patience.backoff.reset();
                }
                if !greeted {
                    say("Watching your tasks; Ctrl-C ends it.");
                }
                greeted = true;
            }
            Err(failure) => wrong = Some(failure),
        }
        if let Some(failure) = wrong {
            if !greeted {
                return Err(failure);
            }
            let borne = patience.bear(failure)?;
            say(&borne.say);
            asked = borne.retry_after;
        }
        if let Some(opened) = opened {
            let each = |answered: Answered| {
                known.take(&answered, true);
                false
            };
            patience.within(stream.read(opened, each)).await;
            asked = stream.pause(&mut patience);
        }
        if patience.is_over() {
            return Ok(Exit::Done);
        }
        patience.pause(asked).await;
    }
}

/// The newest tasks, oldest first.
async fn recent(gateway: &Gateway) -> Result<Vec<Answered>, Failure> {
    let page = gateway
        .page(&["tasks"], &[("limit", LOOKED_AT.to_owned())])
        .await?;
    let tasks = page.items.into_iter().rev().map(Answered::read);
    tasks
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::local("the list is not understood", error))
}
