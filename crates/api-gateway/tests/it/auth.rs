mod jwks;
mod provider;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use service::{Environment, Settings};

use crate::house::{House, SECRET, clock, from_now, manager, settings, sign, token};

/// The header and claims of a JWT without a signature, as `alg: none` would have it.
const UNSIGNED: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.\
    eyJzdWIiOiI3IiwidGVuYW50IjoiYWNtZSIsInJvbGVzIjpbIk1BTkFHRVIiXSwiZXhwIjo0MTAyNDQ0ODAwfQ.";

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_is_401_and_says_no_more() {
    let house = House::open().await;
    let claims = json!({"sub": "7", "tenant": "acme", "roles": ["MANAGER"], "exp": from_now(600)});
    let with = |field: &str, value: serde_json::Value| {
        let mut changed = claims.clone();
        changed[field] = value;
        sign(&changed)
    };
    let without = |field: &str| {
        let mut changed = claims.clone();
        changed.as_object_mut().unwrap().remove(field);
        sign(&changed)
    };
    let signed_by = |algorithm, secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &key).unwrap()
    };
    let bad = [
        ("no JWT", "nonsense".to_owned()),
        (
            "another secret",
            signed_by(Algorithm::HS256, "another secret, just as long as ours"),
        ),
        ("another algorithm", signed_by(Algorithm::HS512, SECRET)),
        ("alg none", UNSIGNED.to_owned()),
        ("expired", with("exp", from_now(-1).into())),
        ("not yet valid", with("nbf", from_now(600).into())),
        ("no exp", without("exp")),
        ("no sub", without("sub")),
        ("no tenant", without("tenant")),
        ("empty tenant", with("tenant", "".into())),
        ("padded tenant", with("tenant", "acme ".into())),
        ("roles no list", with("roles", "MANAGER".into())),
    ];
    for (what, token) in bad {
        let answer = house.get(&token, "/api/v1/tasks").await;
        assert_eq!(answer.status, 401, "{what}");
        assert_eq!(answer.problem(), "unauthenticated", "{what}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
    }
    assert_eq!(house.get(&sign(&claims), "/api/v1/tasks").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_api_asks_for_a_token() {
    let house = House::open().await;
    for path in [
        "tasks",
        "tasks/1",
        "tasks/1/download",
        "tasks/1/files/1",
        "tasks/1/row-errors",
        "datasets",
        "datasets/x",
        "datasets/x/template",
    ] {
        let request = house.request(reqwest::Method::GET, &format!("/api/v1/{path}"));
        assert_eq!(house.send(request).await.status, 401, "{path}");
    }
    for path in ["exports", "imports", "datasets/x/rows", "tasks/1/cancel"] {
        let request = house.request(reqwest::Method::POST, &format!("/api/v1/{path}"));
        assert_eq!(house.send(request).await.status, 401, "{path}");
    }
    let basic = house
        .request(reqwest::Method::GET, "/api/v1/tasks")
        .basic_auth("7", Some(SECRET));
    assert_eq!(house.send(basic).await.problem(), "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn issuer_and_audience_are_demanded_when_they_are_configured() {
    let house = House::open_with(|settings| {
        settings.auth.issuer = Some("idp".into());
        settings.auth.audience = Some("quayside".into());
    })
    .await;
    let status = async |issuer: Option<&str>, audience: Option<&str>| {
        let mut claims = json!({"sub": "7", "tenant": "acme", "exp": from_now(600)});
        if let Some(issuer) = issuer {
            claims["iss"] = issuer.into();
        }
        if let Some(audience) = audience {
            claims["aud"] = audience.into();
        }
        house.get(&sign(&claims), "/api/v1/tasks").await.status
    };
    assert_eq!(status(Some("idp"), Some("quayside")).await, 200);
    assert_eq!(status(Some("other"), Some("quayside")).await, 401);
    assert_eq!(status(Some("idp"), Some("other")).await, 401);
    assert_eq!(status(None, Some("quayside")).await, 401);
    assert_eq!(status(Some("idp"), None).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_audience_is_taken_where_none_is_configured() {
    let house = House::open().await;
    let claims = json!({"sub": "7", "tenant": "acme", "aud": "any", "exp": from_now(600)});
    assert_eq!(house.get(&sign(&claims), "/api/v1/tasks").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_long_secret_the_gateway_refuses_to_start_outside_development() {
    let directory = tempfile::tempdir().unwrap();
    let start = |environment, secret: &str| {
        let mut settings: Settings = settings("mysql://root@127.0.0.1:1/x", directory.path());
        settings.environment = environment;
        settings.auth.jwt_secret = secret.into();
        let refused = api_gateway::Gateway::new(&settings, std::sync::Arc::new(clock)).err();
        refused.map(|error| format!("{error:#}"))
    };
    assert!(
        start(Environment::Production, "")
            .unwrap()
            .contains("auth.jwt_secret is not set")
    );
    assert!(
        start(Environment::Production, "short")
            .unwrap()
            .contains("shorter than 32")
    );
    assert!(
        start(Environment::Development, "")
            .unwrap()
            .contains("auth.jwt_secret is not set")
    );
    assert_eq!(start(Environment::Development, "short"), None);
    assert_eq!(start(Environment::Production, SECRET), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_the_dataset_does_not_name_may_not_export_it() {
    let house = House::open().await;
    let body = json!({"dataset": "employee", "columns": ["not looked at"]});
    for roles in [&[][..], &["CLERK"], &["manager"]] {
        let answer = house
            .post(&token("acme", "7", roles), "/api/v1/exports", &body)
            .await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (403, "forbidden"),
            "{roles:?}"
        );
    }
    assert_eq!(house.written().await, (0, 0));
    for roles in [&["MANAGER"][..], &["CLERK", "MANAGER"], &["SUPER_ADMIN"]] {
        let body = json!({"dataset": "employee", "force": true});
        let answer = house
            .post(&token("acme", "7", roles), "/api/v1/exports", &body)
            .await;
        assert_eq!(answer.status, 202, "{roles:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_task_is_404_wherever_it_is_asked_for_and_a_super_admin_reaches_its_tenants() {
    let house = House::open().await;
    let task = house.an_export(&manager()).await;
    let paths = ["", "/download", "/files/1"].map(|end| format!("/api/v1/tasks/{task}{end}"));
    for (who, stranger) in [
        ("another user", token("acme", "8", &["MANAGER"])),
        (
            "the same user of another tenant",
            token("globex", "7", &["MANAGER"]),
        ),
        (
            "another tenant's admin",
            token("globex", "7", &["SUPER_ADMIN"]),
        ),
        (
            "a tenant of other case",
            token("ACME", "7", &["SUPER_ADMIN"]),
        ),
    ] {
        for path in &paths {
            let answer = house.get(&stranger, path).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (404, "not_found"),
                "{who}"
            );
        }
        let cancel = format!("/api/v1/tasks/{task}/cancel");
        assert_eq!(
            house.post(&stranger, &cancel, &json!({})).await.status,
            404,
            "{who}"
        );
        let list = house.get(&stranger, "/api/v1/tasks").await.json();
        assert_eq!(list["items"], json!([]), "{who}");
    }
    let admin = token("acme", "1", &["SUPER_ADMIN"]);
    assert_eq!(house.get(&admin, &paths[0]).await.json()["created_by"], "7");
}
