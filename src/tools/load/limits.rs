//! How many sockets this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::error::LoadError;

/// Standard streams, the runtime's own descriptors, and some room.
const SPARE: u64 = 64;

/// Makes sure that `sockets` can be open at once; raises the soft limit up to the hard one where it must.
///
/// # Errors
/// `OpenFiles` when the hard limit is too low.
pub fn allow_sockets(sockets: usize) -> Result<(), LoadError> {
    let need = u64::try_from(sockets).unwrap_or(u64::MAX).saturating_add(SPARE);
    let now = getrlimit(Resource::Nofile);
    // No limit reads as `None`.
    if now.current.is_none_or(|soft| soft >= need) {
        return Ok(());
    }
    if let Some(limit) = now.maximum.filter(|hard| *hard < need) {
        return Err(LoadError::OpenFiles { need, limit });
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(need), maximum: now.maximum })
        .map_err(|error| LoadError::System(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_always_allowed() {
        assert!(allow_sockets(1).is_ok());
    }

    #[test]
    fn more_than_the_hard_limit_is_refused_with_both_numbers() {
        let Some(hard) = getrlimit(Resource::Nofile).maximum else { return };
        let refused = allow_sockets(usize::try_from(hard).expect("64 bits"));
        assert!(
            matches!(refused, Err(LoadError::OpenFiles { need, limit }) if limit == hard && need > hard),
            "{refused:?}"
        );
    }
}
