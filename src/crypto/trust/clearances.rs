//! The clearances that a validated path permits: authority clearance constraints, step by step.
//!
//! Promises: the anchor's constraints count, and those of every authority below it; a path whose
//! constraints cannot be read is not good. Refuses: malformed constraints, critical or not.
//! Standards: RFC 5913 §4, §5.

use super::anchor::Anchor;
use super::{Ground, Path, TrustProblem};
use crate::crypto::certificate::{Certificate, Extension};
use crate::crypto::clearance::{self, CONSTRAINTS, ClearanceError, Constraint, Permitted};
use crate::label::Policies;

/// Whether the end of the path is itself an authority: that of an attribute certificate is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Authority,
    Subject,
}

impl Path {
    /// The clearances that the authorities above the subject permit it.
    ///
    /// # Errors
    /// When the constraints of one of them cannot be read under its label policy.
    // RFC 5913 §4
    pub fn permitted_clearances(&self, policies: &Policies) -> Result<Permitted, ClearanceError> {
        self.permitted(policies, End::Subject)
    }

    /// The clearances that this path permits in the attribute certificates of its end, an attribute
    /// authority: its own constraints count too.
    ///
    /// # Errors
    /// As [`Path::permitted_clearances`].
    // RFC 5913 §5
    pub fn permitted_in_attributes(
        &self,
        policies: &Policies,
    ) -> Result<Permitted, ClearanceError> {
        self.permitted(policies, End::Authority)
    }

    fn permitted(&self, policies: &Policies, end: End) -> Result<Permitted, ClearanceError> {
        // A decree names purposes and addresses; nobody said what the holder is cleared for.
        if self.0.ground == Ground::Decree {
            let authority = self.evidence().iter().map(|told| told.source.clone());
            return Ok(Permitted::default().within(Constraint {
                authority: authority.collect(),
                permitted: Vec::new(),
            }));
        }
        // Initialization: permitted-clearances is ALL. There is no input of our own.
        let mut permitted = Permitted::default();
        let anchor = self.trust_anchor();
        for extension in of_anchor(anchor) {
            permitted = within(permitted, extension, anchor.subject(), policies)?;
        }
        // Each certificate from the one below the anchor on; the subject's own is not an authority's.
        let below = self
            .certificates()
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, certificate)| anchor.certificate() != Some(*certificate));
        for (place, certificate) in below {
            if place == 0 && end == End::Subject {
                break;
            }
            // Basic processing: without the extension, permitted-clearances stays as it is.
            if let Some(extension) = certificate.extension(&CONSTRAINTS) {
                permitted = within(permitted, extension, certificate.subject(), policies)?;
            }
        }
        Ok(permitted)
    }
}

fn within(
    permitted: Permitted,
    extension: &Extension,
    authority: String,
    policies: &Policies,
) -> Result<Permitted, ClearanceError> {
    let own = clearance::constraints(&extension.value, &authority, policies)?;
    Ok(permitted.within(Constraint {
        authority,
        permitted: own,
    }))
}

/// The constraints of an anchor: of its certificate, and those given beside it (RFC 5914).
fn of_anchor(anchor: &Anchor) -> impl Iterator<Item = &Extension> {
    let certified = anchor
        .certificate()
        .and_then(|certificate| certificate.extension(&CONSTRAINTS));
    certified.into_iter().chain(
        anchor
            .extensions()
            .iter()
            .filter(|item| item.oid == CONSTRAINTS),
    )
}

pub(super) fn check(certificate: &Certificate) -> Result<(), TrustProblem> {
    let Some(extension) = certificate.extension(&CONSTRAINTS) else {
        return Ok(());
    };
    readable(extension, certificate.subject())
}

pub(super) fn check_anchor(anchor: &Anchor) -> Result<(), TrustProblem> {
    of_anchor(anchor).try_for_each(|extension| readable(extension, anchor.subject()))
}

fn readable(extension: &Extension, certificate: String) -> Result<(), TrustProblem> {
    clearance::check_form(&extension.value, &certificate).map_err(|error| {
        TrustProblem::BadClearanceConstraints {
            certificate,
            reason: error.to_string(),
        }
    })
}
