//! Writes the hostile files into a directory, and `list.tsv`: file, name, code.

mod files;
#[path = "../../tests/it/read/kit.rs"]
#[expect(
    clippy::unwrap_used,
    reason = "as in the tests these files are made for: what cannot be made ends the program"
)]
mod kit;

use std::fmt::Write;
use std::path::PathBuf;

use files::{HEAVY, QUICK};

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| std::io::Error::other("usage: hostile DIRECTORY"))?;
    let mut list = String::new();
    for (number, file) in (1..).zip(QUICK.iter().chain(HEAVY)) {
        let bytes = (file.bytes)();
        let extension = if bytes.starts_with(b"PK") {
            "xlsx"
        } else {
            "csv"
        };
        let name = format!("{number:02}.{extension}");
        std::fs::write(directory.join(&name), bytes)?;
        let code = file.code.unwrap_or_default();
        writeln!(list, "{name}\t{}\t{code}", file.name).map_err(std::io::Error::other)?;
    }
    std::fs::write(directory.join("list.tsv"), list)
}
