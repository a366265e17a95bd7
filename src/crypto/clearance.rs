//! Clearances in certificates: the attribute of a subject, and what an authority may give at most.
//!
//! Promises: what cannot be read is an error, never "no limit"; the permitted clearances of a path
//! only ever become fewer. Refuses: two clearance attributes, two values of one, an authority's
//! constraints that name one policy twice or are empty.
//! Standards: RFC 5913 §2 to §7, 5755 §4.4.6, 3281 §4.4.6 (its identifier is read too), 5280
//! §4.2.1.8.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, Tagged};

use super::certificate::{Certificate, sequence_of};
use crate::label::clearance::{self, ATTRIBUTE};
use crate::label::intersection::intersection;
use crate::label::{Clearance, Policies, SyntaxError, SyntaxProblem};

/// id-pe-clearanceConstraints (RFC 5913 §3).
pub const CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.21");
/// subjectDirectoryAttributes (RFC 5280 §4.2.1.8).
pub const DIRECTORY_ATTRIBUTES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.9");
/// The identifier that RFC 3281 gave the attribute by mistake.
const OLD_ATTRIBUTE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.1.5.55");

/// Policies in one extension. More is no way to run an authority.
const MOST_POLICIES: usize = 64;
/// Attributes of one certificate.
const MOST_ATTRIBUTES: usize = 64;

/// Why a clearance in a certificate cannot be taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClearanceError {
    /// A clearance is not one.
    #[error("{what} of {certificate}: {source}")]
    Clearance {
        /// The attribute, or the constraints.
        what: &'static str,
        /// The subject of the certificate.
        certificate: String,
        /// What is wrong with it.
        source: SyntaxError,
    },
    /// The structure around it is wrong.
    #[error("{what} of {certificate} is malformed: {problem}")]
    Malformed {
        /// The attribute, or the constraints.
        what: &'static str,
        /// The subject of the certificate.
        certificate: String,
        /// What is wrong.
        problem: String,
    },
}

/// An attribute as it stands in a certificate: its type, and the DER of each value.
pub(crate) type Attribute = (ObjectIdentifier, Vec<Vec<u8>>);

/// What one authority of a path permits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Constraint {
    /// The authority's subject.
    pub authority: String,
    /// One clearance for each policy.
    pub permitted: Vec<Clearance>,
}

/// The clearances that a path permits (permitted-clearances of RFC 5913).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permitted {
    /// None: every clearance (the special value ALL).
    set: Option<Vec<Clearance>>,
    constraints: Vec<Constraint>,
}

/// A clearance after the path's constraints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limited {
    /// What is left; none means cleared for nothing.
    pub clearance: Option<Clearance>,
    /// The authorities that took something away, the highest first.
    pub by: Vec<String>,
}

impl Permitted {
    /// What was permitted before, within what this authority permits.
    // RFC 5913 §6
    #[must_use]
    pub fn within(mut self, constraint: Constraint) -> Self {
        self.set = Some(match self.set.take() {
            // From ALL: the constraints themselves.
            None => constraint.permitted.clone(),
            // A policy that the constraints do not name goes; of one that they name, the classes and
            // categories that both have stay; without a common class it goes.
            Some(before) => before
                .iter()
                .filter_map(|held| {
                    let own = constraint.permitted.iter();
                    let mut own = own.filter(|one| one.policy == held.policy);
                    intersection(held, own.next()?)
                })
                .collect(),
        });
        self.constraints.push(constraint);
        self
    }

    /// Whether no authority of the path limits anything.
    pub fn is_all(&self) -> bool {
        self.set.is_none()
    }

    /// What is permitted; `None` is everything.
    pub fn clearances(&self) -> Option<&[Clearance]> {
        self.set.as_deref()
    }

    /// What the path leaves of the subject's own clearance.
    // RFC 5913 §4: effective-clearance
    pub fn effective(&self, own: &Clearance) -> Limited {
        let clearance = match &self.set {
            None => Some(own.clone()),
            Some(permitted) => permitted
                .iter()
                .find(|one| one.policy == own.policy)
                .and_then(|one| intersection(own, one)),
        };
        let takes = |constraint: &&Constraint| {
            let mut same = constraint.permitted.iter();
            let same = same.find(|one| one.policy == own.policy);
            same.and_then(|one| intersection(own, one)).as_ref() != Some(own)
        };
        let by = self.constraints.iter().filter(takes);
        Limited {
            clearance,
            by: by.map(|constraint| constraint.authority.clone()).collect(),
        }
    }
}

/// The clearance in the certificate's subjectDirectoryAttributes; none when it has none.
///
/// # Errors
/// When there are several, or it cannot be read: then nothing of it counts.
// RFC 5913 §2
pub fn of_certificate(
    certificate: &Certificate,
    policies: &Policies,
) -> Result<Option<clearance::Decoded>, ClearanceError> {
    let Some(extension) = certificate.extension(&DIRECTORY_ATTRIBUTES) else {
        return Ok(None);
    };
    let who = certificate.subject();
    let attributes = attributes(&extension.value).map_err(|error| ClearanceError::Malformed {
        what: "subjectDirectoryAttributes",
        certificate: who.clone(),
        problem: error.to_string(),
    })?;
    of_attributes(&attributes, &who, policies)
}

