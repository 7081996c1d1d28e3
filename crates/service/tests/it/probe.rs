//! A process that does nothing, for the tests of how a process lives and ends: a tracked task
//! behaves as the variable PROBE says, and the admin port's address goes to standard output.

use std::process::ExitCode;

use service::{AdminServer, Label, Probe, Process, Settings, Storage};

fn main() -> ExitCode {
    service::main("service-probe", "1.2.3", start)
}

async fn start(process: Process) -> anyhow::Result<()> {
    let Process {
        settings,
        lifecycle,
        telemetry,
        ..
    } = process;
    let probes = vec![
        Probe::new("sound", || async { Ok(()) }),
        Probe::new("broken", || async { anyhow::bail!("out of order") }),
        Probe::new("silent", std::future::pending),
        Probe::known("doors", || ("open", None)),
        Probe::known("windows", || ("shut", Some("it rains".to_owned()))),
    ];
    let address = AdminServer::start(settings.admin.listen, &lifecycle, &telemetry, probes)?;
    tracing::info_span!("probing", task.id = 7)
        .in_scope(|| tracing::info!(answer = 42, "within a span"));
    let soft = lifecycle.soft();
    match behaviour().as_str() {
        "ends when told" => lifecycle.spawn("obedient", async move {
            soft.cancelled().await;
            Ok(())
        }),
        "ends when cut off" => lifecycle.spawn("slow", std::future::pending()),
        "fails" => lifecycle.spawn("faulty", async { anyhow::bail!("no more paper") }),
        "panics" => lifecycle.spawn("shaky", async { panic!("no more nerves") }),
        "returns" => lifecycle.spawn("lazy", async { Ok(()) }),
        "stores 2 MiB" => store(&settings, 2).await?,
        "stores 8 MiB" => store(&settings, 8).await?,
        "never starts" => std::future::pending().await,
        other => anyhow::bail!("PROBE={other} is not known"),
    }
    lifecycle.set_ready();
    println!("{address}");
    Ok(())
}

/// Stores a file, and says on standard output why that failed.
async fn store(settings: &Settings, mebibytes: usize) -> anyhow::Result<()> {
    let storage = Storage::open(&settings.storage)?;
    let mebibyte = || Ok(vec![7; 1 << 20].into());
    let content = futures::stream::iter(std::iter::repeat_with(mebibyte).take(mebibytes));
    let Err(error) = storage.put("t/a", &Label::new("a.xlsx"), content).await else {
        anyhow::bail!("the file was stored");
    };
    let transient = error.is_transient();
    println!("transient: {transient}, {:#}", anyhow::Error::from(error));
    anyhow::bail!("nothing more to do")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test tells its process what to do, not a setting"
)]
fn behaviour() -> String {
    std::env::var("PROBE").unwrap_or_default()
}
