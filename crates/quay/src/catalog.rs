//! The dataset definitions of a directory, for what operators do with them.

use std::path::{Path, PathBuf};

use domain::{Catalog, Lane};

use crate::exit::{Exit, Failure};

/// Files of the directory whose names end so, by name.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<(PathBuf, String)>, Failure> {
    let cannot = |path: &Path, error: &std::io::Error| {
        Failure::local(format!("cannot read {}", path.display()), error)
            .advise("Where are the dataset definitions? --datasets DIR or QUAYSIDE_DATASETS")
    };
    let entries = std::fs::read_dir(folder).map_err(|error| cannot(folder, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| cannot(folder, &error))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => Err(cannot(&path, &error)),
    };
    paths.into_iter().map(read).collect()
}

/// Every topic that the datasets' queues need: the lanes, and the dead letters of each.
pub(crate) fn topics(folder: &Path) -> Result<Vec<String>, Failure> {
    let texts = files(folder, "toml")?;
    let named = texts
        .iter()
        .map(|(path, text)| (path.display().to_string(), text));
    let catalog = Catalog::parse(named).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Failure::new(Exit::Failed, "a dataset definition cannot be used").advise(lines.join("\n"))
    })?;
    let queues = catalog.queues();
    if queues.is_empty() {
        let what = format!("{} holds no dataset definition", folder.display());
        return Err(Failure::new(Exit::Failed, what)
            .advise("Where are they? --datasets DIR or QUAYSIDE_DATASETS"));
    }
    let mut names = Vec::new();
    for queue in queues {
        for lane in [Lane::export, Lane::import, Lane::import_batch] {
            let lane = lane(queue)
                .map_err(|wrong| Failure::new(Exit::Failed, format!("queue {queue}: {wrong}")))?;
            names.push(lane.as_str().to_owned());
            names.push(lane.dead_letters().into());
        }
    }
    Ok(names)
}
