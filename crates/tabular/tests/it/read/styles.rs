//! What a number's format shows it as (A 8, 12).

use domain::FailureCode::{ArchiveLimits, NotAWorkbook};

use super::kit::{Workbook, open};

/// How a 7 in a cell of this format code is shown.
fn shown(code: &str) -> String {
    let book = Workbook::new("<row r=\"1\"><c s=\"1\"><v>7</v></c></row>");
    let read = book.styles(&[code], &[0, 164]).rows().unwrap();
    read[0].strip_prefix("1: A ").unwrap().to_owned()
}

#[test]
fn formats_that_show_dates_or_times_are_dates() {
    let codes = [
        "yyyy-mm-dd",
        "d/m/yy",
        "[$-F800]dddd\\,\\ mmmm\\ dd",
        "h:mm",
        "[h]:mm",
        "[mm]:ss",
        "[ss]",
        "mm:ss.0",
        "yyyy\"年\"m\"月\"d\"日\"",
        "yyyy年m月d日",
        "[$-804]aaaa;@",
        "[$-409]h:mm AM/PM;@",
        "[Red]yyyy/m/d",
        "[=0]&quot;&quot;;yyyy/m/d",
        "YYYY-MM-DD HH:MM:SS",
        "[$-404]e/m/d",
        "mmm",
    ];
    for code in codes {
        assert_eq!(shown(&code.replace('"', "&quot;")), "date 7", "{code}");
    }
}

#[test]
fn formats_that_show_numbers_are_none_whatever_their_literals_say() {
    let codes = [
        "General",
        "0.00",
        "#,##0",
        "0.00E+00",
        "@",
        "0&quot; days&quot;",
        "0\\d",
        "0_d",
        "0*d",
        "[Red]0.00",
        "[Blue][>100]0",
        "[$€-407] #,##0.00",
        "[$USD] 0",
        "&quot;yyyy&quot;0",
        "# ?/?",
        "[Magenta]General",
        "0;[Red]-0",
        "[DBNum1][$-804]General",
        "",
        "[",
        "\"",
        "\\",
        "[$",
    ];
    for code in codes {
        assert_eq!(shown(&code.replace('"', "&quot;")), "7", "{code}");
    }
}

#[test]
fn formats_that_show_a_share_of_a_hundred_are_percent() {
    assert_eq!(shown("0%"), "percent 7");
    assert_eq!(shown("0.00%;[Red]-0.00%"), "percent 7");
    assert_eq!(shown("0&quot;%&quot;"), "7");
}

#[test]
fn formats_of_nothing_but_zeros_are_masks() {
    assert_eq!(shown("000000"), "zeros6 7");
    assert_eq!(shown("00"), "zeros2 7");
    assert_eq!(shown("00000;-00000"), "zeros5 7");
    assert_eq!(shown("[$-804]000000"), "zeros6 7");
    for code in [
        "0",
        "[&lt;=99999]00000;00000-0000",
        "00.00",
        "00000-0000",
        "#000",
    ] {
        assert_eq!(shown(code), "7", "{code}");
    }
}

#[test]
fn built_in_formats_are_known_by_number_and_a_code_of_the_file_goes_before() {
    let cells: String = (0..8)
        .map(|s| format!("<c s=\"{s}\"><v>7</v></c>"))
        .collect();
    let book = Workbook::new(&format!("<row r=\"1\">{cells}</row>"));
    let read = book
        .clone()
        .styles(&[], &[0, 14, 22, 31, 46, 57, 9, 2])
        .rows()
        .unwrap();
    let expected = "1: A 7 B date 7 C date 7 D date 7 E date 7 F date 7 G percent 7 H 7";
    assert_eq!(read, [expected]);
    let own = "<styleSheet><cellXfs><xf numFmtId=\"14\"/></cellXfs>\
         <numFmts><numFmt numFmtId=\"14\" formatCode=\"0.0\"/></numFmts></styleSheet>";
    let read = book.part("xl/styles.xml", own).rows().unwrap();
    assert_eq!(read, ["1: A 7 B 7 C 7 D 7 E 7 F 7 G 7 H 7"]);
}

#[test]
fn a_style_that_is_not_there_is_plain() {
    for style in ["1", "4294967296", "-1", "x", ""] {
        let book = Workbook::new(&format!("<row r=\"1\"><c s=\"{style}\"><v>7</v></c></row>"));
        assert_eq!(book.clone().styles(&[], &[0]).rows().unwrap(), ["1: A 7"]);
        assert_eq!(book.rows().unwrap(), ["1: A 7"]);
    }
}

#[test]
fn formats_past_any_number_that_people_have_are_refused() {
    let styles = |inside: &str| {
        let styles = format!("<styleSheet><cellXfs>{inside}</cellXfs></styleSheet>");
        open(&Workbook::new("").part("xl/styles.xml", styles).bytes())
            .err()
            .unwrap()
            .code
    };
    assert_eq!(styles(&"<xf/>".repeat(100_001)), ArchiveLimits);
    // 155 kB in the archive
    assert_eq!(styles(&"<xf/>".repeat(20_000_000)), ArchiveLimits);
    assert_eq!(styles("<xf>"), NotAWorkbook);
}
