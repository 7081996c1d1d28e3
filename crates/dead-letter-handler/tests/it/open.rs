//! The words of the metrics, and the gauge.

use dead_letter_handler::{Known, OpenGauge};
use domain::FailureCode;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::house::{House, tenant_of};

#[tokio::test(flavor = "multi_thread")]
async fn the_gauge_counts_open_letters_by_kind_and_falls_to_zero_when_they_are_acted_on() {
    let measured = PrometheusBuilder::new()
        .install_recorder()
        .expect("nobody else counts");
    let house = House::build().await;
    let announcer = house.announcer();
    for _ in 0..2 {
        house.give_up(&announcer, FailureCode::Internal).await;
    }
    let known = Known::new([&house.lane], []);
    let mut gauge = OpenGauge::new(house.store.clone(), known);
    let line = |count: u32| {
        format!(
            "quayside_dead_letters_open{{lane=\"{}\",biz_type=\"EXPORT\",reason=\"internal\"}} {count}",
            house.lane
        )
    };
    gauge.tell().await.expect("counted");
    let text = measured.render();
    assert!(text.contains(&line(2)), "{text}");

    for letter in house.letters().await {
        let actor = store::Actor {
            tenant: tenant_of("acme"),
            user: domain::UserId::parse("op").expect("a name"),
            request_id: None,
        };
        let tenants = [tenant_of("acme")];
        let acted = house.store.discard_dead_letter(&tenants, letter.id, &actor);
        acted.await.expect("discarded");
    }
    gauge.tell().await.expect("counted");
    let text = measured.render();
    assert!(text.contains(&line(0)), "{text}");
}

#[test]
fn what_plain_clients_write_into_lanes_and_types_is_no_label() {
    let lane = testkit::a_lane();
    let known = Known::new([&lane], ["coupon_grant"]);
    let defined = known.kind(lane.as_str(), Some("coupon_grant"), "internal");
    assert_eq!(defined.biz_type, "coupon_grant");
    let all = known.kind(lane.as_str(), Some("IMPORT_BATCH"), "too_large");
    assert_eq!(
        (&*all.lane, &*all.biz_type, all.reason),
        (lane.as_str(), "IMPORT_BATCH", "too_large")
    );
    let odd = known.kind("x", Some("发放优惠券"), "because");
    assert_eq!(
        (&*odd.lane, &*odd.biz_type, odd.reason),
        ("other", "other", "other")
    );
    assert_eq!(known.kind("x", None, "orphan").biz_type, "message");
}
