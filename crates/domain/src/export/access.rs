//! What the caller of an export may see.

use crate::Column;

/// What somebody may do within a dataset that they may export. By default the least.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// See sensitive columns, which is also to filter and to sort by them: both would tell their
    /// values one question at a time.
    pub sensitive: bool,
}

impl Access {
    /// Whether the values of that column may be seen.
    #[must_use]
    pub fn sees(self, column: &Column) -> bool {
        self.sensitive || !column.sensitive
    }

    /// Why that column may not be named, if so.
    pub(super) fn refusal(self, column: &Column) -> Option<String> {
        let name = &column.name;
        (!self.sees(column)).then(|| format!("none of your roles may see `{name}`"))
    }
}
