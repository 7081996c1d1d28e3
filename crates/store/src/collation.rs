//! Which keys a table takes for the same: what the collations of its columns say, padding included,
//! and nothing else. Shown by `tests/it/import/collation.rs`, beside the server's own unique keys.
//!
//! Where a collation compares bytes the answer is here; else the server ranks the texts. It is asked
//! about texts that differ only, in statements of bounded size; texts that do not fit into one are
//! ranked two pieces at a time, each with each.

mod classes;

use std::collections::HashMap;

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

use classes::{Classes, cut, distinct};

/// Longest text that a unique key of InnoDB can hold, in characters: 3,072 bytes of ascii.
const MOST_KEY_CHARACTERS: usize = 3_072;

/// Longest sort key that the server makes of one text, in bytes: far more than the weights of the
/// longest text that a key can hold. By default a kilobyte alone would take part.
const SORT_KEY_BYTES: usize = 65_535;

/// What the server may sort in, in bytes: it must hold fifteen of the longest keys.
const SORT_BUFFER_BYTES: usize = 32 << 20;

impl Store {
    /// A number for each key, equal where the table's unique key takes the keys for equal. `columns`
    /// are the key's columns without the tenant's, `keys` one text for each of them, as MySQL takes
    /// it: numbers, dates and truth values in their one canonical form.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Corrupt`] when the table has no such column.
    pub async fn classes_under_collation(
        &self,
        dataset: &Dataset,
        columns: &[String],
        keys: Vec<Vec<String>>,
    ) -> Result<Vec<usize>, StoreError> {
        let compared = self.compared(&dataset.table, columns).await?;
        let (distinct, places) = distinct(keys, &compared);
        if compared.iter().all(|column| column.collation.is_none()) {
            return Ok(places);
        }
        let mut classes = Classes::new(distinct.len());
        let pieces = cut(&distinct);
        for (number, first) in pieces.iter().enumerate() {
            if pieces.len() == 1 {
                self.rank(&compared, &distinct, first, &mut classes).await?;
            }
            for second in &pieces[number + 1..] {
                let both: Vec<usize> = first.iter().chain(second).copied().collect();
                self.rank(&compared, &distinct, &both, &mut classes).await?;
            }
        }
        Ok(places.into_iter().map(|at| classes.first_of(at)).collect())
    }

    /// How each of the columns compares.
    async fn compared(&self, table: &str, columns: &[String]) -> Result<Vec<Compared>, StoreError> {
        let table = table.to_owned();
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
        columns.iter().map(of).collect()
    }

    /// Joins those of the texts that the server takes for equal.
    async fn rank(
        &self,
        compared: &[Compared],
        distinct: &[Vec<String>],
        texts: &[usize],
        classes: &mut Classes,
    ) -> Result<(), StoreError> {
        let chosen: Vec<&Vec<String>> = texts.iter().map(|text| &distinct[*text]).collect();
        let json = serde_json::to_string(&chosen).map_err(corrupt)?;
        let statement = ranking(compared);
        let ranks: Vec<RankRow> = self
            .transact(Op::Collation, async move |connection: &mut Connection| {
                let query = sql_query(&statement).into_boxed::<Mysql>();
                Ok(query.bind::<Text, _>(&json).load(connection).await?)
            })
            .await?;
        let mut first: HashMap<u64, usize> = HashMap::new();
        for RankRow { place, class } in ranks {
            let place = usize::try_from(place).map_err(corrupt)?;
            let text = *texts
                .get(place.wrapping_sub(1))
                .ok_or_else(|| corrupt("the server ranks what it was not given"))?;
            classes.join(*first.entry(class).or_insert(text), text);
        }
        Ok(())
    }
}

/// How a column compares two texts.
struct Compared {
    /// Blanks at the end are nothing.
    pads: bool,
    /// Whom to ask: character set and collation. None: texts are equal byte for byte.
    collation: Option<(String, String)>,
}

impl Compared {
    fn of(column: &ColumnRow) -> Self {
        let (Some(charset), Some(collation)) = (&column.charset, &column.collation) else {
            return Self {
                pads: false,
                collation: None,
            };
        };
        // Collations older than UCA 9.0.0 pad; MariaDB says `nopad` where its do not. CHAR itself
        // loses its blanks.
        let pads = column.kind == "char"
            || !["_0900_", "nopad"]
                .iter()
                .any(|word| collation.contains(word));
        let is_exact = collation.ends_with("_bin");
        Self {
            pads,
            collation: (!is_exact).then(|| (charset.clone(), collation.clone())),
        }
    }

    fn normal(&self, text: &mut String) {
        if self.pads {
            text.truncate(text.trim_end_matches(' ').len());
        }
    }
}

/// Ranks a JSON array of keys: the whole of each text takes part, not its first kilobyte alone.
fn ranking(compared: &[Compared]) -> String {
    let columns: Vec<String> = (0..compared.len())
        .map(|number| {
            format!("c{number} VARCHAR({MOST_KEY_CHARACTERS}) PATH '$[{number}]' ERROR ON ERROR")
        })
        .collect();
    let order: Vec<String> = compared
        .iter()
        .enumerate()
        .map(|(number, column)| match &column.collation {
            Some((charset, collation)) => {
                format!("CONVERT(k.c{number} USING {charset}) COLLATE {collation}")
            }
            None => format!("k.c{number} COLLATE utf8mb4_bin"),
        })
        .collect();
    format!(
        "SELECT /*+ SET_VAR(max_sort_length = {SORT_KEY_BYTES}) \
         SET_VAR(sort_buffer_size = {SORT_BUFFER_BYTES}) */ k.place, \
         CAST(DENSE_RANK() OVER (ORDER BY {}) AS UNSIGNED) AS class \
         FROM JSON_TABLE(?, '$[*]' COLUMNS (place FOR ORDINALITY, {})) k",
        order.join(", "),
        columns.join(", ")
    )
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
struct RankRow {
    #[diesel(sql_type = Unsigned<BigInt>)]
    place: u64,
    #[diesel(sql_type = Unsigned<BigInt>)]
    class: u64,
}
