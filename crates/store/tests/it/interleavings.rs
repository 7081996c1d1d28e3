//! The real SQL against the domain's rules, in random orders of what workers by ring and scan, those
//! that run rows in batches, holders fresh and stale, sweepers, relays and persons do.
//!
//! `in_any_order` runs one call after the other, each on one of eight connections, and compares every
//! answer and every row, group, file and letter with a reference that knows `domain::transition` and
//! `domain::GroupState` and no SQL. `at_once` runs eight scripts at the same time and looks at what
//! must hold whatever happened. The seed is `PROPTEST_RNG_SEED`.

mod act;
mod at_once;
mod batch;
mod call;
mod club;
mod in_any_order;
mod known;
mod reference;
