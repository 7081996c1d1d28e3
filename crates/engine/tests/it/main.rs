//! The laws of the engine, on a real MySQL and the embedded broker; `real_kafka` on a real Kafka.

mod attempt;
mod born;
mod burst;
mod counted;
mod kafka_away;
mod lane;
mod mysql_away;
mod probe;
mod real_kafka;
mod shutdown;
mod sweeper;
mod trace;
