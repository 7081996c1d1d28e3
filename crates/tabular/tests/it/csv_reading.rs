//! What is read out of a csv that somebody else made (cases.md A 26).

use std::io::Write;

use domain::{Cell, ColumnType, ExportFormat, FailureCode, SheetCell, TextEncoding, UploadFormat};
use encoding_rs::{BIG5, EUC_KR, GB18030, SHIFT_JIS, UTF_8, WINDOWS_1252};
use proptest::prelude::*;
use tabular::{Book, Layout, Merges, ReadLimits, ReadTerms, Refusal};

use crate::written::{column, layout, write};

/// Row numbers with their cells.
type Rows = Vec<(u32, Vec<(u16, String)>)>;

fn read_within(bytes: &[u8], limits: &ReadLimits) -> Result<Rows, Refusal> {
    read_by(bytes, &ReadTerms::within(limits.clone()))
}

fn read_by(bytes: &[u8], terms: &ReadTerms) -> Result<Rows, Refusal> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let book = Book::open(file, UploadFormat::Csv, terms)?;
    let mut pass = book.rows(0, &Merges::default())?;
    let mut rows = Vec::new();
    while let Some(chunk) = pass.next()? {
        for row in chunk.rows() {
            let cells = row.cells().map(|placed| match placed.cell {
                SheetCell::Text(text) => (placed.column, text.to_owned()),
                other => panic!("a field is text, not {other:?}"),
            });
            rows.push((row.number, cells.collect()));
        }
    }
    Ok(rows)
}

fn read(bytes: impl AsRef<[u8]>) -> Rows {
    read_within(bytes.as_ref(), &ReadLimits::default()).unwrap()
}

fn refused(bytes: impl AsRef<[u8]>) -> FailureCode {
    read_within(bytes.as_ref(), &ReadLimits::default())
        .unwrap_err()
        .code
}

fn row(number: u32, cells: &[&str]) -> (u32, Vec<(u16, String)>) {
    let filled = (0..).zip(cells).filter(|(_, text)| !text.is_empty());
    (
        number,
        filled.map(|(at, text)| (at, (*text).to_owned())).collect(),
    )
}

fn utf_16(text: &str, big_endian: bool) -> Vec<u8> {
    let units = text.encode_utf16();
    let bytes = |unit: u16| match big_endian {
        true => unit.to_be_bytes(),
        false => unit.to_le_bytes(),
    };
    units.flat_map(bytes).collect()
}

const MEMBERS: &str =
    "会员号,姓名,手机号\r\nM0001,王小明,13800000000\r\nM0002,李一一,13900000000\r\n";

fn members() -> Rows {
    vec![
        row(1, &["会员号", "姓名", "手机号"]),
        row(2, &["M0001", "王小明", "13800000000"]),
        row(3, &["M0002", "李一一", "13900000000"]),
    ]
}

#[test]
fn utf_8_is_read_with_and_without_a_byte_order_mark() {
    assert_eq!(read(MEMBERS), members());
    assert_eq!(read(format!("\u{feff}{MEMBERS}")), members());
}

#[test]
fn utf_16_is_read_in_both_orders_with_and_without_a_byte_order_mark() {
    for big_endian in [false, true] {
        assert_eq!(read(utf_16(MEMBERS, big_endian)), members());
        let marked = format!("\u{feff}{}", MEMBERS.replace(',', "\t"));
        assert_eq!(read(utf_16(&marked, big_endian)), members());
    }
    let lone_surrogate = [utf_16("a,b\n", false), vec![0x00, 0xd8, b'x', 0]].concat();
    assert_eq!(refused(lone_surrogate), FailureCode::NotAWorkbook);
}

#[test]
fn gb18030_is_read_with_its_four_byte_characters() {
    let text = format!("{MEMBERS}M0003,𠮷野,x\r\n");
    let (bytes, _, had_errors) = GB18030.encode(&text);
    assert!(!had_errors && std::str::from_utf8(&bytes).is_err());
    let mut expected = members();
    expected.push(row(4, &["M0003", "𠮷野", "x"]));
    assert_eq!(read(&bytes), expected);
}

#[test]
fn chinese_that_comes_late_in_a_long_file_is_found() {
    let ascii: String = (0..20_000).map(|it| format!("{it},abcdefgh\n")).collect();
    let (late, _, _) = GB18030.encode("二万,王小明\n");
    let rows = read([ascii.as_bytes(), &late].concat());
    assert_eq!(rows.len(), 20_001);
    assert_eq!(rows[20_000], row(20_001, &["二万", "王小明"]));
}

