//! Kill points: named places in the code at which the process dies at once, for the chaos
//! (crates/chaos) and nothing else. Only with the cargo feature `failpoints`, which `./dev test` and
//! `./dev chaos` build with, and asleep unless `KILL_POINTS` is set.
//!
//! `KILL_POINTS` names a directory. Whoever creates a file there that is called like a point has the
//! next pass of that point remove the file and abort the process: each file is one death, and a
//! death is known by its file being gone.

use std::path::{Path, PathBuf};

use anyhow::anyhow;

#[cfg(not(debug_assertions))]
compile_error!("kill points are not for release builds");

/// All of them, where they stand: engine/src/lane.rs, engine/src/run.rs and store/src/settle.rs,
/// store/src/door.rs (two), bus/src/ringer.rs, bus/src/consumer.rs.
const NAMES: [&str; 6] = [
    "after_claim",
    "after_effect",
    "before_commit",
    "after_commit",
    "after_produce",
    "before_offset_store",
];

/// Watches the directory, if there is one.
pub(crate) fn arm() -> anyhow::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "no setting: it exists in no binary but those of tests and the chaos"
    )]
    let Some(directory) = std::env::var_os("KILL_POINTS").map(PathBuf::from) else {
        return Ok(());
    };
    tracing::warn!(directory = %directory.display(), "this binary has kill points");
    for name in NAMES {
        let file = directory.join(name);
        fail::cfg_callback(name, move || die_if_wanted(name, &file)).map_err(|why| anyhow!(why))?;
    }
    Ok(())
}

fn die_if_wanted(name: &str, file: &Path) {
    if std::fs::remove_file(file).is_ok() {
        eprintln!("died at the kill point {name}");
        std::process::abort();
    }
}
