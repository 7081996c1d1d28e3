//! Asks a person before something is gone for good.

use std::io::{self, BufRead, IsTerminal};

use crate::exit::Failure;
use crate::print::ask;

/// Whether the person at the terminal says yes.
///
/// # Errors
/// Where stdin is no terminal: nobody is asked, and nothing is taken for granted.
pub(crate) async fn confirmed(question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::usage(format!("{question} Nobody is there to ask."))
                .advise("Give --yes where there is no terminal."),
        );
    }
    ask(format_args!("{question} [y/N] "));
    let reply = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_bytes| line)
    });
    let reply = reply.await.map_err(io::Error::other).flatten();
    let reply = reply.map_err(|error| Failure::local("cannot read the answer", error))?;
    let reply = reply.trim().to_ascii_lowercase();
    Ok(matches!(reply.as_str(), "y" | "yes"))
}
