//! Whether the certificates of a path are still good: CRLs, complete and delta, direct and indirect.
//!
//! Promises: a certificate counts as good only when lists that may speak for it, are signed by a
//! key with that right under the same anchor, and are in date, together cover every reason.
//! Revoked is final even in a list that is out of date; only a hold can be taken back, by a newer
//! list. Refuses: a status that is not known, by the rule for it.
//! Standards: RFC 5280 §5.2.4, §6.3.

use std::borrow::Cow;
use std::sync::Arc;

use super::anchor::Anchor;
use super::online::Asked;
use super::search::Search;
use super::{Evidence, RevocationCheck, StaleRule, TrustProblem, names};
use crate::clock::Timestamp;
use crate::crypto::certificate::{BasicConstraints, Certificate};
use crate::crypto::revocation::fetch::Missing;
use crate::crypto::revocation::scope::{Kinds, Point, Reasons, Scope};
use crate::crypto::revocation::{Entry, RevocationList};
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};

/// What was gathered about one certificate so far.
pub(super) struct Gathered {
    pub(super) covered: Reasons,
    pub(super) evidence: Vec<Evidence>,
    /// Scopes for which a list in date has spoken: an older hold there is no more.
    spoken: Vec<(Vec<u8>, Scope)>,
    pub(super) stale: Option<String>,
    pub(super) other: Option<String>,
}

/// What a list has to say, together with its delta lists.
struct Answer {
    entry: Option<Entry>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    /// Until when it counts; none: it does not count any more, for the reason given.
    until: Result<Timestamp, String>,
}

