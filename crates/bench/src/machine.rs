//! What the kernel tells: CPU time and peak memory of a process, and who else is busy.

use std::fs;

use anyhow::{Context, Result};

/// The unit of CPU times in `/proc`: USER_HZ, 100 on every architecture that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where `/proc/PID/stat` tells user and system time, counted from the field behind the name.
const OWN_TIME: std::ops::Range<usize> = 11..13;
/// The same of the children that have ended and were waited for.
const CHILDREN_TIME: std::ops::Range<usize> = 13..15;

/// Seconds of CPU of the process whose `/proc/PID/stat` this is.
///
/// # Errors
/// When the text is not such a line.
pub fn cpu_of_process(stat: &str) -> Result<f64> {
    seconds(stat, OWN_TIME)
}

/// Seconds of CPU of its children that have ended.
///
/// # Errors
/// When the text is not such a line.
pub fn cpu_of_children(stat: &str) -> Result<f64> {
    seconds(stat, CHILDREN_TIME)
}

/// The name may hold blanks and brackets: fields are counted behind its last bracket.
fn seconds(stat: &str, fields: std::ops::Range<usize>) -> Result<f64> {
    let (_, behind) = stat.rsplit_once(')').context("no line of /proc/PID/stat")?;
    let ticks: Vec<u64> = behind
        .split_ascii_whitespace()
        .skip(fields.start)
        .take(fields.len())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    anyhow::ensure!(ticks.len() == fields.len(), "/proc/PID/stat is cut short");
    Ok(ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

/// Seconds of CPU that a process has used.
pub(crate) fn cpu(pid: u32) -> Result<f64> {
    cpu_of_process(&read(&format!("/proc/{pid}/stat"))?)
}

/// Seconds of CPU of this process, and of its children that have ended.
pub(crate) fn own_cpu() -> Result<(f64, f64)> {
    let stat = read("/proc/self/stat")?;
    Ok((cpu_of_process(&stat)?, cpu_of_children(&stat)?))
}

/// Seconds of CPU that the whole machine has used, all cores together.
pub(crate) fn busy() -> Result<f64> {
    let stat = read("/proc/stat")?;
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = first
        .split_ascii_whitespace()
        .skip(1)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    // user, nice, system, (idle, iowait,) irq, softirq
    let used = [0, 1, 2, 5, 6].map(|field: usize| ticks.get(field).copied().unwrap_or(0));
    Ok(used.iter().sum::<u64>() as f64 / TICKS_PER_SECOND)
}

/// Forgets the peak of a process's memory: it counts anew from what the process holds now.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    let path = format!("/proc/{pid}/clear_refs");
    fs::write(&path, "5").with_context(|| path)
}

/// Most resident memory since the process began or [`forget_peak`], in MiB. None once it has ended.
pub(crate) fn peak_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// `2 cores, AMD EPYC`
pub(crate) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    format!("{cores} cores, {model}")
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.to_owned())
}
