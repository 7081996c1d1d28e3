//! Which keys a table takes for the same: what the collations of its columns say, padding included,
//! and nothing else. Shown by `tests/it/import/collation.rs`, beside the server's own unique keys.
//!
//! Each key gets a mark, equal for equal keys: where its columns compare bytes, a hash of its text;
//! else a hash of the weights that the server sorts it by. So every key travels once, in statements
//! of bounded size, however many of them look alike: a file of a million such keys costs a million
//! weights and no comparison (*`import::collation::keys_that_look_alike_cost_one_statement_a_mebibyte`*).

use std::hash::{DefaultHasher, Hasher};

use diesel::mysql::Mysql;
use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Unsigned};
use diesel_async::RunQueryDsl;
use domain::Dataset;

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::ledger::corrupt;
use crate::pool::Connection;

/// Longest text that a unique key of InnoDB can hold, in characters: 3,072 bytes of ascii.
const MOST_KEY_CHARACTERS: usize = 3_072;

/// Bytes of keys in one statement, or one key more: far below the least `max_allowed_packet` in use
/// (16 MiB), also where every character is escaped.
const PIECE_BYTES: usize = 1 << 20;

/// How a table's unique key compares: [`Store::key_comparison`].
#[derive(Debug, Clone)]
pub struct KeyComparison {
    columns: Vec<Compared>,
}

impl Store {
    /// How a key over `columns`, those without the tenant's, compares its texts.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] when the table has no such column.
    pub async fn key_comparison(
        &self,
        dataset: &Dataset,
        columns: &[String],
    ) -> Result<KeyComparison, StoreError> {
        let table = dataset.table.clone();
        let stored: Vec<ColumnRow> = self
            .transact(Op::Collation, async move |connection: &mut Connection| {
                let found = sql_query(
                    "SELECT COLUMN_NAME AS name, CAST(DATA_TYPE AS CHAR) AS kind, \
                     CHARACTER_SET_NAME AS charset, COLLATION_NAME AS collation \
                     FROM information_schema.COLUMNS \
                     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
                )
                .bind::<Text, _>(&table)
                .load(connection)
                .await?;
                Ok(found)
            })
            .await?;
        let of = |name: &String| {
            let column = stored.iter().find(|column| column.name == *name);
            column
                .map(Compared::of)
                .ok_or_else(|| corrupt(format!("the table has no column {name}")))
        };
        let columns = columns.iter().map(of).collect::<Result<_, _>>()?;
        Ok(KeyComparison { columns })
    }

    /// A mark for each key, equal where the unique key takes the keys for equal; a chance of 2^-64
    /// that two others share one. `keys` hold one text for each column, as MySQL takes it: numbers,
    /// dates and truth values in their one canonical form.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn key_marks(
        &self,
        comparison: &KeyComparison,
        mut keys: Vec<Vec<String>>,
    ) -> Result<Vec<u64>, StoreError> {
        for key in &mut keys {
            comparison.normal(key);
        }
        let mut marks: Vec<u64> = keys.iter().map(|key| mark(key)).collect();
        if comparison.is_exact() {
            return Ok(marks);
        }
        for piece in pieces(&keys) {
            let told = self.weigh(comparison, &keys, &piece).await?;
            for (place, mark) in piece.into_iter().zip(told) {
                marks[place] = mark;
            }
        }
        Ok(marks)
    }

    /// The server's marks of some of the keys, in their order.
    async fn weigh(
        &self,
        comparison: &KeyComparison,
        keys: &[Vec<String>],
        piece: &[usize],
    ) -> Result<Vec<u64>, StoreError> {
        let chosen: Vec<&Vec<String>> = piece.iter().map(|place| &keys[*place]).collect();
        let json = serde_json::to_string(&chosen).map_err(corrupt)?;
        let statement = comparison.weighing();
        let mut told: Vec<MarkRow> = self
            .transact(Op::Collation, async move |connection: &mut Connection| {
                let query = sql_query(&statement).into_boxed::<Mysql>();
                Ok(query.bind::<Text, _>(&json).load(connection).await?)
            })
            .await?;
        told.sort_unstable_by_key(|row| row.place);
        if told.len() != piece.len() {
            return Err(corrupt("the server does not tell of every key"));
        }
        Ok(told.into_iter().map(|row| row.mark).collect())
    }
}

