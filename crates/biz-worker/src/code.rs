//! Handler kind `code`: Rust code of the house's own or of whoever builds a worker with it, found by
//! the name that the definition says.
//!
//! A worker of one's own is a binary of a few lines:
//!
//! ```no_run
//! # use std::sync::Arc;
//! # struct Greeter;
//! # #[async_trait::async_trait]
//! # impl engine::BizHandler for Greeter {
//! #     async fn run(&self, _: &engine::Attempt) -> Result<store::Effects, domain::Failure> {
//! #         Ok(store::Effects::none())
//! #     }
//! #     async fn clean_up(&self, _: &engine::Attempt) {}
//! # }
//! fn main() -> std::process::ExitCode {
//!     service::main("biz-worker", env!("CARGO_PKG_VERSION"), |process| {
//!         let code = biz_worker::Code::default().with("greeter", Arc::new(Greeter));
//!         biz_worker::start_with(process, code)
//!     })
//! }
//! ```
//!
//! and a definition with `kind = "code"` and `[code] handler = "greeter"` has it do the work of a biz
//! type. Shown by `tests/it/code.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use async_trait::async_trait;
use domain::Failure;
use engine::{Attempt, BizHandler};
use store::Effects;

/// What the handler of every worker is called that does nothing.
const CANARY: &str = "canary";

/// Handlers by name.
#[derive(Clone)]
pub struct Code(BTreeMap<String, Arc<dyn BizHandler>>);

impl Default for Code {
    /// What every worker has: `canary`, which does nothing, so that a row of it shows whether work is
    /// taken and finished at all.
    fn default() -> Self {
        Self(BTreeMap::new()).with(CANARY, Arc::new(Canary))
    }
}

impl Code {
    /// One more; the last of a name stands.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, handler: Arc<dyn BizHandler>) -> Self {
        self.0.insert(name.into(), handler);
        self
    }

    /// # Errors
    /// When there is no handler of that name; those that there are are told.
    pub(crate) fn get(&self, name: &str) -> anyhow::Result<Arc<dyn BizHandler>> {
        match self.0.get(name) {
            Some(handler) => Ok(handler.clone()),
            None => {
                let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
                let known = known.join(", ");
                bail!("this worker has no code called `{name}`; it has: {known}")
            }
        }
    }
}

struct Canary;

#[async_trait]
impl BizHandler for Canary {
    async fn run(&self, _: &Attempt) -> Result<Effects, Failure> {
        Ok(Effects::none())
    }

    async fn clean_up(&self, _: &Attempt) {}
}
