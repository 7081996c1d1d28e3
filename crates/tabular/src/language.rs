//! The languages that files for people speak: Chinese for locales that begin with `zh`, else
//! English, as every sentence of the house does.

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Chinese,
    English,
}

impl Language {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Chinese, Self::English];

    /// The language of a locale.
    pub(crate) fn of(locale: &str) -> Self {
        if locale.starts_with("zh") {
            Self::Chinese
        } else {
            Self::English
        }
    }

    /// The one of two wordings.
    pub(crate) fn pick<T>(self, chinese: T, english: T) -> T {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }
}
