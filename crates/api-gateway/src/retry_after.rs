//! How long a client waits before it asks for an unfinished task again (api.md, ground rules).

use domain::Task;

/// Age of the task in seconds below which the wait in seconds holds. Whoever obeys asks at
/// 0, 1, 3, 7 and 15 s, then every 15 s.
const STEPS: [(i64, u32); 4] = [(1, 1), (3, 2), (7, 4), (15, 8)];

/// The wait once a task is older than all steps.
const LONGEST: u32 = 15;

/// Seconds, or none for a task that is finished. The age is told by the database's clock.
pub(crate) fn retry_after(task: &Task) -> Option<u32> {
    if task.status.is_final() {
        return None;
    }
    let age = (task.read_at - task.created_at).num_seconds();
    Some(
        STEPS
            .iter()
            .find(|(below, _)| age < *below)
            .map_or(LONGEST, |(_, wait)| *wait),
    )
}
