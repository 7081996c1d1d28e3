//! Where the servers of `./dev test` are.

/// The throwaway MySQL: `mysql://root@127.0.0.1:PORT`, without a database.
///
/// # Panics
/// When `./dev test` did not start it.
#[must_use]
pub fn mysql() -> String {
    required("QUAYSIDE_TEST_MYSQL")
}

/// The real Kafka's broker list.
///
/// # Panics
/// When `./dev test` did not start it.
#[must_use]
pub fn kafka() -> String {
    required("QUAYSIDE_TEST_KAFKA")
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told of their servers by ./dev test"
)]
fn required(name: &str) -> String {
    match std::env::var(name) {
        Ok(value) if !value.is_empty() => value,
        _ => panic!("{name} is not set: run the tests with `./dev test`, which starts the servers"),
    }
}
