//! What an upload is called: as its user calls it, as far as that is safe anywhere.

use actix_web::http::header::{Charset, ContentDisposition};
use domain::{UploadFormat, safe_stem};

/// Longest ending that is one, in bytes.
const MAX_ENDING_BYTES: usize = 10;

/// The name that the part gives itself; browsers write it as it is, others by RFC 8187.
pub(super) fn given(part: &ContentDisposition) -> Option<String> {
    let extended = part.get_filename_ext().and_then(|name| {
        let is_utf8 =
            matches!(&name.charset, Charset::Ext(word) if word.eq_ignore_ascii_case("utf-8"));
        String::from_utf8(name.value.clone())
            .ok()
            .filter(|_| is_utf8)
    });
    extended.or_else(|| part.get_filename().map(str::to_owned))
}

/// The last segment of a path on any system, without what a file system or a header could stumble
/// over, bounded in length; its ending stays, and a name without one gets that of the file's format.
pub(super) fn safe(given: &str, format: UploadFormat) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let (stem, ending) = match last.rsplit_once('.') {
        Some((stem, ending)) if is_ending(ending) => (stem, ending),
        Some(_) | None => (last, format.as_str()),
    };
    let stem = safe_stem(stem).unwrap_or_else(|| "upload".to_owned());
    format!("{stem}.{ending}")
}

fn is_ending(text: &str) -> bool {
    (1..=MAX_ENDING_BYTES).contains(&text.len())
        && text.bytes().all(|it| it.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_script_and_its_ending_and_loses_path_and_controls() {
        for (given, name) in [
            ("成员 六月.xlsx", "成员 六月.xlsx"),
            ("C:\\Users\\me\\members.XLSX", "members.XLSX"),
            ("../../etc/passwd", "passwd.csv"),
            ("a/b/../c.csv", "c.csv"),
            ("x\u{0}y\r\nz\u{202e}.csv", "x_y__z_.csv"),
            ("", "upload.csv"),
            ("...", "upload.csv"),
            (".csv", "upload.csv"),
            ("con.csv", "_con.csv"),
            ("data.2026-06", "data.2026-06.csv"),
            ("报表", "报表.csv"),
        ] {
            assert_eq!(safe(given, UploadFormat::Csv), name, "{given:?}");
        }
    }

    #[test]
    fn a_name_is_never_longer_than_a_file_system_takes() {
        let name = safe(&"员".repeat(5_000), UploadFormat::Xlsx);
        assert!(name.len() <= 255 && name.ends_with(".xlsx"), "{name}");
    }
}
