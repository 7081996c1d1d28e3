//! Medians, percentiles, lines of `/proc`.

use bench::{cpu_of_children, cpu_of_process, median, percentile};

#[test]
fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
    assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
    assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    assert_eq!(median(&[]), None);
}

#[test]
fn a_percentile_is_a_value_that_was_measured() {
    let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
    assert_eq!(percentile(&hundred, 50), Some(50.0));
    assert_eq!(percentile(&hundred, 99), Some(99.0));
    assert_eq!(percentile(&hundred, 100), Some(100.0));
    assert_eq!(percentile(&hundred[..30], 99), Some(100.0));
    assert_eq!(percentile(&[7.0], 1), Some(7.0));
    assert_eq!(percentile(&[], 99), None);
}

#[test]
fn a_process_may_have_blanks_and_brackets_in_its_name() {
    let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 1000 250 20 0 7 0 99";
    assert_eq!(cpu_of_process(stat).unwrap(), 2.0);
    assert_eq!(cpu_of_children(stat).unwrap(), 12.5);
    assert!(cpu_of_process("42 (a) S 1").is_err());
    assert!(cpu_of_process("").is_err());
}
