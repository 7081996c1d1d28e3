//! What a client wants: drawn from the seed, and the same bytes however often it is sent.

use anyhow::Result;
use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::json;
use xlsxwriter::Workbook;

/// Most rows of most exports.
const SMALL: u64 = 2_000;

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A workbook.
    Xlsx,
    /// Text.
    Csv,
}

impl Format {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
        }
    }
}

/// Rows for a dataset; every `n`th of them is a bad one.
#[derive(Clone, Debug)]
pub struct Rows {
    /// Of what table.
    pub dataset: &'static str,
    /// How many.
    pub count: u32,
    /// Zero: none is bad.
    pub every_bad: u32,
}

impl Rows {
    /// Whether row `number`, from 0, can be stored.
    pub(crate) fn is_good(&self, number: u32) -> bool {
        self.every_bad == 0 || number % self.every_bad != self.every_bad - 1
    }

    /// How many can be stored.
    pub(crate) fn good(&self) -> u64 {
        let good = (0..self.count).filter(|number| self.is_good(*number));
        good.count() as u64
    }

    /// What names the effect of a row, for the whole run.
    pub(crate) fn effect(key: &str, number: u32) -> String {
        format!("{key}.{number}")
    }

    pub(crate) fn amount(&self, number: u32) -> String {
        if self.is_good(number) {
            number.to_string()
        } else {
            "many".to_owned()
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Members up to an id.
    Export { format: Format, up_to: u64 },
    /// Of the table that nobody can read.
    Broken,
    /// Of a file.
    Import {
        rows: Rows,
        format: Format,
        abort: bool,
        validate_only: bool,
    },
    /// Rows that are stored, or not, at once.
    Direct(Rows),
}

impl Wish {
    /// Draws one; `members` rows can be exported.
    pub(crate) fn draw(random: &mut StdRng, members: u64) -> Self {
        let format = if random.random_bool(0.5) {
            Format::Xlsx
        } else {
            Format::Csv
        };
        match random.random_range(0..100) {
            // a few take so long that a fault finds them at work
            0..6 => Self::Export {
                format,
                up_to: random.random_range(members / 2..=members),
            },
            6..40 => Self::Export {
                format,
                up_to: random.random_range(0..=members.min(SMALL)),
            },
            40..46 => Self::Broken,
            46..86 => Self::Import {
                rows: some_rows(random, 160),
                format,
                abort: random.random_bool(0.1),
                validate_only: random.random_bool(0.05),
            },
            _ => Self::Direct(some_rows(random, 20)),
        }
    }

    /// Whether it becomes a task.
    pub(crate) const fn is_task(&self) -> bool {
        !matches!(self, Self::Direct(_))
    }

    /// The path under `/api/v1`.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::Export { .. } | Self::Broken => "exports".to_owned(),
            Self::Import { .. } => "imports".to_owned(),
            Self::Direct(rows) => format!("datasets/{}/rows", rows.dataset),
        }
    }

    /// Fills in the body.
    pub(crate) fn send(&self, key: &str, request: RequestBuilder) -> Result<RequestBuilder> {
        Ok(match self {
            Self::Export { format, up_to } => request.json(&json!({
                "dataset": "member", "format": format.word(),
                "filters": {"id": {"lte": up_to}}, "timezone": "UTC",
            })),
            Self::Broken => request.json(&json!({"dataset": "chaos_broken", "format": "csv"})),
            Self::Import {
                rows,
                format,
                abort,
                validate_only,
            } => {
                let bytes = match format {
                    Format::Csv => csv(key, rows),
                    Format::Xlsx => xlsx(key, rows)?,
                };
                let mut options = json!({
                    "batch_size": 25, "validate_only": validate_only,
                    "on_error": if *abort { "abort" } else { "continue" },
                });
                if rows.dataset == "chaos_upsert" {
                    options["mode"] = "upsert".into();
                }
                let name = format!("{key}.{}", format.word());
                let form = Form::new()
                    .text("dataset", rows.dataset)
                    .text("options", options.to_string())
                    .part("file", Part::bytes(bytes).file_name(name));
                request.multipart(form)
            }
            Self::Direct(rows) => {
                let row = |number| json!({"effect": Rows::effect(key, number), "amount": rows.amount(number)});
                let rows: Vec<_> = (0..rows.count).map(row).collect();
                request.json(&json!({"rows": rows}))
            }
        })
    }
}

fn some_rows(random: &mut StdRng, most: u32) -> Rows {
    Rows {
        dataset: if random.random_bool(0.6) {
            "chaos_append"
        } else {
            "chaos_upsert"
        },
        count: random.random_range(1..=most),
        every_bad: if random.random_bool(0.3) {
            random.random_range(2..20)
        } else {
            0
        },
    }
}

fn csv(key: &str, rows: &Rows) -> Vec<u8> {
    let mut text = "effect,amount\r\n".to_owned();
    for number in 0..rows.count {
        let (effect, amount) = (Rows::effect(key, number), rows.amount(number));
        text.push_str(&format!("{effect},{amount}\r\n"));
    }
    text.into_bytes()
}

/// Made anew for each try: the hash behind a key is of the file's content, so it has to be the same
/// bytes, and the workbook's time of creation is fixed.
fn xlsx(key: &str, rows: &Rows) -> Result<Vec<u8>> {
    let mut book = Workbook::new();
    let made = xlsxwriter::ExcelDateTime::from_ymd(2026, 1, 1)?;
    book.set_properties(&xlsxwriter::DocProperties::new().set_creation_datetime(&made));
    let sheet = book.add_worksheet();
    sheet.write_string(0, 0, "effect")?;
    sheet.write_string(0, 1, "amount")?;
    for number in 0..rows.count {
        sheet.write_string(number + 1, 0, Rows::effect(key, number))?;
        if rows.is_good(number) {
            sheet.write_number(number + 1, 1, f64::from(number))?;
        } else {
            sheet.write_string(number + 1, 1, rows.amount(number))?;
        }
    }
    Ok(book.save_to_buffer()?)
}
