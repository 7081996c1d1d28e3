//! What tests share: a fresh database each, the brokers, builders, and waiting for conditions.
//!
//! Servers come from `./dev test`; a missing one fails the test and says so. Nothing of our own is
//! replaced by a stand-in.

mod database;
mod mysqld;
mod proxy;
mod servers;
mod wait;
mod work;

pub use database::TestDatabase;
pub use mysqld::OwnMysql;
pub use proxy::MoodyProxy;
pub use servers::{kafka, mysql};
pub use wait::{eventually, eventually_within};
pub use work::{a_lane, an_export, terms};
