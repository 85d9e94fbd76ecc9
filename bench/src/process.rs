//! What the operating system says of this process.

use std::time::Duration;

/// User and system time used so far.
#[must_use]
pub fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the command's name, in parentheses: fields 14 and 15 of the whole are user and system time in ticks of 10 ms.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Bytes that were sent to the disk so far.
#[must_use]
pub fn disk_writes() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

/// Resident memory in bytes.
#[must_use]
pub fn resident() -> u64 {
    field("/proc/self/status", "VmRSS:") * 1024
}

/// The most resident memory so far, in bytes.
#[must_use]
pub fn most_resident() -> u64 {
    field("/proc/self/status", "VmHWM:") * 1024
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