#[test]
fn a_broken_place_in_utf_8_is_refused_and_never_taken_for_another_encoding() {
    let mut bytes = MEMBERS.as_bytes().to_vec();
    let at = MEMBERS.find('王').unwrap();
    bytes.remove(at);
    assert_eq!(refused(&bytes), FailureCode::NotAWorkbook);
    let marked = ["\u{feff}a,b\n".as_bytes(), &[0xd6, 0xd0]].concat();
    assert_eq!(refused(marked), FailureCode::NotAWorkbook);
    let cut = &MEMBERS.as_bytes()[..MEMBERS.find('明').unwrap() + 1];
    assert_eq!(refused(cut), FailureCode::NotAWorkbook);
}

#[test]
fn an_encoding_that_is_not_read_is_refused_and_never_guessed() {
    let german = WINDOWS_1252
        .encode("Straße;Größe\nMüllerstraße;für Ärzte\n")
        .0;
    assert_eq!(refused(german), FailureCode::UnsupportedMedia);
    let french = WINDOWS_1252.encode("été,café,hôtel à côté\n").0;
    assert_eq!(refused(french), FailureCode::UnsupportedMedia);
    let traditional = BIG5
        .encode("姓名,電話\n陳怡君,0912\n林志明,0933\n繁體中文,x\n")
        .0;
    assert_eq!(refused(traditional), FailureCode::UnsupportedMedia);
}

#[test]
fn an_encoding_that_is_declared_is_taken_where_no_mark_says_another() {
    let declared = |bytes: &[u8], encoding| {
        let terms = ReadTerms {
            encoding: Some(encoding),
            ..ReadTerms::default()
        };
        read_by(bytes, &terms).map_err(|refusal| refusal.code)
    };
    let german = "Straße;Größe\nMüllerstraße;1.355,90 €\n";
    let cases = [
        (TextEncoding::Windows1252, WINDOWS_1252, german),
        (TextEncoding::Big5, BIG5, "姓名;電話\n陳怡君;0912\n"),
        (TextEncoding::ShiftJis, SHIFT_JIS, "氏名;電話\n山田ソ;03\n"),
        (TextEncoding::EucKr, EUC_KR, "이름;전화\n김철수;02\n"),
        // too little to look like Chinese
        (TextEncoding::Gb18030, GB18030, "a;b\nx;é\n"),
        (TextEncoding::Utf8, UTF_8, german),
    ];
    for (said, encoding, text) in cases {
        let expected: Vec<_> = (1..)
            .zip(text.lines())
            .map(|(number, line)| row(number, &line.split(';').collect::<Vec<_>>()))
            .collect();
        let (bytes, _, had_errors) = encoding.encode(text);
        assert!(!had_errors, "{said}");
        assert_eq!(declared(&bytes, said), Ok(expected.clone()), "{said}");
        let marked = format!("\u{feff}{text}");
        assert_eq!(declared(marked.as_bytes(), said), Ok(expected), "{said}");
    }
    for (said, big_endian) in [
        (TextEncoding::Utf16Le, false),
        (TextEncoding::Utf16Be, true),
    ] {
        let bytes = utf_16("会,员\n", big_endian);
        assert_eq!(declared(&bytes, said), Ok(vec![row(1, &["会", "员"])]));
    }
    let not_this = declared(&WINDOWS_1252.encode(german).0, TextEncoding::Utf8);
    assert_eq!(not_this, Err(FailureCode::NotAWorkbook));
}

#[test]
fn a_nul_is_refused_wherever_it_stands() {
    assert_eq!(refused("a,b\n1,\0\n"), FailureCode::NotAWorkbook);
    let long = "a,b\n".repeat(50_000);
    assert_eq!(refused(format!("{long}\0")), FailureCode::NotAWorkbook);
    assert_eq!(
        refused(utf_16("\u{feff}a,b\n\0,2\n", false)),
        FailureCode::NotAWorkbook
    );
}

#[test]
fn no_bytes_are_an_empty_file_and_a_mark_alone_has_no_rows() {
    assert_eq!(refused(""), FailureCode::EmptyFile);
    assert_eq!(read("\u{feff}"), []);
    assert_eq!(read("\r\n\r\n"), []);
}

#[test]
fn the_separator_is_found() {
    let expected = vec![row(1, &["a", "b", "c"]), row(2, &["1,5", "x;y", "z"])];
    assert_eq!(read("a,b,c\n\"1,5\",x;y,z\n"), expected);
    assert_eq!(read("a;b;c\n1,5;\"x;y\";z\n"), expected);
    assert_eq!(read("a\tb\tc\n1,5\tx;y\tz\n"), expected);
}

