//! File descriptors: as many as this process may have, and how many connections they are enough for.
//!
//! A node that runs out of them can neither open a file nor take a host command; so connections never get all of them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What files, the operator socket and the runtime may need. A node with an audit log has about 30 open.
const OTHERS: u64 = 64;

/// Raises this process's limit to what it is allowed, and tells what it is then; none means that there is no limit.
pub(crate) fn raise_limit() -> Option<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Some systems name a maximum that they do not give: what is in force counts.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current
}

/// How many connections there may be, at most `wanted`.
pub(crate) fn connections(limit: Option<u64>, wanted: usize) -> usize {
    let Some(limit) = limit else { return wanted };
    let left = limit.saturating_sub(OTHERS).max(limit / 2).max(1);
    usize::try_from(left).unwrap_or(usize::MAX).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        assert_eq!(connections(None, 10_000), 10_000);
        assert_eq!(connections(Some(1 << 20), 10_000), 10_000);
        assert_eq!(connections(Some(1_024), 10_000), 960);
        assert_eq!(connections(Some(100), 10_000), 50);
        assert_eq!(connections(Some(0), 10_000), 1);
    }

    #[test]
    fn limit_is_raised_to_what_is_allowed() {
        let limit = raise_limit();
        assert_eq!(limit, getrlimit(Resource::Nofile).current);
        assert!(connections(limit, 10_000) > 0);
    }
}
