//! A table for a terminal, aligned by what the eye sees: a Chinese character is two columns wide.

use unicode_width::UnicodeWidthStr;

use crate::text::plain;

/// Widest cell, in columns of the terminal; what is longer is cut with `…`.
const MAX_CELL_WIDTH: usize = 48;

const GAP: &str = "  ";

/// Lays out a header and rows; numbers are right-aligned where `right` says so.
pub(crate) fn layout<const N: usize>(
    header: [&str; N],
    right: [bool; N],
    rows: &[[String; N]],
) -> String {
    let cells: Vec<[String; N]> = std::iter::once(header.map(str::to_owned))
        .chain(
            rows.iter()
                .map(|row| row.each_ref().map(|cell| cut(&plain(cell)))),
        )
        .collect();
    let mut widths = [0; N];
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    for row in &cells {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(widths).zip(right) {
            let pad = " ".repeat(width - cell.width());
            let (before, after) = if right {
                (pad.as_str(), "")
            } else {
                ("", pad.as_str())
            };
            for part in [before, cell, after, GAP] {
                line.push_str(part);
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn cut(cell: &str) -> String {
    if cell.width() <= MAX_CELL_WIDTH {
        return cell.to_owned();
    }
    let mut kept = String::new();
    for letter in cell.chars() {
        kept.push(letter);
        if kept.width() >= MAX_CELL_WIDTH {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_the_script() {
        let rows = [
            ["1".into(), "员工信息.xlsx".into(), "7".into()],
            ["22".into(), "members.xlsx".into(), "1,000".into()],
        ];
        let table = layout(["ID", "NAME", "ROWS"], [false, false, true], &rows);
        let ends: Vec<usize> = table.lines().map(UnicodeWidthStr::width).collect();
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }

    #[test]
    fn a_cell_is_never_wider_than_the_bound_and_steers_no_terminal() {
        let rows = [["\u{1b}[2J".to_owned() + &"员工".repeat(100)]];
        let table = layout(["NAME"], [false], &rows);
        assert!(
            table.lines().all(|line| line.width() <= MAX_CELL_WIDTH),
            "{table}"
        );
        assert!(!table.contains('\u{1b}'));
    }
}
