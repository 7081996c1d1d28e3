//! The options of an import, as they arrive.

use serde_json::{Map, Value};

use super::header::{MAX_HEADER, normal_header};
use crate::export::{Faults, Pointer, body};
use crate::{Dataset, FaultCode, FieldFault, ImportMode, ImportOptions, SheetChoice, UnknownWord};

/// Most rows of one batch.
const MAX_BATCH: u32 = 5_000;
/// The last row that a sheet can have.
const MAX_ROW: u32 = 1_048_576;
/// Widest spacing between batches, in milliseconds.
const MAX_STAGGER: u32 = 60_000;
/// Most entries of a mapping: the columns of a sheet.
const MAX_MAPPING: usize = 16_384;
/// Longest name of a sheet, in characters.
const MAX_TEXT: usize = 32_767;

type Refusal = (FaultCode, String);

/// Reads the options that are about the file and its rows; what belongs to the request as a whole
/// (`queue`, `locale`, `timezone`) is passed over. Every fault is added to `faults`.
pub(super) fn read(
    dataset: &Dataset,
    raw: &Map<String, Value>,
    faults: &mut Faults,
) -> ImportOptions {
    let at = body("options");
    let mut reading = Reading {
        dataset,
        options: ImportOptions::default(),
        faults,
    };
    let modes = &dataset.import_modes;
    if !modes.contains(&reading.options.mode) {
        reading.options.mode = modes.first().copied().unwrap_or(ImportMode::Insert);
    }
    for (name, value) in raw.iter().filter(|(_, value)| !value.is_null()) {
        let field = at.field(name);
        if let Err((code, message)) = reading.set(name, value, &field) {
            reading.faults.push(FieldFault::new(&field, code, message));
        }
    }
    reading.options
}

struct Reading<'a> {
    dataset: &'a Dataset,
    options: ImportOptions,
    faults: &'a mut Faults,
}

impl Reading<'_> {
    fn set(&mut self, name: &str, value: &Value, at: &Pointer) -> Result<(), Refusal> {
        let options = &mut self.options;
        match name {
            "mode" => {
                let mode = word(name, value)?;
                let offered = &self.dataset.import_modes;
                if !offered.contains(&mode) {
                    let message = format!("{} cannot be imported by {mode}", self.dataset.name);
                    return Err(refused(message));
                }
                options.mode = mode;
            }
            "validate_only" => {
                let flag = value.as_bool();
                options.validate_only =
                    flag.ok_or_else(|| refused(format!("{name} must be true or false")))?;
            }
            "sheet" => options.sheet = Some(sheet(value)?),
            "header_row" => options.header_row = Some(count(name, value, MAX_ROW)?),
            "mapping" => self.mapping(value, at)?,
            "on_error" => options.on_error = word(name, value)?,
            "batch_size" => {
                let most = MAX_BATCH.min(self.dataset.limits.max_batch_size);
                options.batch_size = Some(count(name, value, most)?);
            }
            "stagger_ms" => options.stagger_ms = Some(stagger(value)?),
            "empty_means" => options.empty_means = word(name, value)?,
            "formulas" => options.formulas = word(name, value)?,
            "merged" => options.merged = word(name, value)?,
            "hidden_rows" => options.hidden_rows = word(name, value)?,
            "numbers" => options.numbers = Some(word(name, value)?),
            "encoding" => options.encoding = Some(word(name, value)?),
            "stop_after_blank_rows" => {
                options.stop_after_blank_rows = Some(count(name, value, MAX_ROW)?);
            }
            "queue" | "locale" | "timezone" => {}
            _ => return Err(refused(format!("there is no option `{name}`"))),
        }
        Ok(())
    }

    fn mapping(&mut self, value: &Value, at: &Pointer) -> Result<(), Refusal> {
        let shape = "mapping must be an object of header texts and column names";
        let raw = value.as_object().ok_or_else(|| refused(shape))?;
        if raw.len() > MAX_MAPPING {
            return Err(refused(format!(
                "mapping has more than {MAX_MAPPING} entries"
            )));
        }
        for (header, column) in raw {
            let (code, message) = match column.as_str() {
                None => refused(shape),
                Some(_) if header.trim().is_empty() => refused("a header is no empty text"),
                Some(_) if normal_header(header).is_none() => {
                    refused(format!("a header has at most {MAX_HEADER} characters"))
                }
                Some(name) if self.importable(name) => {
                    let entry = (header.clone(), name.to_owned());
                    self.options.mapping.extend([entry]);
                    continue;
                }
                Some(name) => {
                    let dataset = &self.dataset.name;
                    let message = format!("`{name}` is not an importable column of {dataset}");
                    (FaultCode::UnknownColumn, message)
                }
            };
            self.faults
                .push(FieldFault::new(&at.field(header), code, message));
        }
        Ok(())
    }

    fn importable(&self, name: &str) -> bool {
        self.dataset
            .column(name)
            .is_some_and(|column| column.importable)
    }
}

fn refused(message: impl Into<String>) -> Refusal {
    (FaultCode::InvalidRequest, message.into())
}

/// One of a closed set of words.
fn word<T>(name: &str, value: &Value) -> Result<T, Refusal>
where
    T: std::str::FromStr<Err = UnknownWord> + Words,
{
    let word = value.as_str().and_then(|word| word.parse().ok());
    word.ok_or_else(|| {
        let words: Vec<String> = T::words().iter().map(|word| format!("`{word}`")).collect();
        refused(format!("{name} must be one of {}", words.join(", ")))
    })
}

/// The words of a closed set.
trait Words {
    fn words() -> Vec<&'static str>;
}

macro_rules! words {
    ($($name:ty),+) => { $(impl Words for $name {
        fn words() -> Vec<&'static str> {
            Self::ALL.iter().map(|it| it.as_str()).collect()
        }
    })+ };
}

words!(
    ImportMode,
    crate::OnError,
    crate::Empty,
    crate::Formulas,
    crate::Merged,
    crate::HiddenRows,
    crate::NumberForm,
    crate::TextEncoding
);

fn count(name: &str, value: &Value, most: u32) -> Result<u32, Refusal> {
    let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
    let count = count.filter(|count| (1..=most).contains(count));
    count.ok_or_else(|| refused(format!("{name} must be a whole number from 1 to {most}")))
}

fn sheet(value: &Value) -> Result<SheetChoice, Refusal> {
    if let Some(name) = value.as_str() {
        let fits = !name.is_empty() && name.chars().count() <= MAX_TEXT;
        let choice = fits.then(|| SheetChoice::Name(name.to_owned()));
        return choice.ok_or_else(|| refused("sheet is no empty text"));
    }
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    let number = number.filter(|number| *number > 0);
    let shape = "sheet must be a name or a number from 1";
    number
        .map(SheetChoice::Number)
        .ok_or_else(|| refused(shape))
}

fn stagger(value: &Value) -> Result<(u32, u32), Refusal> {
    let millis = |value: &Value| u32::try_from(value.as_u64()?).ok();
    let pair = match value.as_array().map(Vec::as_slice) {
        Some([least, most]) => millis(least).zip(millis(most)),
        _ => None,
    };
    let fits = |(least, most): &(u32, u32)| least <= most && *most <= MAX_STAGGER;
    let shape = format!("stagger_ms must be [least, most] in milliseconds, at most {MAX_STAGGER}");
    pair.filter(fits).ok_or_else(|| refused(shape))
}
