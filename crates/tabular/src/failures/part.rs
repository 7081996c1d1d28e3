//! A large part of an archive that is made before its place in the archive is reached.

use std::io::{self, Seek, Write};
use std::path::Path;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use rawzip::{CompressionMethod, DataDescriptorOutput, ZipArchiveWriter};
use tempfile::SpooledTempFile;

use crate::assemble::of_zip;

/// Compressed bytes that stay in memory; what is more waits in an unlinked temporary file.
const MAX_MEMORY_BYTES: usize = 4 << 20;

/// The part's bytes, compressed as they come.
pub(super) struct Part {
    packed: DeflateEncoder<SpooledTempFile>,
    crc: Crc,
    raw_bytes: u64,
}

impl Part {
    pub(super) fn new(temp_dir: Option<&Path>) -> Self {
        let spool = match temp_dir {
            Some(directory) => SpooledTempFile::new_in(MAX_MEMORY_BYTES, directory),
            None => SpooledTempFile::new(MAX_MEMORY_BYTES),
        };
        Self {
            packed: DeflateEncoder::new(spool, Compression::fast()),
            crc: Crc::new(),
            raw_bytes: 0,
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc.update(bytes);
        self.raw_bytes += bytes.len() as u64;
        self.packed.write_all(bytes)
    }

    /// Ends the part and puts it into its archive.
    pub(super) fn add_to(
        self,
        zip: &mut ZipArchiveWriter<impl Write>,
        name: &str,
    ) -> io::Result<()> {
        let mut spool = self.packed.finish()?;
        spool.rewind()?;
        let file = zip
            .new_file(name)
            .compression_method(CompressionMethod::DEFLATE);
        let (mut entry, _) = file.start().map_err(of_zip)?;
        io::copy(&mut spool, &mut entry)?;
        let descriptor = DataDescriptorOutput::new(self.crc.sum(), self.raw_bytes);
        entry.finish(descriptor).map_err(of_zip)?;
        Ok(())
    }
}
