//! The values of one row, as a table takes them.

/// What becomes of one column of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field<'a> {
    /// What stood there is bad, and told as a [`crate::RowError`].
    Missing,
    /// The value is null.
    Null,
    /// An existing row keeps what it has; a new one takes the table's default.
    Keep,
    /// What MySQL takes for the column: dates as ISO, decimals at the column's scale, 0 and 1.
    Text(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Missing,
    Null,
    Keep,
    Text { start: u32, end: u32 },
}

/// A buffer for the values of one row, used again for the next: it allocates while it grows and
/// then no more. Holds less than 4 GiB of text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    slots: Vec<Slot>,
    text: String,
    /// Where the text of the value under way begins.
    begun: usize,
    rounded: u32,
    cut: u32,
}

impl Fields {
    /// An empty buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the row.
    pub fn clear(&mut self) {
        self.slots.clear();
        self.text.clear();
        self.begun = 0;
        self.rounded = 0;
        self.cut = 0;
    }

    /// Number cells whose digits went beyond the scale of their column, floating-point noise apart:
    /// their values are rounded.
    #[must_use]
    pub fn rounded(&self) -> u32 {
        self.rounded
    }

    pub(super) fn was_rounded(&mut self) {
        self.rounded += 1;
    }

    /// Datetimes and times with a fraction of a second that is finer than their column's scale: it
    /// is cut.
    #[must_use]
    pub fn cut(&self) -> u32 {
        self.cut
    }

    pub(super) fn was_cut(&mut self) {
        self.cut += 1;
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// True when there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The value at a place, in the order of the check's fields; [`Field::Missing`] past the end.
    #[must_use]
    pub fn get(&self, index: usize) -> Field<'_> {
        match self.slots.get(index) {
            None | Some(Slot::Missing) => Field::Missing,
            Some(Slot::Null) => Field::Null,
            Some(Slot::Keep) => Field::Keep,
            Some(Slot::Text { start, end }) => {
                Field::Text(&self.text[*start as usize..*end as usize])
            }
        }
    }

    /// All values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Field<'_>> {
        (0..self.slots.len()).map(|index| self.get(index))
    }

    /// Adds a value that is no text; what was begun is forgotten.
    pub(super) fn push(&mut self, field: Field<'_>) {
        self.text.truncate(self.begun);
        match field {
            Field::Missing => self.slots.push(Slot::Missing),
            Field::Null => self.slots.push(Slot::Null),
            Field::Keep => self.slots.push(Slot::Keep),
            Field::Text(text) => {
                self.text.push_str(text);
                self.end();
            }
        }
    }

    /// The text of the value under way: for writing to, and for reading what was written.
    pub(super) fn begun(&self) -> &str {
        &self.text[self.begun..]
    }

    /// Goes on with the value under way.
    pub(super) fn write(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Ends the value under way.
    pub(super) fn end(&mut self) {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.slots.push(Slot::Text {
            start: place(self.begun),
            end: place(self.text.len()),
        });
        self.begun = self.text.len();
    }
}