/// The one clearance among attributes.
// RFC 5913 §2, §4: one attribute with one value
pub(crate) fn of_attributes(
    attributes: &[Attribute],
    who: &str,
    policies: &Policies,
) -> Result<Option<clearance::Decoded>, ClearanceError> {
    const WHAT: &str = "the clearance attribute";
    let is_clearance = |kind: &ObjectIdentifier| *kind == ATTRIBUTE || *kind == OLD_ATTRIBUTE;
    let mut values = attributes
        .iter()
        .filter(|(kind, _)| is_clearance(kind))
        .map(|(_, values)| values.as_slice());
    let several = |problem: &str| ClearanceError::Malformed {
        what: WHAT,
        certificate: who.to_owned(),
        problem: problem.to_owned(),
    };
    let value = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(_), Some(_)) => return Err(several("it is there more than once")),
        (Some([value]), None) => value,
        (Some(_), None) => return Err(several("it must have exactly one value")),
    };
    clearance::decode_under(value, policies)
        .map(Some)
        .map_err(|source| ClearanceError::Clearance {
            what: WHAT,
            certificate: who.to_owned(),
            source,
        })
}

/// SEQUENCE OF Attribute.
// RFC 5280 §4.2.1.8, RFC 5755 §4.2.7
pub(crate) fn attributes(der: &[u8]) -> der::Result<Vec<Attribute>> {
    let wrong = || der::Error::from(Tag::Sequence.value_error());
    let mut list = SliceReader::new(sequence_of(der)?)?;
    let mut found: Vec<Attribute> = Vec::new();
    while !list.is_finished() {
        let mut one = SliceReader::new(sequence_of(list.tlv_bytes()?)?)?;
        let kind = ObjectIdentifier::decode(&mut one)?;
        let set = AnyRef::decode(&mut one)?;
        set.tag().assert_eq(Tag::Set)?;
        one.finish()?;
        let mut values = Vec::new();
        let mut members = SliceReader::new(set.value())?;
        while !members.is_finished() {
            values.push(members.tlv_bytes()?.to_vec());
        }
        if values.len() > MOST_ATTRIBUTES || found.len() >= MOST_ATTRIBUTES {
            return Err(wrong());
        }
        found.push((kind, values));
    }
    match found.is_empty() {
        true => Err(wrong()),
        false => Ok(found),
    }
}

/// AuthorityClearanceConstraints: one clearance for each policy.
///
/// # Errors
/// When it is empty, names a policy twice, or holds something that is not a clearance.
// RFC 5913 §3
pub fn constraints(
    value: &[u8],
    who: &str,
    policies: &Policies,
) -> Result<Vec<Clearance>, ClearanceError> {
    let mut found: Vec<Clearance> = Vec::new();
    for octets in members(value, who)? {
        let clearance = clearance::decode_under(&octets, policies)
            .map_err(|source| not_a_clearance(who, source))?
            .clearance;
        if found.iter().any(|one| one.policy == clearance.policy) {
            return Err(malformed(who, "it names a policy twice"));
        }
        found.push(clearance);
    }
    Ok(found)
}

/// As [`constraints`], for what can be seen without the label policies: a path with constraints that
/// nobody can read is no path.
pub(crate) fn check_form(value: &[u8], who: &str) -> Result<(), ClearanceError> {
    match constraints(value, who, &Policies::default()) {
        // Which kind an enumerated privilege is, its policy says when the constraints are applied.
        Err(ClearanceError::Clearance { source, .. })
            if matches!(source.problem, SyntaxProblem::UnresolvedKind(_)) =>
        {
            Ok(())
        }
        checked => checked.map(drop),
    }
}

fn members(value: &[u8], who: &str) -> Result<Vec<Vec<u8>>, ClearanceError> {
    let read = || -> der::Result<Vec<Vec<u8>>> {
        let mut list = SliceReader::new(sequence_of(value)?)?;
        let mut all = Vec::new();
        while !list.is_finished() && all.len() <= MOST_POLICIES {
            all.push(list.tlv_bytes()?.to_vec());
        }
        Ok(all)
    };
    let all = read().map_err(|error| malformed(who, &error.to_string()))?;
    match all.len() {
        0 => Err(malformed(who, "it is empty")),
        1..=MOST_POLICIES => Ok(all),
        _ => Err(malformed(who, "it names too many policies")),
    }
}

fn malformed(who: &str, problem: &str) -> ClearanceError {
    ClearanceError::Malformed {
        what: "the authority clearance constraints",
        certificate: who.to_owned(),
        problem: problem.to_owned(),
    }
}

fn not_a_clearance(who: &str, source: SyntaxError) -> ClearanceError {
    ClearanceError::Clearance {
        what: "the authority clearance constraints",
        certificate: who.to_owned(),
        source,
    }
}
