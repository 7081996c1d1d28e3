//! Backoff.

use std::time::Duration;

use domain::RetryPolicy;
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
