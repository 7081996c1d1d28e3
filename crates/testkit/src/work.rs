//! Builders of work.

use std::time::Duration;

use domain::{Lane, RetryPolicies, Tenant, UserId};
use store::{ClaimTerms, NewExport};
use uuid::Uuid;

/// A lane of this test alone.
///
/// # Panics
/// Never.
#[must_use]
pub fn a_lane() -> Lane {
    Lane::export(&Uuid::new_v4().simple().to_string()).expect("hex digits fit a topic")
}

/// An export by user 7 of tenant acme.
///
/// # Panics
/// Never.
#[must_use]
pub fn an_export(lane: &Lane) -> NewExport {
    NewExport {
        tenant: Tenant::parse("acme").expect("a name"),
        user: UserId::parse("7").expect("a name"),
        request_id: None,
        dataset: "employee".to_owned(),
        name: "员工信息.xlsx".to_owned(),
        queue: "default".to_owned(),
        lane: lane.clone(),
        locale: "zh-CN".to_owned(),
        options: "{}".to_owned(),
        context: "{}".to_owned(),
        max_retries: 3,
        trace_context: None,
        scan_interval: Duration::from_secs(5),
    }
}

/// Claim terms of a worker: a lease of 30 s.
#[must_use]
pub fn terms(worker: &str) -> ClaimTerms {
    ClaimTerms {
        worker: worker.to_owned(),
        lease: Duration::from_secs(30),
        retry: RetryPolicies::default(),
        hard_deadline: Duration::from_secs(1800),
    }
}
