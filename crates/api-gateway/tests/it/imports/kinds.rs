//! Files that are told by their first bytes, whatever they are called.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::form::Form;
use crate::house::{House, manager};

/// The beginning of an OLE container with one stream of that name in its directory.
fn ole(stream: &str) -> Vec<u8> {
    let mut file = vec![0_u8; 1_536];
    file[..8].copy_from_slice(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1]);
    file[24..32].copy_from_slice(&[0x3e, 0, 3, 0, 0xfe, 0xff, 9, 0]);
    file[32..36].copy_from_slice(&[6, 0, 0, 0]);
    // one sector of allocation, the first; the directory is the second
    file[44] = 1;
    file[48] = 1;
    file[56..58].copy_from_slice(&[0, 0x10]);
    file[60..64].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff]);
    file[68..72].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff]);
    file[76..512].fill(0xff);
    file[76..80].fill(0);
    file[512..1024].fill(0xff);
    file[512..516].copy_from_slice(&[0xfd, 0xff, 0xff, 0xff]);
    file[516..520].copy_from_slice(&[0xfe, 0xff, 0xff, 0xff]);
    for (place, (name, kind)) in [("Root Entry", 5), (stream, 2)].into_iter().enumerate() {
        let entry = &mut file[1_024 + place * 128..][..128];
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        entry[..units.len()].copy_from_slice(&units);
        entry[64] = u8::try_from(units.len() + 2).unwrap();
        entry[66] = kind;
        entry[67] = 1;
        entry[68..80].fill(0xff);
        if kind == 5 {
            entry[76..80].copy_from_slice(&[1, 0, 0, 0]);
        }
    }
    file
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in entries {
        zip.start_file(*name, stored).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_by_its_code_at_once_and_nothing_of_it_is_kept() {
    let house = House::open().await;
    let types: &[u8] =
        b"<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>";
    let xlsb = zipped(&[
        ("[Content_Types].xml", types),
        ("xl/workbook.bin", b"\x83\x01"),
    ]);
    let ods = zipped(&[
        (
            "mimetype",
            b"application/vnd.oasis.opendocument.spreadsheet",
        ),
        ("content.xml", b"<x/>"),
    ]);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".to_vec();
    let html =
        b"<!DOCTYPE html>\n<html><body><table><tr><td>1</td></tr></table></body></html>".to_vec();
    for (what, content, code) in [
        ("xls", ole("Workbook"), "legacy_xls"),
        ("encrypted", ole("EncryptedPackage"), "encrypted_workbook"),
        ("png", png, "unsupported_media"),
        ("html", html, "unsupported_media"),
        ("xlsb", xlsb, "unsupported_media"),
        ("ods", ods, "unsupported_media"),
    ] {
        for form in [
            Form::new()
                .field("dataset", "member")
                .file("members.xlsx", &content),
            Form::new()
                .file("members.xlsx", &content)
                .field("dataset", "member"),
        ] {
            let answer = house.import(&manager(), &form).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (415, code),
                "{what}"
            );
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(!detail.is_ascii(), "in the deployment's language: {detail}");
        }
    }
    assert_eq!(house.uploads().await, [""; 0], "none was even begun");
    house.assert_nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_no_bytes_is_empty() {
    let house = House::open().await;
    let form = Form::new().field("dataset", "member").file("m.xlsx", b"");
    let answer = house.import(&manager(), &form).await;
    assert_eq!(
        (answer.status, answer.problem().as_str()),
        (422, "empty_file")
    );
    house.assert_nothing_is_left().await;
}