#[test]
fn decimal_commas_and_titles_do_not_mislead_the_separator() {
    let rows = read("Preisliste\nArtikel;Netto;Brutto\nA;1,00;1,19\nB;2,00;2,38\n");
    assert_eq!(rows[2], row(3, &["A", "1,00", "1,19"]));
    let rows = read("Name, first, middle;Age\nZhang;5\nLi;6\n");
    assert_eq!(rows[0], row(1, &["Name, first, middle", "Age"]));
    let rows = read("id,tags\n1,a;b;c\n2,d;e;f\n");
    assert_eq!(rows[1], row(2, &["1", "a;b;c"]));
}

#[test]
fn a_file_of_one_column_has_one_whatever_single_signs_it_holds() {
    assert_eq!(
        read("remark\nfine\nall well\n"),
        [
            row(1, &["remark"]),
            row(2, &["fine"]),
            row(3, &["all well"])
        ]
    );
}

#[test]
fn a_declared_separator_wins_and_its_line_is_no_row() {
    let expected = vec![row(1, &["a,1", "b"]), row(2, &["c,2", "d"])];
    for first in ["sep=|", "SEP=|", "\"sep=|\""] {
        assert_eq!(read(format!("{first}\r\na,1|b\r\nc,2|d\r\n")), expected);
    }
    assert_eq!(read("\u{feff}sep=;\na;b\n"), [row(1, &["a", "b"])]);
    assert_eq!(read("sep=\tx\n"), [row(1, &["sep=", "x"])]);
}

#[test]
fn rows_are_numbered_as_a_spreadsheet_shows_them() {
    let rows = read("a,b\r\n\"two\r\nlines\",1\r\n\r\n,\r\nx,2\r\n");
    assert_eq!(
        rows,
        [
            row(1, &["a", "b"]),
            row(2, &["two\r\nlines", "1"]),
            row(5, &["x", "2"]),
        ]
    );
}

#[test]
fn every_line_end_ends_a_row_and_the_last_row_needs_none() {
    let expected = vec![
        row(1, &["a", "b"]),
        row(2, &["1", "2"]),
        row(3, &["3", "4"]),
    ];
    for end in ["\n", "\r\n", "\r"] {
        assert_eq!(read(["a,b", "1,2", "3,4"].join(end)), expected);
        assert_eq!(read(["a,b", "1,2", "3,4", ""].join(end)), expected);
    }
    assert_eq!(read("a,b\n1,"), [row(1, &["a", "b"]), row(2, &["1"])]);
}

#[test]
fn an_empty_field_is_no_cell_and_an_empty_text_is_one() {
    let rows = read("a,b,c\n,\"\",x\n");
    assert_eq!(rows[1], (2, vec![(1, String::new()), (2, "x".into())]));
}

#[test]
fn quotes_are_read_as_a_spreadsheet_reads_them() {
    let rows = read("a,b,c\n\"say \"\"hi\"\"\",5\" nail,\"x\"y\n \"z\",\"\"\"\",\"a\" \n");
    assert_eq!(rows[1], row(2, &["say \"hi\"", "5\" nail", "xy"]));
    assert_eq!(rows[2], row(3, &[" \"z\"", "\"", "a "]));
}

#[test]
fn unbalanced_quotes_are_refused_and_swallow_no_row() {
    let never_closed = "a,b\n1,\"open\n2,x\n3,y\n";
    assert_eq!(refused(never_closed), FailureCode::NotAWorkbook);
    let closed_by_a_later_one = "a,b\n1,\"open\n2,\"x\"\n3,y\n";
    assert_eq!(refused(closed_by_a_later_one), FailureCode::NotAWorkbook);
    let closed_before_a_blank = "a,b\n1,\"open\n2,12\" pipe\n3,y\n";
    assert_eq!(refused(closed_before_a_blank), FailureCode::NotAWorkbook);
    let more_blanks = format!("a,b\n1,\"open\n2,12\"{}x\n3,y\n", " ".repeat(300_000));
    assert_eq!(refused(more_blanks), FailureCode::NotAWorkbook);
    let detail = read_within(never_closed.as_bytes(), &ReadLimits::default());
    assert!(detail.unwrap_err().detail.starts_with("record 2"));
}

#[test]
fn blanks_may_stand_between_the_quote_that_closes_several_lines_and_the_fields_end() {
    let rows = read("a,b\n\"two\nlines\"  ,x\n1,\"two\nlines\" \r\n2,\"two\nlines\" ");
    assert_eq!(rows[1], row(2, &["two\nlines  ", "x"]));
    assert_eq!(rows[2].1, row(3, &["1", "two\nlines "]).1);
    assert_eq!(rows[3].1, row(4, &["2", "two\nlines "]).1);
}

