//! The example that proves the platform: two coupons for each member, submitted by `quay` from a csv
//! into a group, granted by the worker, and at the end of the group a marketing service that is told
//! how many there are. The time counts from the start of `quay` until the service has been told. The
//! csv is written before. A run whose counts differ is void.

mod marketing;

use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::process::Command;

use crate::bench::Bench;
use crate::database::TENANT;
use crate::record::{Line, keep};
use crate::servers::{Meter, Taken, quiet};
use crate::{compensations, machine};
use marketing::Marketing;

/// What issue 7 asks for: so many members' coupons within so many seconds.
const MEMBERS: u64 = 2_650_000;
const WANTED_S: f64 = 360.0;
/// Longest wait for the end of the group once all is submitted, for each coupon; and at least.
const PATIENCE_EACH: Duration = Duration::from_micros(500);
const PATIENCE: Duration = Duration::from_secs(120);

/// One run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CouponRun {
    pub(crate) members: u64,
    pub(crate) coupons: u64,
    /// From the start of `quay` until it has submitted all.
    pub(crate) submit_s: f64,
    /// From the start of `quay` until the service was told.
    pub(crate) wall_s: f64,
    pub(crate) quay_cpu_s: f64,
    pub(crate) worker_cpu_s: f64,
    pub(crate) gateway_cpu_s: f64,
    pub(crate) mysqld_cpu_s: f64,
    pub(crate) broker_cpu_s: f64,
    pub(crate) other_cpu_s: f64,
    pub(crate) worker_peak_mib: f64,
    pub(crate) gateway_peak_mib: f64,
    /// What the service was told.
    pub(crate) told: u64,
    pub(crate) fault: Option<String>,
}

#[derive(Deserialize)]
struct Submitted {
    accepted: u64,
    duplicates: u64,
}

/// Measures one run.
pub(crate) async fn measure(bench: &Bench) -> Result<CouponRun> {
    let members = bench.cli.members;
    let coupons = members * 2;
    let batch = format!("c{}", bench.database.now().await?);
    let file = bench.servers.temp_dir().join("coupons.csv");
    eprint!("  {coupons} coupons in a csv ... ");
    write(&file, members)?;
    eprintln!("{} MB", std::fs::metadata(&file)?.len() / 1_000_000);
    compensations::warm_up(bench).await?;
    let mut marketing = Marketing::open().await?;
    quiet(bench.patience).await?;
    let pids = [
        bench.servers.pid("biz-worker")?,
        bench.servers.pid("api-gateway")?,
    ];
    for pid in pids {
        machine::forget_peak(pid)?;
    }
    let meter = Meter::of(&bench.servers, &["biz-worker"])?;
    let began = Instant::now();
    let submitted = submit(bench, &file, &batch, marketing.port()).await?;
    let submit_s = began.elapsed().as_secs_f64();
    eprintln!("  submitted after {submit_s:.1} s");
    let patience = PATIENCE + PATIENCE_EACH * u32::try_from(coupons)?;
    let told = marketing.told(patience).await?;
    let taken = meter.stop()?;
    let rows = rows(bench, &batch).await?;
    let new = submitted.accepted == coupons && submitted.duplicates == 0;
    let fault = (!new || rows != coupons || told != coupons).then(|| {
        format!(
            "of {coupons} coupons {} were accepted, {rows} are in the table, and the service was \
             told of {told}",
            submitted.accepted
        )
    });
    let peak = |pid| machine::peak_mib(pid).unwrap_or(f64::NAN);
    let Taken { wall_s, .. } = taken;
    let run = CouponRun {
        members,
        coupons,
        submit_s,
        wall_s,
        quay_cpu_s: taken.peer_s,
        worker_cpu_s: taken.worker_s,
        gateway_cpu_s: taken.gateway_s,
        mysqld_cpu_s: taken.mysqld_s,
        broker_cpu_s: taken.broker_s,
        other_cpu_s: taken.other_s,
        worker_peak_mib: peak(pids[0]),
        gateway_peak_mib: peak(pids[1]),
        told,
        fault,
    };
    keep(&bench.cli.results, &Line::Coupons(&run))?;
    Ok(run)
}