impl Search<'_> {
    /// Looks every certificate below the anchor up.
    pub(super) fn check_status(
        &mut self,
        below: &[Certificate],
        anchor: &Anchor,
    ) -> Result<Vec<Evidence>, TrustProblem> {
        let mut evidence = Vec::new();
        for (place, certificate) in below.iter().enumerate() {
            let issuer = below.get(place.saturating_add(1));
            evidence.extend(self.check_one(certificate, issuer, below, anchor)?);
        }
        Ok(evidence)
    }

    // RFC 5280 §6.3.3
    pub(super) fn check_one(
        &mut self,
        certificate: &Certificate,
        issuer: Option<&Certificate>,
        path: &[Certificate],
        anchor: &Anchor,
    ) -> Result<Vec<Evidence>, TrustProblem> {
        let mut gathered = Gathered {
            covered: Reasons::NONE,
            evidence: Vec::new(),
            spoken: Vec::new(),
            stale: None,
            other: None,
        };
        let asked = Asked {
            certificate,
            issuer,
            path,
            anchor,
        };
        let Ok(points) = Point::of(certificate) else {
            gathered.other = Some("its CRL distribution points cannot be read".into());
            self.consult_answers(asked, &mut gathered)?;
            return self.conclude(asked, Vec::new(), gathered);
        };
        let at_hand = Arc::clone(&self.lists);
        let (mut fetched, places) = self.kept_lists(&points);
        let mut pool: Cow<'_, [RevocationList]> = Cow::Borrowed(&at_hand);
        if !fetched.is_empty() {
            fetched.extend(at_hand.iter().cloned());
            pool = Cow::Owned(fetched);
        }
        let freshest = self.freshest(asked, &points, &pool);
        let (deltas, delta_places) = self.kept_lists(&freshest);
        let is_fresh = deltas.iter().any(|delta| self.in_date(delta).is_ok());
        if !deltas.is_empty() {
            pool.to_mut().extend(deltas);
        }
        self.consult_lists(asked, &points, &pool, &mut gathered)?;
        self.consult_answers(asked, &mut gathered)?;
        // RFC 5280 §6.3.3 (a), (c): a delta list is wanted, and not owed
        if !is_fresh && !delta_places.is_empty() {
            self.miss(delta_places, &mut gathered);
            self.may_change = true;
        }
        self.conclude(asked, places, gathered)
    }

    fn consult_lists(
        &mut self,
        asked: Asked<'_>,
        points: &[Point],
        pool: &[RevocationList],
        gathered: &mut Gathered,
    ) -> Result<(), TrustProblem> {
        for point in points {
            for list in lists_for(pool, point, asked.certificate) {
                let reasons = point.reasons.and(list.scope().reasons);
                let may = self.may_sign(&list, point, asked.issuer, asked.path, asked.anchor);
                match may {
                    Ok(()) => self.consult(&list, pool, asked.certificate, reasons, gathered)?,
                    Err(reason) => {
                        gathered.other.get_or_insert(reason);
                    }
                }
            }
        }
        Ok(())
    }

    /// `places` may have lists of it.
    fn conclude(
        &mut self,
        asked: Asked<'_>,
        places: Vec<Missing>,
        mut gathered: Gathered,
    ) -> Result<Vec<Evidence>, TrustProblem> {
        if gathered.covered == Reasons::ALL {
            return Ok(gathered.evidence);
        }
        // A responder is asked where no list is to be had.
        if !self.miss(places, &mut gathered) {
            self.miss(self.responders(asked), &mut gathered);
        }
        self.may_change = true;
        let subject = asked.certificate.subject();
        let issuer = asked.certificate.issuer();
        let is_stale = gathered.stale.is_some();
        let reason = both(gathered.stale, gathered.other).unwrap_or_else(|| {
            match gathered.covered == Reasons::NONE {
                true => "there is no CRL of it".to_owned(),
                false => "its CRLs cover only some reasons (RFC 5280 §6.3.3)".to_owned(),
            }
        });
        match (is_stale, self.store.stale) {
            (true, StaleRule::Refuse) => Err(TrustProblem::RevocationStale {
                certificate: subject,
                issuer,
                reason,
            }),
            (false, _) if self.store.revocation == RevocationCheck::Optional => {
                Ok(gathered.evidence)
            }
            _ => Err(TrustProblem::RevocationUnknown {
                certificate: subject,
                issuer,
                reason,
            }),
        }
    }

    /// Takes what a list and its delta lists say into account.
    // RFC 5280 §6.3.3 (c), (i) to (l)
    fn consult(
        &mut self,
        list: &RevocationList,
        pool: &[RevocationList],
        certificate: &Certificate,
        reasons: Reasons,
        gathered: &mut Gathered,
    ) -> Result<(), TrustProblem> {
        let answer = self.answer(list, pool, certificate);
        let scope = (list.issuer_der().to_vec(), list.scope().clone());
        let spoken = gathered.spoken.contains(&scope);
        match answer.entry {
            Some(entry) if !(entry.is_hold() && spoken) => Err(TrustProblem::Revoked {
                certificate: certificate.subject(),
                since: entry.since,
                by: format!("the CRL of {}, {}", list.issuer(), answer.this_update),
            }),
            _ => {
                match answer.until {
                    Ok(until) => {
                        gathered.covered = gathered.covered.or(reasons);
                        gathered.spoken.push(scope);
                        let evidence = Evidence {
                            certificate: certificate.subject(),
                            source: list.issuer(),
                            this_update: answer.this_update,
                            next_update: answer.next_update,
                            until,
                        };
                        // One list may speak at several points.
                        if !gathered.evidence.contains(&evidence) {
                            gathered.evidence.push(evidence);
                        }
                    }
                    Err(reason) => {
                        gathered.stale.get_or_insert(reason);
                    }
                }
                Ok(())
            }
        }
    }

    fn answer(
        &self,
        list: &RevocationList,
        pool: &[RevocationList],
        certificate: &Certificate,
    ) -> Answer {
        let is_issuer = |name: &_| names::same_name(name, certificate.issuer_name());
        let serial = certificate.serial_bytes();
        let mut answer = Answer {
            entry: list.entry(serial, is_issuer),
            this_update: list.this_update(),
            next_update: list.next_update(),
            until: self.in_date(list),
        };
        let mut deltas: Vec<&RevocationList> =
            pool.iter().filter(|delta| goes_with(delta, list)).collect();
        deltas.sort_by_key(|delta| delta.this_update());
        for delta in deltas {
            let until = self.in_date(delta);
            match delta.entry(serial, is_issuer) {
                // Only a delta list in date takes something back.
                Some(entry) if entry.is_removal() => {
                    let takes_back = |entry: &Entry| until.is_ok() && entry.is_hold();
                    answer.entry = answer.entry.filter(|entry| !takes_back(entry));
                }
                Some(entry) => answer.entry = Some(entry),
                None => {}
            }
            // RFC 5280 §5.2.4: together they are as new as the delta list.
            if until.is_ok() {
                answer.this_update = delta.this_update();
                answer.next_update = delta.next_update();
                answer.until = until;
            }
        }
        answer
    }

    /// Until when the list counts, or why it does not.
    pub(super) fn in_date(&self, list: &RevocationList) -> Result<Timestamp, String> {
        let made = list.this_update();
        if self.at < made {
            return Err(format!(
                "its CRL was made later, {made} (RFC 5280 §5.1.2.4)"
            ));
        }
        let mut until = list.next_update();
        if let StaleRule::AcceptUntil(age) = self.store.stale {
            let accepted = made.saturating_add(age).unwrap_or(Timestamp::MAX);
            until = Some(until.map_or(accepted, |next| next.max(accepted)));
        }
        match until {
            Some(until) if self.at <= until => Ok(until),
            Some(until) => Err(format!(
                "its CRL was to be renewed by {until} (RFC 5280 §5.1.2.5)"
            )),
            None => Err("its CRL does not say until when it is good".to_owned()),
        }
    }
}

