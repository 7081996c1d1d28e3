//! Entries of the operation log as they travel.

use domain::{OperationNote, OperationOutcome, is_operation_word};

#[test]
fn an_entry_says_what_was_done_to_what_and_the_rest_if_it_likes() {
    let least = r#"{"action": "PRICE_CHANGE", "object_kind": "PRODUCT", "object_id": "77"}"#;
    let note = OperationNote::read(least).unwrap();
    assert_eq!(
        (note.action.as_str(), note.object_id.as_str(), note.outcome),
        ("PRICE_CHANGE", "77", OperationOutcome::Done)
    );
    assert_eq!(
        (note.actor, note.detail, note.request_id),
        (None, None, None)
    );
    let all = r#"{"actor": "7", "action": "A", "object_kind": "B", "object_id": "", "outcome": "REFUSED",
        "detail": {"was": 3}, "request_id": "r"}"#;
    let note = OperationNote::read(all).unwrap();
    assert_eq!(note.outcome, OperationOutcome::Refused);
    let again = serde_json::to_string(&note).unwrap();
    assert_eq!(OperationNote::read(&again), Ok(note));
}

#[test]
fn what_is_no_entry_is_refused_without_its_values() {
    let with = |field: &str, value: &str| {
        let mut note = serde_json::json!({"action": "A", "object_kind": "B", "object_id": "c"});
        note[field] = serde_json::from_str(value).unwrap();
        note.to_string()
    };
    let long = |characters: usize| format!("\"{}\"", "é".repeat(characters));
    for wrong in [
        "secret".to_owned(),
        "[]".to_owned(),
        r#"{"action": "A", "object_kind": "B"}"#.to_owned(),
        with("secret", "1"),
        with("action", "\"secret\""),
        with("action", "\"\""),
        with("action", &format!("\"{}\"", "A".repeat(65))),
        with("object_kind", "\"7SECRET\""),
        with("object_kind", &format!("\"{}\"", "A".repeat(33))),
        with("object_id", &long(250)),
        with("request_id", &long(129)),
        with("outcome", "\"secret\""),
        with("actor", "\"\""),
        with("detail", "\"secret\""),
        with("detail", &format!("{{\"x\": {}}}", long(8_000))),
    ] {
        let why = OperationNote::read(&wrong).unwrap_err();
        assert!(!why.contains("secret") && !why.is_empty(), "{wrong}: {why}");
    }
    assert!(OperationNote::read(&with("object_id", &long(249))).is_ok());
}

#[test]
fn a_word_is_of_capitals_digits_and_underscores_and_the_houses_own_are_known() {
    for (word, is_one) in [
        ("TASK_SUBMIT", true),
        ("A1", true),
        ("nap", false),
        ("1A", false),
        ("A-B", false),
        ("", false),
    ] {
        assert_eq!(is_operation_word(word), is_one, "{word}");
    }
    let of = |action: &str| {
        let text = format!(r#"{{"action": "{action}", "object_kind": "B", "object_id": "c"}}"#);
        OperationNote::read(&text).unwrap().is_of_the_house()
    };
    assert!(of("TASK_DELETE") && !of("PRICE_CHANGE"));
}
