//! The table that is imported into, and the rows that it is compared with.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use futures::StreamExt;
use mysql_async::prelude::Queryable;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use crate::database::{COLUMNS, Database, TENANT, channel};

/// The columns that an import fills: all but the table's own id.
const IMPORTED: &str =
    "member_no,name,mobile,email,level,points,balance,birthday,created_at,remark";

pub(crate) struct Table {
    database: Database,
}

impl Table {
    pub(crate) fn new(database: &Database) -> Self {
        Self {
            database: database.clone(),
        }
    }

    /// Empties ours and the peers'.
    pub(crate) async fn clear(&self) -> Result<()> {
        let mut conn = self.database.connect().await?;
        conn.query_drop("TRUNCATE TABLE member").await?;
        conn.query_drop("TRUNCATE TABLE peer.member_in").await?;
        conn.disconnect().await?;
        Ok(())
    }

    /// Writes the rows as LOAD DATA reads them, while they are still in the table.
    pub(crate) async fn write_text(&self, file: &Path, rows: u64) -> Result<()> {
        let (to, mut from) = channel();
        let writing = async {
            let mut out = tokio::io::BufWriter::new(tokio::fs::File::create(file).await?);
            while let Some(portion) = from.recv().await {
                for row in portion {
                    let fields: Vec<String> = row.into_iter().skip(1).map(escaped).collect();
                    out.write_all(fields.join("\t").as_bytes()).await?;
                    out.write_all(b"\n").await?;
                }
            }
            out.flush().await?;
            anyhow::Ok(())
        };
        let (written, read) = tokio::join!(writing, self.database.rows(rows, to));
        read?;
        written
    }

    /// LOAD DATA of the text into our table.
    pub(crate) async fn load_data(&self, file: &Path, rows: u64) -> Result<()> {
        let mut conn = self.database.connect().await?;
        let path: PathBuf = file.to_owned();
        conn.set_infile_handler(async move {
            let file = tokio::fs::File::open(path).await?;
            Ok(ReaderStream::with_capacity(file, 256 << 10).boxed())
        });
        conn.query_drop(format!(
            "LOAD DATA LOCAL INFILE 'rows' INTO TABLE member CHARACTER SET utf8mb4 \
             ({IMPORTED}) SET tenant = '{TENANT}'"
        ))
        .await?;
        let taken = conn.affected_rows();
        conn.disconnect().await?;
        ensure!(taken == rows, "{taken} of {rows} rows were taken");
        Ok(())
    }

    /// Whether the table holds just those rows that the workbook was made of.
    pub(crate) async fn compare(&self, peers: bool, rows: u64) -> Result<()> {
        let mut conn = self.database.connect().await?;
        let table = if peers { "peer.member_in" } else { "member" };
        let count: Option<u64> = conn
            .query_first(format!("SELECT COUNT(*) FROM {table}"))
            .await?;
        let same: Vec<String> = COLUMNS
            .split(',')
            .filter(|column| *column != "id")
            .map(|column| format!("m.{column} <=> p.{column}"))
            .collect();
        let equal: Option<u64> = conn
            .query_first(format!(
                "SELECT COUNT(*) FROM peer.member p STRAIGHT_JOIN {table} m \
                 ON {} m.member_no = p.member_no WHERE {}",
                if peers {
                    String::new()
                } else {
                    format!("m.tenant = '{TENANT}' AND")
                },
                same.join(" AND ")
            ))
            .await?;
        conn.disconnect().await?;
        let (count, equal) = (count.unwrap_or_default(), equal.unwrap_or_default());
        ensure!(
            count == rows && equal == rows,
            "{count} rows, {equal} of them as they should be, instead of {rows}"
        );
        Ok(())
    }
}

fn escaped(value: Option<String>) -> String {
    let Some(value) = value else {
        return "\\N".to_owned();
    };
    value
        .replace('\\', "\\\\")
        .replace('\t', "\\t")
        .replace('\n', "\\n")
}
