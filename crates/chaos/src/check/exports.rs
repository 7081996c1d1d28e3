//! One visible file for each export that succeeded, with the bytes and the rows that are told of it;
//! none for any other.

use std::io::Cursor;

use anyhow::{Context, Result};
use calamine::{Reader, Xlsx, open_workbook_from_rs};
use futures::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::{AT_ONCE, AllTold, Checker, Tally};
use crate::book::Accepted;
use crate::wish::{Format, Wish};

/// Id, hash, rows.
type File = (u64, String, u64);

impl Checker {
    pub(super) async fn exports(
        &self,
        accepted: &[Accepted],
        told: &AllTold,
        tally: &mut Tally,
    ) -> Result<()> {
        let exports = accepted.iter().filter_map(|one| {
            let (format, rows) = match one.wish {
                Wish::Export { format, up_to } => (format, up_to.min(self.members)),
                Wish::Broken => (Format::Csv, 1),
                Wish::Import { .. } | Wish::Direct(_) => return None,
            };
            let id = one.task?;
            Some((id, format, rows, told.get(&id)?.status == "SUCCESS"))
        });
        let checked = stream::iter(exports)
            .map(|(id, format, rows, done)| self.export(id, format, rows, done));
        let files: Vec<u64> = checked.buffer_unordered(AT_ONCE).try_collect().await?;
        tally.files = files.iter().sum();
        Ok(())
    }

    async fn export(&self, id: u64, format: Format, rows: u64, done: bool) -> Result<u64> {
        let visible = format!(
            "SELECT id, sha256, row_count FROM task_file
             WHERE task_id = {id} AND role = 'ARTIFACT' AND state = 'AVAILABLE'"
        );
        let files: Vec<File> = self.database.query(&visible).await?;
        if files.len() != usize::from(done) {
            self.journal.violation(format!(
                "export {id}: {} visible files (done: {done})",
                files.len()
            ));
        }
        for (file, sha256, told) in &files {
            let path = format!("tasks/{id}/files/{file}");
            let found = match self.client.download(&path).await {
                Ok(bytes) => facts(&bytes, format),
                Err(error) => Err(error),
            };
            match found {
                Ok((hash, found)) if hash == *sha256 && found == rows && *told == rows => {}
                found => self.journal.violation(format!(
                    "export {id}: the file has {found:?}, told are {sha256} and {told} rows, {rows} \
                     were asked for"
                )),
            }
        }
        Ok(files.len() as u64)
    }
}

/// Hash and data rows.
fn facts(bytes: &[u8], format: Format) -> Result<(String, u64)> {
    let hash = hex::encode(Sha256::digest(bytes));
    let rows = match format {
        Format::Csv => {
            let mut reader = csv::Reader::from_reader(bytes);
            reader
                .records()
                .try_fold(0, |rows, row| row.map(|_| rows + 1))?
        }
        Format::Xlsx => {
            let mut book: Xlsx<_> = open_workbook_from_rs(Cursor::new(bytes))?;
            let sheet = book.worksheet_range_at(0).context("no sheet")??;
            sheet.height().saturating_sub(1) as u64
        }
    };
    Ok((hash, rows))
}
