//! What a command came to, and the exit code that says so: 0 yes, 1 no, 2 usage or configuration,
//! 3 fault.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::decision::Fault;

/// The answer of a command that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Refused, invalid, not cleared: exit code 1.
    No,
    /// Exit code 0.
    Yes,
}

/// Why a command could not do its work.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something of ours, or of the machine, failed: exit code 3.
    Fault(String),
    /// The command line, a configuration or an input file is wrong: exit code 2.
    Usage(String),
}

impl Trouble {
    /// A mistake in what the command was given, and what would mend it.
    pub(super) fn usage(text: impl Display, remedy: impl Display) -> Self {
        Self::Usage(format!("{text}\n  remedy: {remedy}"))
    }
}

impl From<ConfigError> for Trouble {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault.chain())
    }
}

/// Says what is wrong, on the error output, and gives the exit code.
pub(super) fn exit(outcome: Result<Answer, Trouble>) -> ExitCode {
    let (code, text) = match outcome {
        Ok(Answer::Yes) => return ExitCode::SUCCESS,
        Ok(Answer::No) => return ExitCode::from(1),
        Err(Trouble::Usage(text)) => (2, text),
        Err(Trouble::Fault(text)) => (3, text),
    };
    // Nobody is left to tell when the error output is closed.
    let _ = writeln!(std::io::stderr(), "ravelin: {text}");
    ExitCode::from(code)
}

/// An error and all its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause in their own words.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
