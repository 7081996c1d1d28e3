//! Tokens of an identity provider, whose keys are fetched.

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Method;
use serde_json::{Value, json};

use super::provider::{
    EC, ED, Mood, Provider, RSA, RSA_OTHER, RSA_SHORT, claims, eventually, jwk, signed,
};
use crate::house::{House, from_now, manager};

use Algorithm::{ES256, EdDSA, RS256};

const TASKS: &str = "/api/v1/tasks";

/// A house whose tokens come from the provider; of the secret there is none.
async fn house(provider: &Provider, refresh_seconds: u32) -> House {
    House::open_with(|settings| {
        settings.auth.jwt_secret = String::new().into();
        settings.auth.jwks_url = Some(provider.url.clone());
        settings.auth.jwks_refresh_seconds = refresh_seconds;
    })
    .await
}

async fn status(house: &House, token: &str) -> u16 {
    house.get(token, TASKS).await.status
}

fn by_a() -> String {
    signed(Some("a"), RSA, RS256, &claims())
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_each_algorithm_are_checked_with_the_providers_keys_and_hs256_with_the_secret() {
    let mut unnamed = jwk("d", RSA_OTHER, RS256);
    unnamed.as_object_mut().unwrap().remove("alg");
    let keys = vec![
        jwk("a", RSA, RS256),
        jwk("b", EC, ES256),
        jwk("c", ED, EdDSA),
        unnamed,
    ];
    let provider = Provider::open(keys).await;
    let house = House::open_with(|settings| {
        settings.auth.jwks_url = Some(provider.url.clone());
        settings.auth.issuer = Some("idp".into());
    })
    .await;
    let mut of_idp = claims();
    of_idp["iss"] = "idp".into();
    for (kid, pem, by) in [
        (Some("a"), RSA, RS256),
        (Some("b"), EC, ES256),
        (Some("c"), ED, EdDSA),
        (Some("d"), RSA_OTHER, RS256),
        (None, EC, ES256),
    ] {
        let token = signed(kid, pem, by, &of_idp);
        assert_eq!(status(&house, &token).await, 200, "{kid:?} {by:?}");
        let of_nobody = signed(kid, pem, by, &claims());
        assert_eq!(status(&house, &of_nobody).await, 401, "{kid:?} {by:?}");
    }
    assert_eq!(status(&house, &crate::house::sign(&of_idp)).await, 200);
}

/// A token by HS256 with that secret, and that `kid`.
fn by_secret(kid: &str, secret: &[u8]) -> String {
    let header = Header {
        kid: Some(kid.to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_checks_by_its_own_algorithm_and_what_is_no_key_for_signatures_checks_nothing() {
    let mut encrypts = jwk("enc", RSA, RS256);
    encrypts["use"] = "enc".into();
    let mut wraps = jwk("wrap", RSA, RS256);
    wraps["key_ops"] = json!(["wrapKey"]);
    let mut longer = jwk("rs512", RSA, RS256);
    longer["alg"] = "RS512".into();
    let shared = Jwk::from_encoding_key(&EncodingKey::from_secret(&[7; 32]), Algorithm::HS256);
    let mut shared = serde_json::to_value(shared.unwrap()).unwrap();
    shared["kid"] = "oct".into();
    let odd = json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA", "kid": "odd"});
    let keys = vec![
        json!("rubbish"),
        json!({"kty": "new", "kid": 7}),
        odd,
        encrypts,
        wraps,
        longer,
        shared,
        jwk("short", RSA_SHORT, RS256),
        jwk("a", RSA, RS256),
        jwk("other", RSA_OTHER, RS256),
        jwk("b", EC, ES256),
    ];
    let modulus = keys[8]["n"].as_str().unwrap().to_owned();
    let provider = Provider::open(keys).await;
    let house = house(&provider, 600).await;
    let expired = json!({"sub": "7", "tenant": "acme", "exp": from_now(-1)});
    let mut unsigned = by_a().rsplit_once('.').unwrap().0.to_owned();
    unsigned.push('.');
    let (_, payload) = unsigned.split_once('.').unwrap();
    // {"alg":"none","kid":"a"}
    let none = format!("eyJhbGciOiJub25lIiwia2lkIjoiYSJ9.{payload}");
    let public = include_bytes!("keys/rsa.pub.pem");
    for (what, token) in [
        (
            "another key",
            signed(Some("a"), RSA_OTHER, RS256, &claims()),
        ),
        (
            "the key of another kid",
            signed(Some("other"), RSA, RS256, &claims()),
        ),
        (
            "a key of another kind",
            signed(Some("b"), RSA, RS256, &claims()),
        ),
        (
            "another key's algorithm",
            signed(Some("a"), EC, ES256, &claims()),
        ),
        ("RS384", signed(Some("a"), RSA, Algorithm::RS384, &claims())),
        ("PS256", signed(Some("a"), RSA, Algorithm::PS256, &claims())),
        ("the public key as a secret", by_secret("a", public)),
        (
            "the modulus as a secret",
            by_secret("a", modulus.as_bytes()),
        ),
        ("a secret in the set", by_secret("oct", &[7; 32])),
        ("alg none", none),
        ("no signature", unsigned.clone()),
        (
            "a key for encryption",
            signed(Some("enc"), RSA, RS256, &claims()),
        ),
        (
            "a key for wrapping",
            signed(Some("wrap"), RSA, RS256, &claims()),
        ),
        (
            "a key for RS512",
            signed(Some("rs512"), RSA, RS256, &claims()),
        ),
        (
            "a short key",
            signed(Some("short"), RSA_SHORT, RS256, &claims()),
        ),
        ("no kid, two keys", signed(None, RSA, RS256, &claims())),
        ("no kid, no key", signed(None, ED, EdDSA, &claims())),
        ("HS256 without a secret of ours", manager()),
        ("expired", signed(Some("a"), RSA, RS256, &expired)),
    ] {
        let answer = house.get(&token, TASKS).await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(answer.problem(), "unauthenticated", "{what}");
    }
    assert_eq!(status(&house, &by_a()).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_a_ticket_opens_its_stream_at_the_gateway_that_gave_it() {
    let provider = Provider::open(vec![jwk("a", RSA, RS256)]).await;
    let (house, neighbour) = (house(&provider, 600).await, house(&provider, 600).await);
    let mut short = claims();
    short["exp"] = from_now(3).into();
    let token = signed(None, RSA, RS256, &short);
    let path = "/api/v1/tasks/events-ticket";
    let given = house.post(&token, path, &json!({})).await.json();
    let path = format!(
        "/api/v1/tasks/events?ticket={}",
        given["ticket"].as_str().unwrap()
    );
    let ask = async |house: &House| house.send(house.request(Method::GET, &path)).await.status;
    assert_eq!(ask(&neighbour).await, 401);
    assert_eq!(ask(&house).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_found_by_its_kid_and_many_unknown_ones_cost_one_fetch() {
    let provider = Provider::open(vec![jwk("a", RSA, RS256)]).await;
    let house = house(&provider, 600).await;
    assert_eq!(status(&house, &by_a()).await, 200);
    provider.turn(Mood::Keys(vec![jwk("b", RSA_OTHER, RS256)]));
    let unknown = async || {
        let ask = (0..50).map(|nth| {
            let token = signed(Some(&format!("x{nth}")), RSA, RS256, &claims());
            let house = &house;
            async move { status(house, &token).await }
        });
        let told = futures::future::join_all(ask).await;
        assert!(told.iter().all(|status| *status == 401), "{told:?}");
    };
    unknown().await;
    assert_eq!(provider.fetches(), 1, "not so soon after the last one");
    let by_b = signed(Some("b"), RSA_OTHER, RS256, &claims());
    eventually("the new key is found", async || {
        status(&house, &by_b).await == 200
    })
    .await;
    assert_eq!(provider.fetches(), 2);
    assert_eq!(
        status(&house, &by_a()).await,
        401,
        "it is not in the set any more"
    );
    unknown().await;
    assert_eq!(provider.fetches(), 2);
    eventually("it is asked again", async || {
        unknown().await;
        provider.fetches() > 2
    })
    .await;
    assert_eq!(provider.fetches(), 3, "once for all of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_out_stops_working_at_the_next_refresh_the_last_one_too() {
    let provider = Provider::open(vec![jwk("a", RSA, RS256)]).await;
    let house = house(&provider, 1).await;
    assert_eq!(status(&house, &by_a()).await, 200);
    provider.turn(Mood::Keys(Vec::new()));
    eventually("the key is gone", async || {
        status(&house, &by_a()).await == 401
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_at_the_start_is_no_fault_of_the_token_and_is_found_when_it_comes()
{
    let provider = Provider::open(Vec::new()).await;
    let port = provider.port;
    let url = provider.url.clone();
    drop(provider);
    let house = House::open_with(|settings| {
        settings.auth.jwks_url = Some(url);
        settings.auth.jwks_refresh_seconds = 1;
    })
    .await;
    let contract = house.request(Method::GET, "/openapi.json");
    let contract = house.send(contract).await.json();
    for (route, operations) in contract["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = route.replace(['{', '}'], "");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = house.request(method.clone(), &path).bearer_auth(by_a());
            let answer = house.send(request).await;
            assert_eq!(answer.status, 503, "{method} {route}");
            assert_eq!(answer.problem(), "identity_unavailable", "{method} {route}");
            assert_eq!(answer.header("retry-after"), Some("5"), "{method} {route}");
            let told = operation["responses"]["503"]["description"]
                .as_str()
                .unwrap();
            assert!(
                told.contains("identity_unavailable"),
                "{method} {route}: {told}"
            );
        }
    }
    assert_eq!(status(&house, &manager()).await, 200, "the secret is ours");
    let _provider = Provider::open_at(port, Mood::Keys(vec![jwk("a", RSA, RS256)])).await;
    eventually("it has come", async || status(&house, &by_a()).await == 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_the_provider_answers_the_last_set_stays_in_use() {
    let provider = Provider::open(vec![jwk("a", RSA, RS256)]).await;
    let house = house(&provider, 1).await;
    assert_eq!(status(&house, &by_a()).await, 200);
    let unknown = signed(Some("x"), RSA, RS256, &claims());
    let long = json!({"keys": [jwk("x", RSA, RS256), "x".repeat(256 * 1_024)]});
    let set: Value = json!({"keys": [jwk("x", RSA, RS256)]});
    for (what, mood) in [
        ("no JSON", Mood::Other(200, b"<html>".to_vec())),
        ("no set", Mood::Other(200, b"{\"keys\": 7}".to_vec())),
        ("cut off", Mood::Other(200, b"{\"keys\": [".to_vec())),
        ("too long", Mood::Other(200, long.to_string().into_bytes())),
        ("a redirect", Mood::Other(302, Vec::new())),
        (
            "another status",
            Mood::Other(503, set.to_string().into_bytes()),
        ),
        ("nothing", Mood::Silent),
    ] {
        provider.turn(mood);
        provider.asked_again(2).await;
        assert_eq!(status(&house, &by_a()).await, 200, "{what}");
        let answer = house.get(&unknown, TASKS).await;
        assert_eq!(answer.problem(), "identity_unavailable", "{what}");
    }
    drop(provider);
    assert_eq!(status(&house, &by_a()).await, 200);
    eventually("away, too", async || status(&house, &unknown).await == 503).await;
    assert_eq!(status(&house, &by_a()).await, 200);
}
