//! What a kind of work brings along: the code that performs it.

use async_trait::async_trait;
use domain::{Failure, FailureCode};
use store::Effects;

use crate::attempt::Attempt;

/// Performs one kind of work.
///
/// The engine calls [`run`](Self::run) with a row that this worker holds. What it answers is
/// committed with the finish, in one transaction, if the row is still held then; so everything that
/// others may see belongs into the answer.
#[async_trait]
pub trait BizHandler: Send + Sync + 'static {
    /// Does the work. Must end soon after [`Attempt::stopped`]; what it returns then is ignored.
    ///
    /// # Errors
    /// A [`Failure`], classified where it was born.
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure>;

    /// Removes what this attempt left outside the database. Called after failure, panic, cancel, a
    /// lost lease, shutdown; not after success, and not when it is unknown whether the finish was
    /// committed.
    async fn clean_up(&self, attempt: &Attempt);
}

/// Stands in where a row's type has no handler in this worker: an operator must look.
pub(crate) struct NoHandler;

#[async_trait]
impl BizHandler for NoHandler {
    async fn run(&self, attempt: &Attempt) -> Result<Effects, Failure> {
        let biz_type = &attempt.claimed().biz_type;
        Err(Failure::permanent(
            FailureCode::Internal,
            format!("this worker has no handler for {biz_type}"),
        ))
    }

    async fn clean_up(&self, _: &Attempt) {}
}
