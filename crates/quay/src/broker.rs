//! `quay broker`: the embedded Kafka broker, for development, until SIGTERM or SIGINT.

use std::io::{self, Write};
use std::path::Path;

use bus::EmbeddedBroker;
use tokio::signal::unix::{SignalKind, signal};

use crate::catalog;
use crate::cli::BrokerArgs;
use crate::exit::{Exit, Failure, chain};
use crate::print::say;

/// Partitions of each topic: enough for the workers of one machine.
const PARTITIONS: u16 = 4;

pub(crate) async fn run(args: &BrokerArgs) -> Result<Exit, Failure> {
    let no_signals = |error| Failure::local("cannot listen to signals", error);
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let topics = catalog::topics(&args.datasets.datasets, args.handlers.as_deref())?;
    let failed = |error| Failure::local("cannot start the embedded broker", chain(&error));
    let broker = EmbeddedBroker::start(1).map_err(failed)?;
    for topic in &topics {
        broker.create_topic(topic, PARTITIONS).map_err(failed)?;
    }
    publish(&args.address_file, broker.bootstrap()).map_err(|error| {
        Failure::local(
            format!("cannot write {}", args.address_file.display()),
            error,
        )
    })?;
    say(format_args!(
        "Embedded broker on {}; topics: {}",
        broker.bootstrap(),
        topics.join(", ")
    ));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(Exit::Done)
}

/// Whoever sees the file sees all of the address.
fn publish(path: &Path, address: &str) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(address.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
