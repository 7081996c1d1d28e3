//! The laws of the engine, on a real MySQL and the embedded broker; `real_kafka` on a real Kafka.

mod attempt;
mod born;
mod breaker;
mod budget;
mod bulk;
mod burst;
mod closing;
mod counted;
mod faults;
mod finishes;
mod kafka_away;
mod lane;
mod mysql_away;
mod probe;
mod real_kafka;
mod relay;
mod shutdown;
mod sweeper;
mod trace;
mod turns;
