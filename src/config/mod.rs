//! One TOML file -> typed, checked [`Config`].
//!
//! Duty: `written` is what stands in the file, `meant` is what it means: every file that it names
//! is read, every name resolved.
//! Promises: unknown keys are errors; every error names file, line, key and what would mend it;
//! nothing of a configuration takes effect unless all of it is good.

mod capacity;
mod directory;
mod dscp;
mod holdings;
mod in_force;
mod internet;
mod keys;
mod listeners;
mod meant;
mod operation;
mod party;
mod policies;
mod reports;
mod resolve;
mod review;
mod revocation;
mod signature;
mod store;
mod subjects;
mod trust_list;
mod units;
mod written;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::clock::{Clock, Timestamp};
use crate::label::Policies;
pub use capacity::{Capacity, Deliveries};
pub use directory::HarvestRule;
pub use dscp::Dscp;
pub use holdings::{Holding, WARNINGS, warning};
pub use in_force::InForce;
pub use internet::{Authentication, Internet, MailExchange};
pub use listeners::{ListenRole, ListenTls, Listener, Timers};
pub use meant::{
    Arrival, Config, Keys, Link, ListProvenance, Provenance, ReleaseOwed, ReleaseRule, Scope,
    SealProfile, SignerRule,
};
pub use operation::{Checkpoints, Forward, HeadRoomRules, Operation, Span};
pub use party::{ClearanceSource, Combination, MailDomain, Sources, Subject, SubjectKind};

pub use reports::ReportRules;
pub use revocation::RevocationData;
pub(crate) use trust_list::read as read_trust_list;
pub use units::{ByteSize, Life};
pub use written::{
    DomainCertificate, KeyTransport, LinkProtocol, Recipients, Revocation, SealKind, SignedBy,
    SioLabelRule, TlsNeed,
};

/// Reads and checks the configuration in `file`, as it is now. Paths in it are relative to its folder.
///
/// # Errors
/// What is wrong first, with file, line, key and remedy.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    load_after(file, &Policies::default(), Clock::system().now())
}

/// As [`load`], at another time and after other policies were in force: each that changed must be
/// newer than the one in force, and none may be missing.
///
/// # Errors
/// As [`load`].
pub fn load_after(file: &Path, in_force: &Policies, at: Timestamp) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError {
        file: file.to_owned(),
        line: None,
        key: String::new(),
        text: format!("cannot be read: {error}"),
        remedy: "name a readable file with --config, or make one with `ravelin init`".into(),
    })?;
    let written = written::read(&text).map_err(|error| ConfigError {
        file: file.to_owned(),
        line: error.span().map(|span| line_of(&text, span.start)),
        key: error
            .span()
            .map(|span| key_at(&text, span.start))
            .unwrap_or_default(),
        text: error.message().trim().to_owned(),
        remedy: "README, chapter \"Configuration\", lists every section and key".into(),
    })?;
    resolve::resolve(file, &text, written, in_force, at)
}

/// What is wrong in a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The configuration file.
    pub file: PathBuf,
    /// The line in it, counted from 1, when the error has one.
    pub line: Option<usize>,
    /// The section and key, such as `link.birch.certificate`.
    pub key: String,
    /// What is wrong.
    pub text: String,
    /// What would mend it.
    pub remedy: String,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.text)?;
        if !self.remedy.is_empty() {
            write!(f, "\n  remedy: {}", self.remedy)?;
        }
        Ok(())
    }
}

/// The section and key on the line of the octet at `offset`, as far as plain lines show them.
pub(crate) fn key_at(text: &str, offset: usize) -> String {
    let line = line_of(text, offset);
    let mut section = "";
    let mut key = None;
    for text in text.lines().take(line) {
        let text = text.trim();
        key = text
            .split_once('=')
            .map(|(key, _)| key.trim().trim_matches('"'));
        // A line of an array may begin with a bracket too; a name of a section is bare.
        let name = text.trim_start_matches('[').split(']').next();
        let is_bare = |name: &&str| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            !name.is_empty() && name.chars().all(is_part)
        };
        if let Some(name) = name.filter(|name| text.starts_with('[') && is_bare(name)) {
            section = name;
            key = None;
        }
    }
    match (section, key) {
        ("", key) => key.unwrap_or_default().to_owned(),
        (section, None) => section.to_owned(),
        (section, Some(key)) => format!("{section}.{key}"),
    }
}

/// The line, counted from 1, of the octet at `offset`.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    1 + text
        .bytes()
        .take(offset)
        .filter(|octet| *octet == b'\n')
        .count()
}
