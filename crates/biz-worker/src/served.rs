//! Which kinds of work this process does: all that there are definitions of, or those that the setting
//! `handlers.only` names, so that each kind, and with it its topics, may have processes of its own and as
//! many as it needs. Shown by `tests/it/only.rs`.

use anyhow::bail;
use domain::{HandlerCatalog, HandlerDef};

/// The definitions of the work that is done here.
///
/// # Errors
/// When a name is not that of a definition.
pub(crate) fn served(
    handlers: &HandlerCatalog,
    only: &[String],
) -> anyhow::Result<Vec<HandlerDef>> {
    if let Some(name) = only.iter().find(|name| handlers.get(name).is_none()) {
        let known: Vec<&str> = handlers.names().collect();
        let known = known.join(", ");
        bail!("handlers.only names `{name}`, which has no definition; there are: {known}");
    }
    let is_served = |handler: &&HandlerDef| {
        only.is_empty() || only.iter().any(|name| name == handler.biz_type.as_str())
    };
    Ok(handlers.iter().filter(is_served).cloned().collect())
}
