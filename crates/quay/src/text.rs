//! Numbers as a person reads them.

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest unit that leaves a figure of at least one: `4.7 MB` is 4,700,000 bytes.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: &[(u64, &str)] = &[(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} bytes"),
    }
}

/// Rows per second over a time.
pub(crate) fn rate(rows: u64, time: std::time::Duration) -> u64 {
    let millis = time.as_millis().max(1);
    u64::try_from(u128::from(rows) * 1000 / millis).unwrap_or(u64::MAX)
}

/// Seconds as a person counts them, rounded up: `90 s`, `12 min`, `3 h 5 min`.
pub(crate) fn span(seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    match (seconds, minutes / 60, minutes % 60) {
        (0..120, ..) => format!("{seconds} s"),
        (_, 0, minutes) => format!("{minutes} min"),
        (_, hours, 0) => format!("{hours} h"),
        (_, hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// An RFC 3339 time without fraction and zone letter: `2026-01-02 03:04:05`.
pub(crate) fn moment(time: &str) -> String {
    time.get(..19)
        .map_or_else(|| time.to_owned(), |seconds| seconds.replacen('T', " ", 1))
}

/// Text of a server without the characters that could steer a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_grouped_by_thousands() {
        let grouped: Vec<_> = [0, 999, 1000, 1_048_575].into_iter().map(count).collect();
        assert_eq!(grouped, ["0", "999", "1,000", "1,048,575"]);
    }

    #[test]
    fn a_size_keeps_one_digit_after_the_point() {
        let sizes: Vec<_> = [0, 999, 1000, 4_750_000, 2_000_000_000]
            .into_iter()
            .map(size)
            .collect();
        assert_eq!(
            sizes,
            ["0 bytes", "999 bytes", "1.0 kB", "4.7 MB", "2.0 GB"]
        );
    }

    #[test]
    fn a_span_is_never_shorter_than_it_is() {
        let spans: Vec<_> = [0, 119, 121, 3_600, 3_601, 7_200]
            .into_iter()
            .map(span)
            .collect();
        assert_eq!(spans, ["0 s", "119 s", "3 min", "1 h", "1 h 1 min", "2 h"]);
    }
}
