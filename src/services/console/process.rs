//! What the system says of this process; on Linux only, by `/proc/self` (proc(5)).

use std::time::Duration;

/// How long the process has computed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuTime(Duration);

impl CpuTime {
    /// How long since `earlier`.
    pub(super) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// How long the process has computed so far, in all its threads.
pub(super) fn cpu_time() -> Option<CpuTime> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let ticks = ticks_in(&stat)?;
    let per_second = rustix::param::clock_ticks_per_second();
    (per_second > 0).then(|| CpuTime(Duration::from_secs_f64(ticks as f64 / per_second as f64)))
}

/// The user's and the system's ticks, fields 14 and 15. The name in field 2 may hold spaces and parentheses.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

/// The memory that the process has in RAM, bytes.
pub(super) fn resident_memory() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    let size = u64::try_from(rustix::param::page_size()).ok()?;
    Some(pages * size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_a_name_with_anything_in_it() {
        let stat = "1 (a) (b c) S 0 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 100 1 2";
        assert_eq!(ticks_in(stat), Some(300));
        assert_eq!(ticks_in("1 (a) S 0"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_computes_and_needs_memory() {
        let before = cpu_time().expect("a time");
        while cpu_time().expect("a time").since(before) == Duration::ZERO {
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
        assert!(resident_memory().expect("a size") > 100_000);
    }
}
