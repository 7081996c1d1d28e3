//! The one way to stdout and stderr.
//!
//! Whoever reads stdout may stop reading (`quay tasks show 7 | head -1`): that is the quiet end of
//! the program, with exit code 0. Words to a person are dropped when nobody reads stderr: the work
//! goes on. Shown by `tests/it/manners.rs`.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use crate::exit::Exit;

/// Prints a line to stdout: what was asked for.
pub(crate) fn answer(line: impl Display) {
    let mut stdout = io::stdout().lock();
    let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) else {
        return;
    };
    let exit = match error.kind() {
        ErrorKind::BrokenPipe => Exit::Done,
        _ => {
            say(format_args!("quay: cannot write to stdout: {error}"));
            Exit::Failed
        }
    };
    std::process::exit(i32::from(exit as u8))
}

/// Prints a line to stderr: progress, remarks, failures.
pub(crate) fn say(line: impl Display) {
    // There is nobody left to be told.
    drop(writeln!(io::stderr(), "{line}"));
}

/// Prints a question to stderr, and stays on the line.
pub(crate) fn ask(question: impl Display) {
    let mut stderr = io::stderr();
    // There is nobody left to be asked.
    drop(write!(stderr, "{question}").and_then(|()| stderr.flush()));
}
