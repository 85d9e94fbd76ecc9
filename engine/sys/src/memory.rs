//! How much memory there is for this process.

use std::sync::OnceLock;

/// Bytes of memory that this process may use: the machine's, but no more than its container's limit (cgroup 2, or the memory controller of
/// cgroup 1). None where the system does not say.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    static BYTES: OnceLock<Option<u64>> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let machine = read("/proc/meminfo").and_then(|text| kilobytes(&text, "MemTotal:"));
        let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
        // A limit that is not set is the word `max`, or a number beyond any machine.
        let limit = limits.iter().filter_map(|path| read(path)?.trim().parse().ok()).min();
        machine.into_iter().chain(limit).min()
    })
}

/// Bytes of memory that this process has allocated and uses, in memory or swapped out: mapped files do not count. None where the system
/// does not say.
#[must_use]
pub fn allocated_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    Some(kilobytes(&status, "RssAnon:")? + kilobytes(&status, "VmSwap:").unwrap_or(0))
}

/// A line such as `MemTotal: 16384 kB` of a file in /proc, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_process_holds_is_known() {
        let bytes = allocated_bytes();
        assert!(bytes.map_or(!cfg!(target_os = "linux"), |bytes| bytes > 1 << 16), "{bytes:?}");
    }

    #[test]
    fn the_total_is_read_in_bytes() {
        for (text, expected) in
            [("MemFree: 1 kB\nMemTotal:       16384 kB\n", Some(16 << 20)), ("MemTotal: many kB\n", None), ("", None)]
        {
            assert_eq!(kilobytes(text, "MemTotal:"), expected, "{text:?}");
        }
    }
}
