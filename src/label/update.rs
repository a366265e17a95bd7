//! Duty: a new set of policies in place of the one in force: who signed it, is it newer, does it work?
//! Promises: all or nothing: either a whole new set comes out, or an error and the old set stays; a
//! policy's own cases have passed before it can become active.
//! Refuses: an unsigned policy where signatures are demanded, a signer who is not pinned, an older
//! version, an older or future creation date, a policy that breaks its own cases.
//! Standards: SDN.801 (newest creation date wins, same date is an error); standards/labels.md section 5.
//!
//! This room verifies no signature: a later room does, and says here who signed ([`Source::signed_by`]).

use jiff::{Timestamp, civil};
use thiserror::Error;

use super::cases::{self, Case, Question};
use super::policy::{Policies, Policy, PolicyConflict, PolicyError};

/// One policy file with what is known about it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, for errors.
    pub file: String,
    /// Its octets.
    pub octets: Vec<u8>,
    /// Its cases, when there are any.
    pub cases: Option<CaseFile>,
    /// The identities whose detached signature over exactly these octets was verified, by subject key
    /// identifier, fingerprint or role, as the verifying room names them.
    pub signed_by: Vec<String>,
}

/// The cases of one policy. They are its self-test and grant nothing: they carry no signature.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// The file's name, for errors.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What is demanded of new policies.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// The signers of whom one must have signed; empty: signatures are not demanded.
    pub signers: Vec<String>,
    /// Policies without cases are refused.
    pub cases: Cases,
}

/// Whether a policy must bring its own cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cases {
    /// They are run when they are there.
    #[default]
    IfPresent,
    /// Without them the policy is refused.
    Required,
}

/// Why the old set stays in force.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// A case of the policy came out otherwise.
    #[error("{file}:{line}: {text}; the policy and its cases must agree")]
    Case {
        /// The file of cases; the policy file when there are none.
        file: String,
        /// The line of the case; 0 when there are none.
        line: usize,
        /// What differs.
        text: String,
    },
    /// Two policies cannot stand together.
    #[error(transparent)]
    Conflict(#[from] PolicyConflict),
    /// A policy in force is missing from the new set.
    #[error("the policy {name} is in force and not among the new ones; remove it on purpose")]
    Missing {
        /// The policy's name.
        name: String,
    },
    /// A file is no policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The new policy is not newer than the one in force.
    #[error("{file}: {text}")]
    RollBack {
        /// The policy file.
        file: String,
        /// What is older, and than what.
        text: String,
    },
    /// Nobody whom we trust for this has signed.
    #[error("{file} has no valid signature of a pinned signer (signed by: {found})")]
    Unsigned {
        /// The policy file.
        file: String,
        /// Who signed instead.
        found: String,
    },
}

/// Makes the next set; the caller swaps it in as one value.
///
/// # Errors
/// When anything speaks against any of the policies; the set in force is not touched.
pub fn next(
    in_force: &Policies,
    sources: &[Source],
    demands: &Demands,
    at: Timestamp,
) -> Result<Policies, UpdateError> {
    let mut policies = Vec::with_capacity(sources.len());
    for source in sources {
        let trusted = |signer: &String| demands.signers.contains(signer);
        if !demands.signers.is_empty() && !source.signed_by.iter().any(trusted) {
            let found = match source.signed_by.as_slice() {
                [] => "nobody".to_owned(),
                some => some.join(", "),
            };
            let file = source.file.clone();
            return Err(UpdateError::Unsigned { file, found });
        }
        let policy = Policy::from_spif(&source.octets, &source.file)?;
        check_age(in_force, &policy, at)?;
        policies.push(policy);
    }
    for old in in_force.iter() {
        if !policies.iter().any(|new| new.oid == old.oid) {
            let name = old.name.clone();
            return Err(UpdateError::Missing { name });
        }
    }
    let set = Policies::new(policies)?;
    for (source, policy) in sources.iter().zip(set.iter()) {
        run_cases(source, policy, &set, demands.cases)?;
    }
    Ok(set)
}

