//! The imports that a failure file mends: what their user said that holds of their rows still.
//!
//! A failure workbook bears that itself (`tabular::Stamp`); a csv has no place for it but names its
//! import, whose request says it, or that of the import which that one mended. What the new request
//! names counts before either.

use domain::{Failure, Task, TaskId, TaskKind};
use engine::Attempt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{Store, Visibility};
use tabular::Said;
use tokio::runtime::Handle;

use crate::failure::{internal, of_store};

/// Imports that mended one another and are asked, one after the other.
const MOST_ASKED: usize = 10;

/// Asks for imports of the same user.
pub(crate) struct Forebears {
    store: Store,
    who: Visibility,
    own: TaskId,
    runtime: Handle,
}

impl Forebears {
    /// Those of an attempt's task.
    pub(crate) fn of(store: &Store, attempt: &Attempt) -> Result<Self, Failure> {
        let own = attempt.task_id();
        Ok(Self {
            store: store.clone(),
            who: Visibility {
                tenant: attempt.tenant().clone(),
                user: None,
            },
            own: own.ok_or_else(|| internal("the row belongs to no task"))?,
            runtime: Handle::current(),
        })
    }

    /// What the own request names, then what `stamped` says, then what was said of `first`: nothing
    /// where that is no import of the same user into the same dataset, since a file may say anything.
    /// For a blocking thread.
    pub(crate) fn said(&self, first: TaskId, stamped: Said) -> Result<Said, Failure> {
        self.runtime.block_on(self.look(first, stamped))
    }

    async fn look(&self, first: TaskId, stamped: Said) -> Result<Said, Failure> {
        let Some(own) = self.task(self.own).await? else {
            return Err(internal("the row's task is not to be seen"));
        };
        let (mut said, mut next) = (said_with(&own), Some(first));
        said.learn(stamped);
        for _ in 0..MOST_ASKED {
            let Some(asked) = next else { break };
            let task = self.task(asked).await?;
            let Some(task) = task.filter(|task| is_kin(task, &own)) else {
                break;
            };
            said.learn(said_with(&task));
            next = task.mends;
        }
        Ok(said)
    }

    async fn task(&self, id: TaskId) -> Result<Option<Task>, Failure> {
        let task = self.store.task(&self.who, id).await;
        task.map_err(|error| of_store(&error))
    }
}

fn is_kin(task: &Task, own: &Task) -> bool {
    task.kind == TaskKind::Import
        && task.created_by == own.created_by
        && task.dataset == own.dataset
}

/// What the request of a task names, and not what holds where it names nothing.
fn said_with(task: &Task) -> Said {
    let options = &task.options;
    Said {
        mapping: named(options, "mapping"),
        numbers: named(options, "numbers"),
        timezone: named(options, "timezone"),
        mode: named(options, "mode"),
        empty_means: named(options, "empty_means"),
        formulas: named(options, "formulas"),
    }
}

fn named<T: DeserializeOwned + Default>(options: &Value, name: &str) -> T {
    let value = options.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).unwrap_or_default()
}
