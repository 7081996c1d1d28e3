//! All datasets of a deployment.

use std::collections::BTreeMap;

use super::parse::parse;
use super::types::{Dataset, Place};

/// A definition that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}", file = place.file, line = place.line)]
pub struct DefinitionError {
    pub place: Place,
    pub reason: String,
}

impl DefinitionError {
    /// A fault at a place, in a sentence for whoever wrote the file.
    pub fn new(place: Place, reason: impl Into<String>) -> Self {
        Self {
            place,
            reason: reason.into(),
        }
    }
}

/// Every dataset by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    datasets: BTreeMap<String, Dataset>,
}

impl Catalog {
    /// Reads definition files, given as (file name, text).
    ///
    /// # Errors
    /// One for each file that cannot be used: its first fault with the line.
    pub fn parse<N, T>(
        files: impl IntoIterator<Item = (N, T)>,
    ) -> Result<Self, Vec<DefinitionError>>
    where
        N: AsRef<str>,
        T: AsRef<str>,
    {
        let mut datasets: BTreeMap<String, Dataset> = BTreeMap::new();
        let mut errors = Vec::new();
        for (file, text) in files {
            match parse(file.as_ref(), text.as_ref()) {
                Err(error) => errors.push(error),
                Ok(dataset) => match datasets.get(&dataset.name) {
                    Some(other) => errors.push(DefinitionError::new(
                        dataset.place,
                        format!(
                            "dataset `{}` is already defined in {}",
                            other.name, other.place.file
                        ),
                    )),
                    None => {
                        datasets.insert(dataset.name.clone(), dataset);
                    }
                },
            }
        }
        if errors.is_empty() {
            Ok(Self { datasets })
        } else {
            Err(errors)
        }
    }

    /// The dataset of that name.
    pub fn get(&self, name: &str) -> Option<&Dataset> {
        self.datasets.get(name)
    }

    /// Every dataset, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Dataset> {
        self.datasets.values()
    }

    /// Every queue that some dataset names, each once, ordered.
    pub fn queues(&self) -> Vec<&str> {
        let all: std::collections::BTreeSet<&str> = self
            .iter()
            .flat_map(|dataset| dataset.queues.iter().map(String::as_str))
            .collect();
        all.into_iter().collect()
    }
}