impl KeyComparison {
    /// Whether keys are equal byte for byte once they are normal.
    fn is_exact(&self) -> bool {
        self.columns.iter().all(|column| column.collation.is_none())
    }

    fn normal(&self, key: &mut [String]) {
        for (part, column) in key.iter_mut().zip(&self.columns) {
            if column.drops_blanks {
                part.truncate(part.trim_end_matches(' ').len());
            }
        }
    }

    /// Gives the marks of a JSON array of keys.
    fn weighing(&self) -> String {
        let columns: Vec<String> = (0..self.columns.len())
            .map(|number| {
                format!(
                    "c{number} VARCHAR({MOST_KEY_CHARACTERS}) PATH '$[{number}]' ERROR ON ERROR"
                )
            })
            .collect();
        let weights: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(number, column)| format!("SHA2({}, 256)", column.weights(number)))
            .collect();
        format!(
            "SELECT k.place, \
             CAST(CONV(LEFT(SHA2(CONCAT({}), 256), 16), 16, 10) AS UNSIGNED) AS mark \
             FROM JSON_TABLE(?, '$[*]' COLUMNS (place FOR ORDINALITY, {})) k",
            weights.join(", "),
            columns.join(", ")
        )
    }
}

/// How a column compares two texts.
#[derive(Debug, Clone)]
struct Compared {
    /// Blanks at the end are nothing.
    drops_blanks: bool,
    /// Whom to ask; none: texts are equal byte for byte.
    collation: Option<Collation>,
}

#[derive(Debug, Clone)]
struct Collation {
    charset: String,
    name: String,
    /// What weighs as blanks at the end is nothing, too.
    pads: bool,
}

impl Compared {
    fn of(column: &ColumnRow) -> Self {
        let (Some(charset), Some(name)) = (&column.charset, &column.collation) else {
            return Self {
                drops_blanks: false,
                collation: None,
            };
        };
        // Collations older than UCA 9.0.0 pad; MariaDB says `nopad` where its do not. CHAR itself
        // loses its blanks.
        let pads = !["_0900_", "nopad"].iter().any(|word| name.contains(word));
        let collation = (!name.ends_with("_bin")).then(|| Collation {
            charset: charset.clone(),
            name: name.clone(),
            pads,
        });
        Self {
            drops_blanks: pads || column.kind == "char",
            collation,
        }
    }

    /// What column `c<number>` of the keys is sorted by.
    fn weights(&self, number: usize) -> String {
        let Some(Collation {
            charset,
            name,
            pads,
        }) = &self.collation
        else {
            return format!("k.c{number}");
        };
        let of =
            |text: &str| format!("WEIGHT_STRING(CONVERT({text} USING {charset}) COLLATE {name})");
        let weights = of(&format!("k.c{number}"));
        if *pads {
            format!("TRIM(TRAILING {} FROM {weights})", of("_utf8mb4' '"))
        } else {
            weights
        }
    }
}

/// A hash of the text, the parts told apart.
fn mark(key: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in key {
        hasher.write(part.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// Keys that the table can hold, in pieces of bounded size. A longer one is equal to its own text
/// alone.
fn pieces(keys: &[Vec<String>]) -> Vec<Vec<usize>> {
    let mut pieces: Vec<Vec<usize>> = Vec::new();
    let mut bytes = PIECE_BYTES;
    for (place, key) in keys.iter().enumerate() {
        if key
            .iter()
            .any(|part| part.chars().count() > MOST_KEY_CHARACTERS)
        {
            continue;
        }
        bytes += key.iter().map(|part| part.len() + 3).sum::<usize>() + 3;
        if bytes > PIECE_BYTES {
            pieces.push(Vec::new());
            bytes = 0;
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(place);
        }
    }
    pieces
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    charset: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    collation: Option<String>,
}

#[derive(QueryableByName)]
struct MarkRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    place: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    mark: u64,
}
