//! All handlers of a deployment.

use std::collections::BTreeMap;

use super::def::HandlerDef;
use super::parse::parse;
use crate::{Catalog, DefinitionError, Lane};

/// Every handler by biz type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HandlerCatalog {
    handlers: BTreeMap<String, HandlerDef>,
}

impl HandlerCatalog {
    /// Reads definition files, given as (file name, text); the datasets are those that they may name.
    ///
    /// # Errors
    /// One for each file that cannot be used: its first fault with the line.
    pub fn parse<N, T>(
        files: impl IntoIterator<Item = (N, T)>,
        datasets: &Catalog,
    ) -> Result<Self, Vec<DefinitionError>>
    where
        N: AsRef<str>,
        T: AsRef<str>,
    {
        let mut catalog = Self::default();
        let mut errors = Vec::new();
        for (file, text) in files {
            let parsed = parse(file.as_ref(), text.as_ref(), datasets);
            match parsed.and_then(|handler| catalog.clash(handler)) {
                Err(error) => errors.push(error),
                Ok(handler) => {
                    let name = handler.biz_type.as_str().to_owned();
                    catalog.handlers.insert(name, handler);
                }
            }
        }
        if errors.is_empty() {
            Ok(catalog)
        } else {
            Err(errors)
        }
    }

    /// The handler again, unless another has its name or one of its lanes.
    fn clash(&self, handler: HandlerDef) -> Result<HandlerDef, DefinitionError> {
        let shares = |other: &&HandlerDef| {
            let mut lanes = handler.lanes();
            handler.biz_type == other.biz_type
                || lanes.any(|lane| other.lanes().any(|theirs| theirs == lane))
        };
        let Some(other) = self.iter().find(shares) else {
            return Ok(handler);
        };
        let reason = format!(
            "biz_type `{}` and its queues have the name, or a lane, of `{}`, defined in {}",
            handler.biz_type, other.biz_type, other.place.file
        );
        Err(DefinitionError::new(handler.place.clone(), reason))
    }

    /// The handler of that biz type.
    pub fn get(&self, biz_type: &str) -> Option<&HandlerDef> {
        self.handlers.get(biz_type)
    }

    /// Every biz type, ordered.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.handlers.keys().map(String::as_str)
    }

    /// Every handler, ordered by biz type.
    pub fn iter(&self) -> impl Iterator<Item = &HandlerDef> {
        self.handlers.values()
    }

    /// Every lane of every handler.
    pub fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.iter().flat_map(HandlerDef::lanes)
    }
}
