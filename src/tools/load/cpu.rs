//! The processor time of the server, when it runs on this machine.

use std::time::Duration;

use super::error::LoadError;

/// A process whose processor time is read.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pid: u32,
    tick: Duration,
}

impl Process {
    /// The process with this id.
    ///
    /// # Errors
    /// `Argument` when its time cannot be read: it does not exist, or this is not Linux.
    pub fn new(pid: u32) -> Result<Self, LoadError> {
        let tick =
            Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100);
        let process = Self { pid, tick };
        match process.used() {
            Some(_) => Ok(process),
            None => Err(LoadError::Argument(format!("--server-pid {pid}: /proc/{pid}/stat cannot be read"))),
        }
    }

    /// What it has used so far, in user mode and in the kernel (proc(5), fields 14 and 15 of `stat`).
    #[must_use]
    pub fn used(self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The second field is the name in brackets, which may hold anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u32>);
        Some(self.tick * ticks.next()?.ok()?.checked_add(ticks.next()?.ok()?)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn the_time_of_a_process_is_what_it_has_used() {
        let own = Process::new(std::process::id()).expect("its own");
        let (before, begin) = (own.used().expect("readable"), Instant::now());
        while own.used().expect("readable") < before + Duration::from_millis(50) {
            std::hint::black_box(begin.elapsed());
        }
        // Other threads of this process may have used some of it.
        assert!(begin.elapsed() > Duration::from_millis(10));
    }

    #[test]
    fn a_process_that_is_not_there_is_refused() {
        assert!(Process::new(u32::MAX).is_err());
    }
}
