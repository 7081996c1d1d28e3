//! An opened file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use domain::{Calendar, UploadFormat};

use super::archive::{Archive, Entry};
use super::csv::CsvBook;
use super::meter::Meter;
use super::sheet::Sheet;
use super::sniff::HEAD;
use super::strings::Strings;
use super::styles::Styles;
use super::workbook::Workbook;
use super::{Merges, ReadLimits, ReadTerms, Refusal, SheetRows, sniff};

/// A look at a sheet that is not read costs this part of [`ReadLimits::work`] at most.
const LOOK_SHARE: u64 = 1_000;

/// Whether a person sees a sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// As any other.
    Visible,
    /// Can be shown by its user.
    Hidden,
    /// Can be shown by programs only.
    VeryHidden,
}

/// A sheet of a workbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetInfo {
    /// As the user calls it; empty for csv.
    pub name: String,
    /// Whether it is shown.
    pub visible: Visibility,
    /// Whether it holds rows and can be read: charts, macro sheets, dialogs and sheets whose part
    /// the file lacks do not.
    pub worksheet: bool,
}

/// An opened, guarded file: xlsx or csv. Its rows may be walked several times.
pub struct Book {
    sheets: Vec<SheetInfo>,
    calendar: Calendar,
    body: Body,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one of it for a whole file"
)]
enum Body {
    Csv(CsvBook),
    Xlsx(Xlsx),
}

struct Xlsx {
    archive: Archive,
    /// Where each sheet lies; none for what is no worksheet.
    parts: Vec<Option<Entry>>,
    strings: Arc<Strings>,
    styles: Arc<Styles>,
    limits: ReadLimits,
    meter: Arc<Meter>,
}

impl Book {
    /// Opens a file and reads all of a workbook but its sheets. Blocks; so does all that follows.
    ///
    /// # Errors
    /// A [`Refusal`] with the code that says why; `internal` when our own disk fails, or when it was
    /// told to stop.
    pub fn open(file: File, format: UploadFormat, terms: &ReadTerms) -> Result<Self, Refusal> {
        let meter = Arc::new(Meter::new(terms));
        match format {
            UploadFormat::Csv => Ok(Self {
                sheets: vec![SheetInfo {
                    name: String::new(),
                    visible: Visibility::Visible,
                    worksheet: true,
                }],
                calendar: Calendar::From1900,
                body: Body::Csv(CsvBook::open(file, terms, meter)?),
            }),
            UploadFormat::Xlsx => Self::open_xlsx(file, terms, meter),
        }
    }

    fn open_xlsx(file: File, terms: &ReadTerms, meter: Arc<Meter>) -> Result<Self, Refusal> {
        let limits = &terms.limits;
        if sniff(&head(&file)?)? != UploadFormat::Xlsx {
            return Err(Refusal::broken("the file is text"));
        }
        let archive = Archive::open(file, limits, Arc::clone(&meter))?;
        let workbook = Workbook::read(&archive, limits)?;
        let styles = match archive.small(&workbook.styles)? {
            Some(text) => Styles::read(text, limits)?,
            None => Styles::default(),
        };
        let strings = match archive.entry(&workbook.strings) {
            Some(entry) => Strings::read(archive.ahead(entry, &meter)?, entry.size, terms)?,
            None => Strings::default(),
        };
        Ok(Self {
            sheets: workbook.sheets,
            calendar: workbook.calendar,
            body: Body::Xlsx(Xlsx {
                archive,
                parts: workbook.parts,
                strings: Arc::new(strings),
                styles: Arc::new(styles),
                limits: limits.clone(),
                meter,
            }),
        })
    }

    /// All sheets in the workbook's order; csv has one, without a name. Names need not differ.
    #[must_use]
    pub fn sheets(&self) -> &[SheetInfo] {
        &self.sheets
    }

    /// Which day number 1 is.
    #[must_use]
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Whether somebody would miss what stands in a sheet that is not read: true also where that is
    /// not known, of a sheet that cannot be read or gives no row for a thousandth of what reading the
    /// file may cost. Costs the file's own reading nothing.
    #[must_use]
    pub fn may_hold_rows(&self, sheet: usize) -> bool {
        let Body::Xlsx(xlsx) = &self.body else {
            return true;
        };
        let Some(entry) = xlsx.parts.get(sheet).copied().flatten() else {
            return false;
        };
        let meter = Arc::new(xlsx.meter.aside(xlsx.limits.work / LOOK_SHARE));
        let Ok(mut rows) = xlsx.walk(entry, &Merges::default(), meter) else {
            return true;
        };
        loop {
            match rows.next() {
                Ok(Some(chunk)) if chunk.rows().all(|row| row.is_blank()) => {}
                Ok(None) => return false,
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }

    /// Begins a pass over a sheet, by its place in [`Book::sheets`].
    ///
    /// # Errors
    /// A [`Refusal`] when it is no worksheet or cannot be begun.
    pub fn rows(&self, sheet: usize, merges: &Merges) -> Result<SheetRows, Refusal> {
        match &self.body {
            Body::Csv(csv) => Ok(SheetRows::of_csv(csv.rows()?)),
            Body::Xlsx(xlsx) => {
                let entry = xlsx.parts.get(sheet).copied().flatten();
                let entry = entry.ok_or_else(|| Refusal::broken("the sheet holds no rows"))?;
                xlsx.walk(entry, merges, Arc::clone(&xlsx.meter))
            }
        }
    }
}

impl Xlsx {
    fn walk(&self, entry: Entry, merges: &Merges, meter: Arc<Meter>) -> Result<SheetRows, Refusal> {
        let (strings, styles) = (Arc::clone(&self.strings), Arc::clone(&self.styles));
        let source = self.archive.ahead(entry, &meter)?;
        let terms = (&self.limits, meter);
        let sheet = Sheet::new(source, strings, styles, merges.clone(), terms);
        Ok(SheetRows::of_sheet(sheet, merges))
    }
}

fn head(file: &File) -> Result<Vec<u8>, Refusal> {
    let mut head = vec![0; HEAD];
    let mut length = 0;
    while length < HEAD {
        match file.read_at(&mut head[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    head.truncate(length);
    Ok(head)
}
