use super::*;

#[test]
fn a_set_that_cannot_be_fetched_anew_is_used_for_a_day_and_no_longer() {
    let set = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let mut known = Known::default();
    known.take(key::read(set));
    let header: Header = serde_json::from_str(r#"{"alg":"EdDSA","kid":"a"}"#).unwrap();
    let after = |known: &Known, hours: u64| {
        let then = known.fetched.unwrap() + Duration::from_secs(hours * 3_600);
        matches!(known.look(&header, then), Look::Found(_))
    };
    known.take(Err(anyhow::anyhow!("away")));
    assert_eq!((after(&known, 23), after(&known, 24)), (true, false));
    known.take(key::read(set));
    assert!(after(&known, 23));
}
