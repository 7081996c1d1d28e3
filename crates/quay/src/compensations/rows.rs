//! The rows of a csv, each made into one piece of work.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use csv::{Reader, ReaderBuilder, StringRecord};
use serde_json::{Map, Number, Value};

use super::client::CompensationItem;
use crate::cli::SubmitCompensationsArgs;
use crate::exit::Failure;

/// A csv with a header, read row by row.
pub(super) struct Rows {
    reader: Reader<File>,
    file: String,
    header: Vec<String>,
    numbers: BTreeSet<usize>,
    biz_id: Vec<Piece>,
    /// What all rows have in common.
    like: CompensationItem,
}

/// A piece of what a `biz_id` is made of.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Column(usize),
}

impl Rows {
    pub(super) fn open(args: &SubmitCompensationsArgs) -> Result<Self, Failure> {
        let file = args.file.display().to_string();
        let mut reader = reader(&args.file, &file)?;
        let header = header(&mut reader, &file)?;
        let place = |name: &str| {
            let found = header.iter().position(|column| column == name);
            found.ok_or_else(|| {
                Failure::usage(format!("{file} has no column `{name}`"))
                    .advise(format!("Its columns are: {}", header.join(", ")))
            })
        };
        let numbers = args.numbers.iter().map(|name| place(name));
        let numbers = numbers.collect::<Result<_, _>>()?;
        let biz_id = if args.biz_id.contains('{') {
            pieces(&args.biz_id, &place)?
        } else {
            vec![Piece::Column(place(&args.biz_id)?)]
        };
        let context = args.context.clone().unwrap_or_default();
        let like = CompensationItem {
            biz_type: args.biz_type.clone(),
            biz_id: String::new(),
            context: Value::Object(context),
            priority: args.priority,
            queue: args.queue.clone(),
            delay_level: args.delay_level.clone(),
            run_at: args.run_at.clone(),
        };
        Ok(Self {
            reader,
            file,
            header,
            numbers,
            biz_id,
            like,
        })
    }

    /// The next rows, so many at most; none at the end.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<CompensationItem>, Failure> {
        let mut items = Vec::new();
        let mut record = StringRecord::new();
        while items.len() < most {
            let more = self.reader.read_record(&mut record);
            let more = more.map_err(|error| broken(&self.file, &error))?;
            if !more {
                break;
            }
            items.push(self.item(&record)?);
        }
        Ok(items)
    }

    /// Where the reader is, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.reader.position().byte()
    }

    fn item(&self, record: &StringRecord) -> Result<CompensationItem, Failure> {
        let mut item = self.like.clone();
        for piece in &self.biz_id {
            item.biz_id.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Column(place) => record.get(*place).unwrap_or_default(),
            });
        }
        let mut context = match item.context {
            Value::Object(common) => common,
            _ => Map::new(),
        };
        for (place, name) in self.header.iter().enumerate() {
            let text = record.get(place).unwrap_or_default();
            let value = if self.numbers.contains(&place) {
                self.number(record, name, text)?
            } else {
                Value::String(text.to_owned())
            };
            context.insert(name.clone(), value);
        }
        item.context = Value::Object(context);
        Ok(item)
    }

    /// An empty cell is null.
    fn number(&self, record: &StringRecord, name: &str, text: &str) -> Result<Value, Failure> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let number: Result<Number, _> = text.parse();
        number.map(Value::Number).map_err(|_odd| {
            let line = record.position().map_or(0, csv::Position::line);
            Failure::usage(format!("{}, line {line}: `{name}` is no number", self.file))
        })
    }
}

fn reader(path: &Path, file: &str) -> Result<Reader<File>, Failure> {
    ReaderBuilder::new()
        .from_path(path)
        .map_err(|error| Failure::local(format!("cannot read {file}"), error))
}

/// The names of the columns, each once.
fn header(reader: &mut Reader<File>, file: &str) -> Result<Vec<String>, Failure> {
    let header = reader.headers().map_err(|error| broken(file, &error))?;
    let names = header.iter().enumerate().map(|(place, name)| {
        let name = if place == 0 {
            name.trim_start_matches('\u{feff}')
        } else {
            name
        };
        name.trim().to_owned()
    });
    let names: Vec<String> = names.collect();
    let mut seen = BTreeSet::new();
    match names
        .iter()
        .find(|name| name.is_empty() || !seen.insert(*name))
    {
        None if names.is_empty() => Err(Failure::usage(format!("{file} has no header"))),
        None => Ok(names),
        Some(name) if name.is_empty() => {
            Err(Failure::usage(format!("a column of {file} has no name")))
        }
        Some(name) => Err(Failure::usage(format!("{file} has two columns `{name}`"))),
    }
}

/// `{member}-{coupon}`: columns in braces, text around them.
fn pieces(
    pattern: &str,
    place: &impl Fn(&str) -> Result<usize, Failure>,
) -> Result<Vec<Piece>, Failure> {
    let mut pieces = Vec::new();
    let mut left = pattern;
    while let Some((text, behind)) = left.split_once('{') {
        let Some((name, behind)) = behind.split_once('}') else {
            return Err(Failure::usage(format!(
                "`{pattern}` has a brace without its other"
            )));
        };
        pieces.push(Piece::Text(text.to_owned()));
        pieces.push(Piece::Column(place(name)?));
        left = behind;
    }
    pieces.push(Piece::Text(left.to_owned()));
    Ok(pieces)
}

fn broken(file: &str, error: &csv::Error) -> Failure {
    Failure::local(format!("{file} cannot be read as csv"), error)
}