/// What is out of date, and why nothing newer is there.
fn both(stale: Option<String>, other: Option<String>) -> Option<String> {
    match (stale, other) {
        (Some(stale), Some(other)) => Some(format!("{stale}, and {other}")),
        (stale, other) => stale.or(other),
    }
}

/// The complete lists that may speak at this point for this certificate, newest first.
// RFC 5280 §6.3.3 (b)
pub(super) fn lists_for(
    pool: &[RevocationList],
    point: &Point,
    certificate: &Certificate,
) -> Vec<RevocationList> {
    let is_authority = matches!(
        certificate.basic_constraints(),
        Some(BasicConstraints { ca: true, .. })
    );
    let fits = |list: &&RevocationList| {
        let scope = list.scope();
        let kind = match scope.kinds {
            Kinds::All => true,
            Kinds::Attribute => false,
            Kinds::Authorities => is_authority,
            Kinds::Users => !is_authority,
        };
        let Some(signer) = list.issuer_name() else {
            return false;
        };
        let by = match &point.issuer {
            // RFC 5280 §6.3.3 (b)(1): another signer only where the list says it is indirect.
            Some(wanted) => scope.indirect && wanted.iter().any(|name| is_directory(name, signer)),
            None => names::same_name(signer, certificate.issuer_name()),
        };
        // RFC 5280 §6.3.3 (b)(2)(i)
        let place = match (&scope.names, &point.names, &point.issuer) {
            (None, _, _) => true,
            (Some(list), Some(point), _) => share_a_name(list, point),
            (Some(list), None, Some(issuer)) => share_a_name(list, issuer),
            (Some(_), None, None) => false,
        };
        list.base().is_none() && kind && by && place
    };
    let mut lists: Vec<RevocationList> = pool.iter().filter(fits).cloned().collect();
    lists.sort_by_key(|list| std::cmp::Reverse(list.this_update()));
    lists
}

/// Whether the delta list tells what changed since this complete one.
// RFC 5280 §5.2.4, §6.3.3 (c)
fn goes_with(delta: &RevocationList, list: &RevocationList) -> bool {
    let same_issuer = match (delta.issuer_name(), list.issuer_name()) {
        (Some(one), Some(other)) => names::same_name(one, other),
        _ => false,
    };
    let (Some(base), Some(from), Some(to)) = (delta.base(), list.number(), delta.number()) else {
        return false;
    };
    let order = |number: &[u8]| (number.len(), number.to_vec());
    same_issuer
        && delta.scope() == list.scope()
        && delta.authority_key_id() == list.authority_key_id()
        && order(from) >= order(base)
        && order(from) < order(to)
        && list.signed_alike(delta)
}

fn share_a_name(left: &GeneralNames, right: &GeneralNames) -> bool {
    left.iter().any(|one| {
        right.iter().any(|other| match one {
            GeneralName::DirectoryName(one) => is_directory(other, one),
            _ => one == other,
        })
    })
}

fn is_directory(name: &GeneralName, wanted: &x509_cert::name::Name) -> bool {
    matches!(name, GeneralName::DirectoryName(name) if names::same_name(name, wanted))
}
