//! The laws of the bus, on the embedded broker (`ringing`, `listening`, `faults`) and on a real Kafka
//! (`real_kafka`), each through the crate's public door.

mod faults;
mod listening;
mod real_kafka;
mod ringing;
mod support;
