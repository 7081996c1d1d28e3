//! The definitions of a directory, for what operators do with them.

use std::path::{Path, PathBuf};

use domain::{Catalog, DefinitionError, HandlerCatalog, Lane};

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

/// Every topic that the datasets' queues and the handlers need: the lanes, and the dead letters of
/// each.
pub(crate) fn topics(folder: &Path, handlers: Option<&Path>) -> Result<Vec<String>, Failure> {
    let catalog = Catalog::parse(texts(folder)?)
        .map_err(|errors| unusable("a dataset definition cannot be used", &errors))?;
    let queues = catalog.queues();
    if queues.is_empty() {
        let what = format!("{} holds no dataset definition", folder.display());
        return Err(Failure::new(Exit::Failed, what)
            .advise("Where are they? --datasets DIR or QUAYSIDE_DATASETS"));
    }
    let mut lanes = Vec::new();
    for queue in queues {
        for lane in [Lane::export, Lane::import, Lane::import_batch] {
            let lane = lane(queue)
                .map_err(|wrong| Failure::new(Exit::Failed, format!("queue {queue}: {wrong}")))?;
            lanes.push(lane);
        }
    }
    if let Some(folder) = handlers {
        let handlers = HandlerCatalog::parse(texts(folder)?, &catalog)
            .map_err(|errors| unusable("a handler definition cannot be used", &errors))?;
        lanes.extend(handlers.lanes().cloned());
    }
    let names = lanes
        .iter()
        .flat_map(|lane| [lane.clone(), lane.dead_letters()]);
    Ok(names.map(String::from).collect())
}

/// The definitions of a directory, each with its file's name.
fn texts(folder: &Path) -> Result<Vec<(String, String)>, Failure> {
    let texts = files(folder, "toml")?.into_iter();
    let named = texts.map(|(path, text)| (path.display().to_string(), text));
    Ok(named.collect())
}

fn unusable(what: &str, errors: &[DefinitionError]) -> Failure {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Failure::new(Exit::Failed, what).advise(lines.join("\n"))
}
