//! `quay completion`: a script for a shell, made from the words of the command line.
//! Shown by `tests/it/completion.rs`, which sources it in a real bash.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionArgs};
use crate::exit::{Exit, Failure};
use crate::print::answer;

pub(crate) fn run(args: &CompletionArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "quay", &mut script);
    let script = String::from_utf8(script)
        .map_err(|error| Failure::local("cannot make the script", error))?;
    answer(script.trim_end());
    Ok(Exit::Done)
}
