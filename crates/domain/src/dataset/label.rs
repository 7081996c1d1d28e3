//! Names for people, one per locale.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The locale that every fallback ends at, if a label has it.
const HOME_LOCALE: &str = "zh-CN";

/// A label per locale, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    pub(super) fn new(labels: BTreeMap<String, String>) -> Option<Self> {
        let usable = !labels.is_empty()
            && labels
                .iter()
                .all(|(locale, text)| !locale.is_empty() && !text.trim().is_empty());
        usable.then_some(Self(labels))
    }

    /// The label for `locale`: the exact one, else one of the same language (`en-GB` takes `en`,
    /// `zh-TW` takes `zh-CN`), else `zh-CN`, else the first there is.
    pub fn get(&self, locale: &str) -> &str {
        self.matching(locale)
            .or_else(|| self.matching(HOME_LOCALE))
            .or_else(|| self.0.values().next().map(String::as_str))
            .unwrap_or_default()
    }

    /// True when `get` answers in the language that `locale` asks for.
    pub fn speaks(&self, locale: &str) -> bool {
        self.matching(locale).is_some()
    }

    /// Every locale with its label, ordered by locale.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(locale, text)| (locale.as_str(), text.as_str()))
    }

    fn matching(&self, locale: &str) -> Option<&str> {
        let exact = self
            .0
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(locale));
        let same_language = || {
            self.0
                .iter()
                .find(|(known, _)| language(known).eq_ignore_ascii_case(language(locale)))
        };
        exact.or_else(same_language).map(|(_, text)| text.as_str())
    }
}

fn language(locale: &str) -> &str {
    locale.split(['-', '_']).next().unwrap_or(locale)
}
