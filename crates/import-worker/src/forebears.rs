//! The imports that a csv mends: what their user said of headers that no definition knows, and of
//! how numbers are written.
//!
//! A failure workbook bears that itself (`tabular::Stamp`); a csv has no place for it but names its
//! import, whose request says it, or that of the import which that one mended.

use std::collections::BTreeMap;

use domain::{Failure, NumberForm, Task, TaskId, TaskKind};
use engine::Attempt;
use store::{Store, Visibility};
use tokio::runtime::Handle;

use crate::failure::{internal, of_store};

/// Imports that mended one another and are asked, one after the other.
const MOST_ASKED: usize = 10;

/// What was said of the file that a failure file comes from, and holds of its rows still.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Header text to column name.
    pub(crate) mapping: BTreeMap<String, String>,
    pub(crate) numbers: Option<NumberForm>,
}

impl Said {
    /// What an earlier one said counts where a later one said nothing.
    fn learn(&mut self, earlier: Self) {
        if self.mapping.is_empty() {
            self.mapping = earlier.mapping;
        }
        self.numbers = self.numbers.or(earlier.numbers);
    }
}

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

    /// What was said of `first`; nothing where that is no import of the same user into
    /// the same dataset: a file may say anything. For a blocking thread.
    pub(crate) fn said(&self, first: TaskId) -> Result<Said, Failure> {
        self.runtime.block_on(self.look(first))
    }

    async fn look(&self, first: TaskId) -> Result<Said, Failure> {
        let Some(own) = self.task(self.own).await? else {
            return Ok(Said::default());
        };
        let (mut said, mut next) = (Said::default(), Some(first));
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

fn said_with(task: &Task) -> Said {
    let of = |name| task.options.get(name).cloned().unwrap_or_default();
    Said {
        mapping: serde_json::from_value(of("mapping")).unwrap_or_default(),
        numbers: serde_json::from_value(of("numbers")).unwrap_or_default(),
    }
}
