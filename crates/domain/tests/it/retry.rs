//! Backoff.

use std::time::Duration;

use domain::{BizType, RetryPolicies, RetryPolicy};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_delay_is_never_below_its_floor_nor_above_one_and_a_half(
        cnt in 0_u32..100, jitter in 0.0_f64..1.0,
    ) {
        let floor = [2, 2, 4, 8][(cnt as usize).min(3)];
        let delay = RetryPolicy::default().delay(cnt, jitter);
        prop_assert!(delay >= Duration::from_secs(floor));
        prop_assert!(delay <= Duration::from_secs(floor).mul_f64(1.5));
    }
}

#[test]
fn a_kind_of_work_has_its_own_policy_or_that_of_all() {
    let name = |name: &str| BizType::parse(name).unwrap();
    let own = RetryPolicy::new(9, vec![Duration::from_secs(1)]).unwrap();
    let policies = RetryPolicies::default().with(name("COUPON"), own.clone());
    assert_eq!(policies.of(&name("COUPON")), &own);
    assert_eq!(policies.of(&name("coupon")), &RetryPolicy::default());
}
