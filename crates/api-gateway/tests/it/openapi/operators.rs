//! What operators may ask.

use domain::FailureCode;
use serde_json::json;

use super::check::Check;
use crate::dead_letters::{a_dead_export, operator};
use crate::house::{House, admin, manager, token};

pub(super) async fn check_dead_letters(house: &House, check: &mut Check<'_>) {
    let letters = "/api/v1/dead-letters";
    let (_, redriven) = a_dead_export(house, FailureCode::Internal).await;
    let (_, discarded) = a_dead_export(house, FailureCode::Internal).await;
    let inbox = "INSERT INTO notification (id, tenant, recipient_kind, recipient, kind, \
                 notification_key, params) VALUES (7, 'acme', 'ROLE', 'OPERATOR', 'DEAD_LETTERS', \
                 'x', '{}')";
    house.database.execute(inbox).await;
    for (who, route, path) in [
        (operator(), letters, letters.to_owned()),
        (manager(), letters, letters.to_owned()),
        (operator(), letters, format!("{letters}?limit=0")),
        (
            operator(),
            "/api/v1/dead-letters/summary",
            format!("{letters}/summary"),
        ),
        (
            manager(),
            "/api/v1/dead-letters/summary",
            format!("{letters}/summary"),
        ),
        (
            operator(),
            "/api/v1/dead-letters/{id}",
            format!("{letters}/{redriven}"),
        ),
        (
            operator(),
            "/api/v1/dead-letters/{id}",
            format!("{letters}/0"),
        ),
        (
            manager(),
            "/api/v1/dead-letters/{id}",
            format!("{letters}/{redriven}"),
        ),
        (
            operator(),
            "/api/v1/operation-log",
            "/api/v1/operation-log".to_owned(),
        ),
        (
            manager(),
            "/api/v1/operation-log",
            "/api/v1/operation-log".to_owned(),
        ),
        (
            operator(),
            "/api/v1/notifications",
            "/api/v1/notifications".to_owned(),
        ),
        (
            operator(),
            "/api/v1/notifications",
            "/api/v1/notifications?limit=x".to_owned(),
        ),
    ] {
        let answer = house.get(&who, &path).await;
        check.answer("GET", route, &answer);
    }
    for (verb, id) in [("redrive", &redriven), ("discard", &discarded)] {
        let route = format!("/api/v1/dead-letters/{{id}}/{verb}");
        for (who, id) in [
            (operator(), id.as_str()),
            (operator(), id.as_str()),
            (operator(), "0"),
            (manager(), "0"),
        ] {
            let path = format!("{letters}/{id}/{verb}");
            let answer = house.post(&who, &path, &json!({})).await;
            check.answer("POST", &route, &answer);
        }
    }
    for id in ["7", "8"] {
        let path = format!("/api/v1/notifications/{id}/read");
        let answer = house.post(&operator(), &path, &json!({})).await;
        check.answer("POST", "/api/v1/notifications/{id}/read", &answer);
    }
    let many = format!("{letters}/redrive");
    for (who, body) in [
        (operator(), json!({"filter": {"reason": "internal"}})),
        (operator(), json!({})),
        (operator(), json!({"x": 1})),
        (manager(), json!({})),
    ] {
        let answer = house.post(&who, &many, &body).await;
        check.answer("POST", &many, &answer);
    }
}

pub(super) async fn check_lanes(house: &House, check: &mut Check<'_>) {
    let lane = "/api/v1/lanes/quayside.export.default";
    let operator = token("acme", "9", &["OPERATOR"]);
    for token in [&operator, &manager()] {
        let answer = house.get(token, "/api/v1/lanes").await;
        check.answer("GET", "/api/v1/lanes", &answer);
    }
    for (token, body) in [
        (&operator, json!({"reason": "x"})),
        (&operator, json!({})),
        (&admin(), json!({"reason": "x"})),
    ] {
        let answer = house.post(token, &format!("{lane}/pause"), &body).await;
        check.answer("POST", "/api/v1/lanes/{lane}/pause", &answer);
    }
    for lane in [lane, "/api/v1/lanes/nobody"] {
        let answer = house
            .post(&operator, &format!("{lane}/resume"), &json!({}))
            .await;
        check.answer("POST", "/api/v1/lanes/{lane}/resume", &answer);
    }
    house
        .post(&operator, &format!("{lane}/pause"), &json!({"reason": "x"}))
        .await;
    for (token, lane) in [
        (&operator, lane),
        (&operator, "/api/v1/lanes/quayside.biz.callback"),
        (&operator, "/api/v1/lanes/nobody"),
        (&manager(), lane),
    ] {
        let answer = house.post(token, &format!("{lane}/scan"), &json!({})).await;
        check.answer("POST", "/api/v1/lanes/{lane}/scan", &answer);
    }
}
