//! The container: a zip whose directory and local headers agree, and its parts by name.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use domain::FailureCode;
use rawzip::{
    CompressionMethod, MAX_CENTRAL_DIRECTORY_RECORD_SIZE, ZipArchive, ZipFileHeaderRecord,
};

use super::ahead::Ahead;
use super::decode::Utf8;
use super::inflate::Inflate;
use super::meter::Meter;
use super::{ReadLimits, Refusal};

/// Where a part lies, and what the directory claims of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Of the first compressed byte.
    pub(super) offset: u64,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) crc: u32,
    pub(super) deflated: bool,
}

/// An opened container.
pub(super) struct Archive {
    file: Arc<File>,
    entries: HashMap<String, Entry>,
    meter: Arc<Meter>,
    limits: ReadLimits,
}

type Zip = ZipArchive<rawzip::FileReader>;

impl Archive {
    pub(super) fn open(
        file: File,
        limits: &ReadLimits,
        meter: Arc<Meter>,
    ) -> Result<Self, Refusal> {
        let mut buffer = vec![0; MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let zip = ZipArchive::from_file(file.try_clone()?, &mut buffer).map_err(of_zip)?;
        let directory = zip.eocd_offset().saturating_sub(zip.directory_offset());
        if zip.entries_hint() > limits.entries as u64 || directory > limits.directory_bytes {
            return Err(Refusal::beyond("the archive has too many entries"));
        }
        let mut entries = HashMap::new();
        let mut records = zip.entries(&mut buffer);
        let mut seen = 0;
        let mut local = vec![0; 2 * usize::from(u16::MAX)];
        while let Some(record) = records.next_entry().map_err(of_zip)? {
            seen += 1;
            if seen > zip.entries_hint() {
                break;
            }
            let name = part_name(record.file_path().as_bytes())?;
            let entry = checked(&zip, &record, &mut local)?;
            if !record.is_dir() && entries.insert(name, entry).is_some() {
                return Err(Refusal::broken("the archive names a part twice"));
            }
        }
        if seen != zip.entries_hint() {
            return Err(Refusal::broken(
                "the archive's entries are not as many as it says",
            ));
        }
        Ok(Self {
            file: Arc::new(file),
            entries,
            meter,
            limits: limits.clone(),
        })
    }

    /// A part by its name, without regard to case; the name has no leading `/`.
    pub(super) fn entry(&self, part: &str) -> Option<Entry> {
        self.entries.get(&part.to_ascii_lowercase()).copied()
    }

    /// The whole of a small part, as UTF-8; none when there is no such part.
    pub(super) fn small(&self, part: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(entry) = self.entry(part) else {
            return Ok(None);
        };
        let mut text = self.stream(entry, self.limits.part_bytes, &self.meter)?;
        let mut whole = Vec::new();
        while text.block(&mut whole)? {}
        Ok(Some(whole))
    }

    /// A large part, as UTF-8, inflated ahead on a thread of its own; its work is counted by `meter`.
    pub(super) fn ahead(&self, entry: Entry, meter: &Arc<Meter>) -> Result<Ahead, Refusal> {
        let text = self.stream(entry, self.limits.entry_bytes, meter)?;
        Ahead::start(text, Arc::clone(meter))
    }

    fn stream(&self, entry: Entry, most: u64, meter: &Arc<Meter>) -> Result<Utf8, Refusal> {
        let file = Arc::clone(&self.file);
        let inflate = Inflate::new(file, entry, most, Arc::clone(meter))?;
        Ok(Utf8::new(inflate))
    }
}

/// Holds the directory's claims against the entry's own header.
fn checked(
    zip: &Zip,
    record: &ZipFileHeaderRecord<'_>,
    buffer: &mut [u8],
) -> Result<Entry, Refusal> {
    let flags = record.flags();
    if flags.is_encrypted() || flags.has_strong_encryption() || flags.is_masked() {
        return Err(Refusal::new(
            FailureCode::EncryptedWorkbook,
            "an entry of the archive is encrypted",
        ));
    }
    let entry = zip.get_entry(record.wayfinder()).map_err(of_zip)?;
    let local = entry.local_header(buffer).map_err(of_zip)?;
    let method = record.compression_method();
    let same = local.file_path().as_bytes() == record.file_path().as_bytes()
        && local.compression_method() == method
        && local.flags().is_encrypted() == flags.is_encrypted()
        && (local.flags().has_data_descriptor()
            || (local.crc32() == record.crc32()
                && local.compressed_size_hint() == record.compressed_size_hint()
                && local.uncompressed_size_hint() == record.uncompressed_size_hint()));
    let (offset, end) = entry.compressed_data_range();
    if !same || end > zip.directory_offset() {
        return Err(Refusal::broken(
            "the archive's directory and its entries differ",
        ));
    }
    let deflated = method == CompressionMethod::DEFLATE;
    if !deflated && method != CompressionMethod::STORE {
        return Err(Refusal::broken("an entry is compressed in an unknown way"));
    }
    Ok(Entry {
        offset,
        compressed: end - offset,
        size: record.uncompressed_size_hint(),
        crc: record.crc32(),
        deflated,
    })
}

/// The name that a part goes by: `/` between, no `/` before, lower case (OPC, 6.2.2.3).
fn part_name(raw: &[u8]) -> Result<String, Refusal> {
    let name = String::from_utf8_lossy(raw).replace('\\', "/");
    let name = name.trim_start_matches('/').to_ascii_lowercase();
    if name.is_empty() || name.split('/').any(|segment| segment == "..") {
        return Err(Refusal::broken("an entry has a name that leads elsewhere"));
    }
    Ok(name)
}

fn of_zip(error: rawzip::Error) -> Refusal {
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            error.into()
        }
        kind => Refusal::broken(format!("the archive is broken: {kind}")),
    }
}
