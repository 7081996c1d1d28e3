//! Whether a thread that reads a user's file gets on.
//!
//! What a file may cost is counted (`tabular::ReadLimits::work`); the clock is the last resort, for a
//! reader that gives no sign at all. Used by the split, which reads a file for the first time, and by
//! the finish, which reads it once more.

use std::time::Duration;

use domain::Failure;
use tabular::Pulse;
use tokio::task::{JoinError, JoinHandle};

use crate::failure::{of_silent_disk, of_standstill};

/// Looks at the pulse of a reading once in a stall.
pub(crate) struct Watch {
    pulse: Pulse,
    /// What the thread waits for that is neither the file nor our own disk: whoever is asked there
    /// has a bound of their own.
    elsewhere: Pulse,
    beats: u64,
}

impl Watch {
    pub(crate) fn of(pulse: &Pulse) -> Self {
        Self::besides(pulse, &Pulse::default())
    }

    pub(crate) fn besides(pulse: &Pulse, elsewhere: &Pulse) -> Self {
        let mut watch = Self {
            pulse: pulse.clone(),
            elsewhere: elsewhere.clone(),
            beats: 0,
        };
        watch.beats = watch.now();
        watch
    }

    fn now(&self) -> u64 {
        self.pulse.beats() + self.elsewhere.beats()
    }

    /// A whole stall has passed and nothing was heard: nothing is wrong as long as there were signs.
    ///
    /// # Errors
    /// `storage_unavailable`, to be tried again, if the thread waits for our own disk; else
    /// `not_a_workbook`.
    pub(crate) fn silence(&mut self) -> Result<(), Failure> {
        let now = self.now();
        let before = std::mem::replace(&mut self.beats, now);
        if now != before || self.elsewhere.is_fetching() {
            Ok(())
        } else if self.pulse.is_fetching() {
            Err(of_silent_disk())
        } else {
            Err(of_standstill())
        }
    }
}

/// Waits for a thread as long as it gets on.
///
/// # Errors
/// Those of [`Watch::silence`]. The thread goes on by itself then: it is to be told to end.
pub(crate) async fn watched<T>(
    mut thread: JoinHandle<T>,
    mut watch: Watch,
    stall: Duration,
) -> Result<Result<T, JoinError>, Failure> {
    loop {
        match tokio::time::timeout(stall, &mut thread).await {
            Ok(ended) => return Ok(ended),
            Err(_elapsed) => watch.silence()?,
        }
    }
}

#[cfg(test)]
mod tests;
