//! Waits for a task and shows how far it has come: a bar on a terminal, plain lines otherwise.

use std::time::Duration;

use crate::client::Gateway;
use crate::exit::Failure;
use crate::patience::{Patience, how_to_go_on, look_at, still_running};
use crate::progress::Shown;
use crate::wire::Answered;

/// Waits until the task is finished, by looking as often as the gateway asks for.
///
/// # Errors
/// [`crate::Exit::StillRunning`] when `limit` passed; what the gateway refused;
/// [`crate::Exit::Unavailable`] when it was away for too long.
pub(crate) async fn until_finished(
    gateway: &Gateway,
    first: Answered,
    limit: Option<Duration>,
) -> Result<Answered, Failure> {
    let mut patience = Patience::new(limit);
    let shown = Shown::new();
    let id = first.task.id.clone();
    let mut latest = first;
    let mut asked = Some(Duration::ZERO);
    shown.show(&latest.task);
    while !latest.task.status.is_final() {
        if patience.is_over() {
            return Err(still_running(&id));
        }
        patience.pause(asked).await;
        match look_at(&mut patience, gateway, &id).await {
            Ok(next) => {
                shown.show(&next.answered.task);
                latest = next.answered;
                asked = next.retry_after;
                if asked.is_some() {
                    patience.backoff.reset();
                }
            }
            Err(failure) => {
                let borne = patience.bear(failure);
                let borne = borne.map_err(|failure| failure.also(how_to_go_on(&id)))?;
                shown.say(&borne.say);
                asked = borne.retry_after;
            }
        }
    }
    Ok(latest)
}