/// Two coupons for each member.
fn write(file: &Path, members: u64) -> Result<()> {
    let mut out = BufWriter::new(File::create(file).with_context(|| file.display().to_string())?);
    writeln!(out, "member,coupon")?;
    for member in 1..=members {
        writeln!(out, "C{member:09},A\nC{member:09},B")?;
    }
    out.flush()?;
    Ok(())
}

/// Has `quay` submit the file, and waits until it has.
async fn submit(bench: &Bench, file: &Path, batch: &str, port: u16) -> Result<Submitted> {
    let follow_up = json!({"biz_type": "callback",
        "context": {"url": format!("http://127.0.0.1:{port}/granted")}});
    let quay = Command::new(beside("quay")?)
        .args(["compensations", "submit"])
        .arg(file)
        .args(["--biz-type", "coupon_grant"])
        .args(["--biz-id", &format!("{batch}/{{member}}/{{coupon}}")])
        .args(["--context", &json!({"batch": batch}).to_string()])
        .args(["--group", batch, "--seal", "--json"])
        .args(["--on-finished", &follow_up.to_string()])
        .args(["--url", &bench.cli.url])
        .env("QUAYSIDE_TOKEN", &bench.cli.token)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("quay")?;
    ensure!(quay.status.success(), "quay: {}", quay.status);
    Ok(serde_json::from_slice(&quay.stdout)?)
}

/// A program of the same build.
fn beside(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// Grants of the batch; that none is there twice is what the table's unique key says.
async fn rows(bench: &Bench, batch: &str) -> Result<u64> {
    let mut conn = bench.database.connect().await?;
    let query = "SELECT COUNT(*) FROM coupon_grant WHERE tenant = ? AND batch = ?";
    let rows: Option<u64> = conn.exec_first(query, (TENANT, batch)).await?;
    conn.disconnect().await?;
    rows.context("no count")
}

impl CouponRun {
    /// Whether it counts.
    pub(crate) fn is_whole(&self) -> bool {
        self.fault.is_none()
    }

    fn demand(&self) -> String {
        if self.members < MEMBERS {
            let share = self.members as f64 / MEMBERS as f64;
            return format!(
                "{:.0} s for {MEMBERS} members at this rate; not the run that is asked for",
                self.wall_s / share
            );
        }
        let kept = if self.wall_s <= WANTED_S {
            "ok"
        } else {
            "missed"
        };
        format!("wanted: at most {WANTED_S} s: {kept}")
    }
}

impl fmt::Display for CouponRun {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |seconds: f64| seconds * 1e6 / self.coupons as f64;
        writeln!(
            out,
            "\n| members | coupons | submitted after s | all done after s | coupons a second | quay µs each \
             | gateway µs | mysqld µs | worker µs | broker µs | worker MiB | gateway MiB \
             | told | others' cores |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
        )?;
        writeln!(
            out,
            "| {} | {} | {:.1} | {:.1} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0} | {:.0} | {} | {:.2} |",
            self.members,
            self.coupons,
            self.submit_s,
            self.wall_s,
            self.coupons as f64 / self.wall_s,
            each(self.quay_cpu_s),
            each(self.gateway_cpu_s),
            each(self.mysqld_cpu_s),
            each(self.worker_cpu_s),
            each(self.broker_cpu_s),
            self.worker_peak_mib,
            self.gateway_peak_mib,
            self.told,
            self.other_cpu_s / self.wall_s,
        )?;
        writeln!(out, "\n{}", self.demand())?;
        match &self.fault {
            None => Ok(()),
            Some(fault) => writeln!(out, "\nVOID: {fault}"),
        }
    }
}
