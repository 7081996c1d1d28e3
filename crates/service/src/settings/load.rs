//! Reading the settings from their three places.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::{Config, Environment, File, FileFormat};
use serde::{Deserialize, Deserializer, de};

use super::Settings;

/// Why the settings could not be read. Each sentence says where to look.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("cannot read the settings file {}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("settings file {}, line {line}: {message}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// Line of the key, from 1.
        line: usize,
        /// What is wrong, naming the key.
        message: String,
    },
    /// The environment says something that is not understood.
    #[error("settings from the environment (QUAYSIDE__SECTION__KEY): {message}")]
    Environment {
        /// What is wrong, naming the key.
        message: String,
    },
    /// A setting with which nothing would ever happen, or everything at once.
    #[error("the setting {key} must be 1 or more")]
    Zero {
        /// `section.key`.
        key: &'static str,
    },
    /// A setting that does not go with the others, or is out of its bounds.
    #[error("the setting {key} {reason}")]
    Unfit {
        /// `section.key`.
        key: &'static str,
        /// What it must be.
        reason: String,
    },
}

pub(super) fn load(
    file: Option<&Path>,
    environment: Option<HashMap<String, String>>,
) -> Result<Settings, SettingsError> {
    let mut sources = Config::builder();
    if let Some(file) = file {
        sources = sources.add_source(File::from_str(&read_checked(file)?, FileFormat::Toml));
    }
    // The file alone has been checked, so whatever is wrong now comes from the environment.
    let settings: Settings = sources
        .add_source(
            Environment::with_prefix("QUAYSIDE")
                .prefix_separator("__")
                .separator("__")
                .ignore_empty(true)
                .source(environment),
        )
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| SettingsError::Environment {
            message: error.to_string(),
        })?;
    if let Some(key) = settings.zero() {
        return Err(SettingsError::Zero { key });
    }
    let fault = settings.storage.fault();
    let fault = fault.or_else(|| settings.export.fault());
    let fault = fault.or_else(|| settings.auth.fault());
    match fault.or_else(|| settings.handlers.fault()) {
        None => Ok(settings),
        Some((key, reason)) => Err(SettingsError::Unfit { key, reason }),
    }
}

/// The file's text, after every key and value in it was found to be understood.
fn read_checked(file: &Path) -> Result<String, SettingsError> {
    let text = std::fs::read_to_string(file).map_err(|source| SettingsError::Unreadable {
        file: file.to_owned(),
        source,
    })?;
    match toml::from_str::<Settings>(&text) {
        Ok(_) => Ok(text),
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            Err(SettingsError::File {
                file: file.to_owned(),
                line: text
                    .bytes()
                    .take(start)
                    .filter(|byte| *byte == b'\n')
                    .count()
                    + 1,
                // Not the whole Display: that would quote the line, and with it a secret.
                message: error.message().to_owned(),
            })
        }
    }
}

/// As [`numbers`], where there may be none.
pub(super) fn some_numbers<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<u32>>, D::Error> {
    numbers(from).map(Some)
}

/// A list of numbers, as a list or (from the environment) as comma-separated text.
pub(super) fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    listed(from, "a list of whole numbers")
}

/// A list of names, as [`numbers`] are given.
pub(super) fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    listed(from, "a list of names")
}

fn listed<'de, D, T>(from: D, expected: &'static str) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + Deserialize<'de>,
{
    struct Listed<T>(&'static str, PhantomData<T>);

    impl<'de, T: FromStr + Deserialize<'de>> de::Visitor<'de> for Listed<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            text.split(',')
                .map(|item| item.trim().parse())
                .collect::<Result<_, _>>()
                .map_err(|_no_item: T::Err| E::invalid_value(de::Unexpected::Str(text), &self))
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = list.next_element()? {
                items.push(item);
            }
            Ok(items)
        }
    }

    from.deserialize_any(Listed(expected, PhantomData))
}
