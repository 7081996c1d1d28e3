//! What kind of file this is, by its bytes.
//!
//! What is known and not read (pictures, HTML, OpenDocument, other office files) is
//! `unsupported_media`; what is nothing, or broken, is `not_a_workbook`; text is csv, whatever the
//! file's name says.

mod ole;
mod zip;

use domain::{FailureCode, UploadFormat};

use super::Refusal;

/// Bytes that are looked at.
pub(super) const HEAD: usize = 64 * 1024;

/// Kinds of file that are known by their first bytes.
const KNOWN: &[(&[u8], &str)] = &[
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"RIFF", "a picture or a sound"),
    (b"BM\0", "a picture"),
    (b"%PDF-", "a PDF"),
    (b"{\\rtf", "rich text"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x7fELF", "a program"),
    (b"MIME-Version:", "a web page in one file"),
];

/// Beginnings of markup, in lower case.
const MARKUP: &[&[u8]] = &[
    b"<!doctype",
    b"<html",
    b"<head",
    b"<body",
    b"<table",
    b"<meta",
    b"<style",
    b"<script",
    b"<div",
    b"<?xml",
    b"<!--",
    b"<svg",
    b"<workbook",
];

/// Tells the kind of a file by its first bytes, whatever its name says.
///
/// `head` is the file's first 64 KiB, or all of it if it is smaller; what lies behind is not
/// looked at.
///
/// # Errors
/// A [`Refusal`]: `legacy_xls`, `encrypted_workbook`; `unsupported_media` for kinds that are known
/// and not read; `empty_file` for no bytes at all; `not_a_workbook` for anything else.
pub fn sniff(head: &[u8]) -> Result<UploadFormat, Refusal> {
    let head = &head[..head.len().min(HEAD)];
    if head.is_empty() {
        return Err(Refusal::new(FailureCode::EmptyFile, "the file is empty"));
    }
    if head.starts_with(&ole::MAGIC) {
        return Err(ole::refusal(head));
    }
    if head.starts_with(b"PK\x03\x04") {
        return match zip::other_kind(head) {
            Some(kind) => Err(unsupported(kind)),
            None => Ok(UploadFormat::Xlsx),
        };
    }
    if head.starts_with(b"PK\x05\x06") {
        return Err(Refusal::broken("the archive is empty"));
    }
    if let Some((_, kind)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(unsupported(kind));
    }
    if is_markup(head) {
        return Err(unsupported("a web page or other markup"));
    }
    if is_text(head) {
        return Ok(UploadFormat::Csv);
    }
    Err(Refusal::broken("neither an archive nor text"))
}

fn unsupported(kind: &str) -> Refusal {
    Refusal::new(FailureCode::UnsupportedMedia, kind)
}

fn is_markup(head: &[u8]) -> bool {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    let begins = |tag: &&[u8]| {
        let own = text.get(..tag.len());
        own.is_some_and(|own| own.eq_ignore_ascii_case(tag))
    };
    MARKUP.iter().any(begins)
}

/// Whether it reads as text: UTF-16, or bytes among which control characters are rare.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let nul_at = |parity: usize| {
        let zeros = head
            .iter()
            .skip(parity)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count();
        zeros * 5 > head.len()
    };
    if nul_at(0) != nul_at(1) {
        return true;
    }
    let control = |byte: &&u8| matches!(**byte, 0..=8 | 14..=25 | 28..=31 | 127);
    head.iter().filter(control).count() * 50 <= head.len()
}