/// The same octets as in force are no change and pass; anything else must be newer.
fn check_age(in_force: &Policies, new: &Policy, at: Timestamp) -> Result<(), UpdateError> {
    let refuse = |text: String| {
        let file = new.file.clone();
        Err(UpdateError::RollBack { file, text })
    };
    let created = new.created.as_deref().and_then(generalized);
    if created.is_some_and(|created| created > at) {
        return refuse("its creationDate is in the future".to_owned());
    }
    let Some(old) = in_force.get(&new.oid) else {
        return Ok(());
    };
    if new.octets == old.octets {
        return Ok(());
    }
    newer(Age::of(old), Age::of(new)).or_else(refuse)
}

/// How old a policy says it is.
#[derive(Clone, Copy, Debug)]
pub struct Age<'a> {
    /// Its version.
    pub version: u64,
    /// Its creation date, as written.
    pub created: Option<&'a str>,
}

impl<'a> Age<'a> {
    fn of(policy: &'a Policy) -> Self {
        Self {
            version: policy.version,
            created: policy.created.as_deref(),
        }
    }
}

/// Whether a policy with other octets may take the place of one that was in force: its version is not
/// lower and its creation date is later.
///
/// # Errors
/// What is older, and than what.
pub fn newer(old: Age<'_>, new: Age<'_>) -> Result<(), String> {
    if new.version < old.version {
        let (new, old) = (new.version, old.version);
        return Err(format!(
            "version {new} is older than {old}, which is in force"
        ));
    }
    let (before, created) = (
        old.created.and_then(generalized),
        new.created.and_then(generalized),
    );
    match (before, created) {
        (Some(before), Some(created)) if created > before => Ok(()),
        (Some(before), Some(created)) => Err(format!(
            "created {created}, not after {before}, when the one in force was created"
        )),
        (None, _) if new.version > old.version => Ok(()),
        (None, Some(_)) => Ok(()),
        _ => Err("without a readable creationDate nobody can tell that it is newer".to_owned()),
    }
}

fn run_cases(
    source: &Source,
    policy: &Policy,
    set: &Policies,
    demand: Cases,
) -> Result<(), UpdateError> {
    let wrong = |file: &str, line, text: String| UpdateError::Case {
        file: file.to_owned(),
        line,
        text,
    };
    let Some(CaseFile { file, text }) = &source.cases else {
        let text = "there are no cases beside the policy".to_owned();
        return match demand {
            Cases::IfPresent => Ok(()),
            Cases::Required => Err(wrong(&source.file, 0, text)),
        };
    };
    let wrong = |line, text| wrong(file, line, text);
    let parsed = cases::parse(text, file).map_err(|error| wrong(error.line, error.text))?;
    if parsed.is_empty() && demand == Cases::Required {
        return Err(wrong(0, "the file of cases is empty".to_owned()));
    }
    // A policy that is not in the set can neither be translated from nor to.
    let is_asked = |case: &&Case| match &case.question {
        Question::Translation { other, .. } => set.by_name(other).is_some(),
        Question::Access { .. } | Question::Marking { .. } => true,
    };
    for case in parsed.iter().filter(is_asked) {
        cases::run(policy, set, case).map_err(|text| wrong(case.line, text))?;
    }
    Ok(())
}

/// GeneralizedTime as SPIFs write it (`20260101000000Z`), or xs:dateTime.
fn generalized(text: &str) -> Option<Timestamp> {
    if let Some(found) = super::spif_fields::date_time(text) {
        return Some(found);
    }
    let digits = text.strip_suffix('Z')?;
    let part = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i16>().ok();
    let small =
        |range: std::ops::Range<usize>| part(range).and_then(|value| i8::try_from(value).ok());
    if digits.len() != 14 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let seconds = small(12..14)?;
    let (hour, minute) = (small(8..10)?, small(10..12)?);
    let date = civil::Date::new(part(0..4)?, small(4..6)?, small(6..8)?).ok()?;
    let time = civil::Time::new(hour, minute, seconds, 0).ok()?;
    let zoned = date
        .to_datetime(time)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()?;
    Some(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let wanted = "2026-01-31T23:59:58Z".parse().ok();
        assert_eq!(generalized("20260131235958Z"), wanted);
        assert_eq!(generalized("2026-01-31T23:59:58Z"), wanted);
        for wrong in [
            "",
            "Z",
            "20260131235958",
            "20261331235958Z",
            "2026013123595Z",
            "x",
        ] {
            assert_eq!(generalized(wrong), None, "{wrong}");
        }
    }
}
