//! No core file of a process that holds keys.
//!
//! Promises: neither a crash nor another process of the same user gets the memory of a switch or of a
//! command: the limit of core files is zero, and the process is marked as not dumpable, which a pipe
//! in `core_pattern` respects too. Children have the limit.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::answer::Trouble;

/// Forbids core files from now on.
///
/// # Errors
/// When the system does not let it be so: then no key is read.
pub(super) fn forbid() -> Result<(), Trouble> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|error| Trouble::Fault(format!("forbid core files: {error}")))
}