#[test]
fn ten_megabytes_in_one_field_are_refused_with_a_code() {
    let plain = format!("a,b\n1,{}\n", "x".repeat(10 << 20));
    assert_eq!(refused(plain), FailureCode::ArchiveLimits);
    let quoted = format!("a,b\n1,\"{}\"\n", "汉\n".repeat(10 << 18));
    assert_eq!(refused(quoted), FailureCode::ArchiveLimits);
    let many_fields = format!("a\n{}\n", "x,".repeat(5 << 20));
    assert_eq!(refused(many_fields), FailureCode::ArchiveLimits);
    let long = "x".repeat(1 << 20);
    assert_eq!(read(format!("a,b\n1,{long}\n"))[1], row(2, &["1", &long]));
}

#[test]
fn a_field_beyond_the_last_column_is_refused_and_separators_alone_are_not() {
    let limits = ReadLimits {
        columns: 3,
        ..ReadLimits::default()
    };
    let within = read_within(b"a,b,c,,,,\n1,2,3,,\n", &limits).unwrap();
    assert_eq!(within[1], row(2, &["1", "2", "3"]));
    let beyond = read_within(b"a,b,c\n1,2,3,4\n", &limits).unwrap_err();
    assert_eq!(beyond.code, FailureCode::TooManyColumns);
}

#[test]
fn a_pass_gives_bounded_chunks_and_can_be_made_again() {
    let text: String = (0..50_000).map(|it| format!("{it},王小明,\n")).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let limits = ReadLimits::default();
    let book = Book::open(file, UploadFormat::Csv, &ReadTerms::within(limits.clone())).unwrap();
    assert_eq!(book.sheets().len(), 1);
    assert_eq!(book.sheets()[0].name, "");
    let mut first = book.rows(0, &Merges::default()).unwrap();
    first.next().unwrap().unwrap();
    let mut second = book.rows(0, &Merges::default()).unwrap();
    for pass in [&mut first, &mut second] {
        let mut rows = 0;
        while let Some(chunk) = pass.next().unwrap() {
            assert!(chunk.size_bytes() < 3 * limits.chunk_bytes);
            rows += chunk.len();
        }
        assert!(pass.next().unwrap().is_none() && pass.merges().is_empty());
        assert!(rows >= 40_000);
    }
}

#[test]
fn the_guard_comes_off_where_an_export_puts_it_and_nowhere_else() {
    let cells = |line: &str| read(format!("{line}\n")).remove(0).1;
    let taken_off = [
        ("'=1+1", "=1+1"),
        ("'@x", "@x"),
        ("'-1-2", "-1-2"),
        ("''=1", "'=1"),
    ];
    for (field, text) in taken_off {
        assert_eq!(cells(field), [(0, text.to_owned())]);
    }
    for field in ["'", "'it", "'-12.50", "'--", "''", "'0012", "'汉"] {
        assert_eq!(cells(field), [(0, field.to_owned())]);
    }
}

fn two_texts() -> Layout {
    Layout {
        format: ExportFormat::Csv,
        ..layout(vec![
            column("=a", ColumnType::String),
            column("'b", ColumnType::String),
        ])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn an_exported_csv_reads_back_the_same(
        rows in prop::collection::vec((field(), field()), 1..20)
    ) {
        let cells: Vec<_> = rows.iter().map(|(a, b)| vec![Cell::Text(a), Cell::Text(b)]).collect();
        let written = write(two_texts(), &cells);
        let mut expected = vec![row(1, &["=a", "'b"])];
        for (number, (a, b)) in (2..).zip(&rows) {
            expected.push((number, vec![(0, a.clone()), (1, b.clone())]));
        }
        prop_assert_eq!(read(&written.bytes), expected);
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_give_more_rows_than_line_ends(
        bytes in prop::collection::vec(prop_oneof![
            prop::sample::select(b",;\t\"\r\n'=a1 \xef\xbb\xbf\x00".to_vec()),
            any::<u8>(),
        ], 0..200)
    ) {
        if let Ok(rows) = read_within(&bytes, &ReadLimits::default()) {
            let ends = bytes.iter().filter(|it| matches!(it, b'\r' | b'\n')).count();
            prop_assert!(rows.len() <= ends + 1);
            prop_assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
        }
    }
}

/// Text without NUL, which no csv of a person holds.
fn field() -> impl Strategy<Value = String> {
    let piece = prop_oneof!["[=+@,;\"'\r\n\t -]{1,3}", "[0-9.]{1,3}", any::<String>()];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat().replace('\0', ""))
}
