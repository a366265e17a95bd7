//! Status from OCSP answers, and from CRLs that are fetched.
//!
//! Promises: nothing is fetched here: what is kept is looked at, and what would have to be fetched is
//! told. An answer counts only from the issuer itself, or from a responder that the issuer
//! certified for it with the same key, and only while it is fresh; "revoked" counts without end.
//! Nothing is fetched for a path that is not good otherwise, so only who was certified under an
//! anchor can name a place. Refuses: another nonce than was sent; a responder whose own status is
//! unknown. Standards: RFC 6960 §3.2, §4.2.2, 9654 §2, RFC 5280 §4.2.2.1, §6.3.3 (a).

use der::Decode;
use der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;
use x509_cert::ext::pkix::name::GeneralName;

use super::anchor::Anchor;
use super::search::Search;
use super::status::{self, Gathered};
use super::{Asking, Evidence, StaleRule, TrustProblem, names, usage};
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::revocation::RevocationList;
use crate::crypto::revocation::fetch::{Missing, Online};
use crate::crypto::revocation::ocsp::{Answer, Response, Status};
use crate::crypto::revocation::scope::{Point, Reasons};

/// id-pe-authorityInfoAccess.
const INFORMATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
/// id-ad-ocsp.
const BY_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// id-pkix-ocsp-nocheck.
const NO_CHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
/// id-kp-OCSPSigning.
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// freshestCRL.
const FRESHEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.46");

/// Places that are asked for one certificate.
const MOST_PLACES: usize = 4;
/// How far clocks may differ.
const SKEW: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// Who is asked about: the certificate, and the key and the path above it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) certificate: &'a Certificate,
    pub(super) issuer: Option<&'a Certificate>,
    pub(super) path: &'a [Certificate],
    pub(super) anchor: &'a Anchor,
}

impl<'a> Asked<'a> {
    fn issuer_spki(&self) -> &'a [u8] {
        match self.issuer {
            Some(issuer) => issuer.spki_der(),
            None => self.anchor.spki_der(),
        }
    }
}

impl Search<'_> {
    /// The CRLs that are kept of these points, and the places that they came from or may come from.
    pub(super) fn kept_lists(&self, points: &[Point]) -> (Vec<RevocationList>, Vec<Missing>) {
        let Some(online) = self.online_for(|asking| asking.lists) else {
            return (Vec::new(), Vec::new());
        };
        let places = points.iter().flat_map(|point| point.names.iter().flatten());
        let places: Vec<Missing> = places
            .filter_map(place)
            .take(MOST_PLACES)
            .map(Missing::list)
            .collect();
        let lists = places.iter().flat_map(|one| online.lists_of(one)).collect();
        (lists, places)
    }

    /// Where the delta lists are: the certificate may say so, or a complete list of somebody who may
    /// sign it.
    // RFC 5280 §4.2.1.15, §5.2.6
    pub(super) fn freshest(
        &mut self,
        asked: Asked<'_>,
        points: &[Point],
        pool: &[RevocationList],
    ) -> Vec<Point> {
        if self.online_for(|asking| asking.lists).is_none() {
            return Vec::new();
        }
        let certificate = asked.certificate;
        let named = certificate.extension(&FRESHEST);
        let mut found = named
            .and_then(|item| Point::read(&item.value, certificate.issuer_name()).ok())
            .unwrap_or_default();
        for point in points {
            for list in status::lists_for(pool, point, certificate) {
                let is_good = !list.freshest().is_empty()
                    && self
                        .may_sign(&list, point, asked.issuer, asked.path, asked.anchor)
                        .is_ok();
                if is_good {
                    found.extend(list.freshest().iter().cloned());
                }
            }
        }
        found
    }

    /// OCSP: the answers that are at hand or were kept.
    pub(super) fn consult_answers(
        &mut self,
        asked: Asked<'_>,
        gathered: &mut Gathered,
    ) -> Result<(), TrustProblem> {
        if self.asking {
            return Ok(());
        }
        let store = self.store;
        for response in &store.responses {
            self.consider(asked, response, gathered)?;
        }
        let Some(online) = self.online_for(|asking| asking.answers) else {
            return Ok(());
        };
        for place in self.responders(asked) {
            for response in online.answers_to(&place) {
                self.consider(asked, &response, gathered)?;
            }
        }
        Ok(())
    }

    /// The responders that the certificate names, each with the question about it.
    pub(super) fn responders(&self, asked: Asked<'_>) -> Vec<Missing> {
        if self.asking || self.online_for(|asking| asking.answers).is_none() {
            return Vec::new();
        }
        let spki = asked.issuer_spki();
        responders(asked.certificate)
            .iter()
            .filter_map(place)
            .take(MOST_PLACES)
            .map(|place| Missing::answer(place, asked.certificate, spki))
            .collect()
    }

    /// Notes what of this would have to be fetched; why the rest cannot be. Whether there is any.
    pub(super) fn miss(&mut self, places: Vec<Missing>, gathered: &mut Gathered) -> bool {
        let store = self.store;
        let Some(online) = &store.online else {
            return false;
        };
        let before = self.missing.len();
        for place in places {
            match online.may_ask(&place, self.at) {
                Ok(()) => {
                    let waits = || format!("{} did not answer yet", place.place());
                    gathered.other.get_or_insert_with(waits);
                    self.missing.push(place);
                }
                Err(reason) => {
                    gathered.other.get_or_insert(reason);
                }
            }
        }
        self.missing.len() > before
    }

    // RFC 6960 §3.2
    fn consider(
        &mut self,
        asked: Asked<'_>,
        response: &Response,
        gathered: &mut Gathered,
    ) -> Result<(), TrustProblem> {
        let Some(answer) = response.about(asked.certificate, asked.issuer_spki()) else {
            return Ok(());
        };
        let source = match self.may_answer(asked, response) {
            Ok(source) => source,
            Err(reason) => {
                gathered.other.get_or_insert(reason);
                return Ok(());
            }
        };
        match answer.status {
            Status::Revoked(since) => Err(TrustProblem::Revoked {
                certificate: asked.certificate.subject(),
                since,
                by: format!("the OCSP responder {source}, {}", answer.this_update),
            }),
            Status::Unknown => {
                gathered.other.get_or_insert_with(|| {
                    format!("the OCSP responder {source} does not know it (RFC 6960 §2.2)")
                });
                Ok(())
            }
            Status::Good => {
                match self.fresh(response, answer) {
                    Ok(until) => {
                        gathered.covered = Reasons::ALL;
                        gathered.evidence.push(Evidence {
                            certificate: asked.certificate.subject(),
                            source: format!("OCSP responder {source}"),
                            this_update: answer.this_update,
                            next_update: answer.next_update,
                            until,
                        });
                    }
                    Err(reason) => {
                        gathered.stale.get_or_insert(reason);
                    }
                }
                Ok(())
            }
        }
    }

    /// Until when the answer counts.
    // RFC 6960 §3.2 (5), (6)
    fn fresh(&self, response: &Response, answer: &Answer) -> Result<Timestamp, String> {
        let latest = self.at.saturating_add(SKEW).unwrap_or(self.at);
        if answer.this_update > latest || response.produced_at > latest {
            let made = answer.this_update.max(response.produced_at);
            return Err(format!("its OCSP answer is of {made} (RFC 6960 §3.2)"));
        }
        let after = |span| {
            let end = answer.this_update.saturating_add(span);
            end.unwrap_or(answer.this_update)
        };
        let mut until = answer.until();
        if let StaleRule::AcceptUntil(age) = self.store.stale {
            until = until.max(after(age));
        }
        match self.at <= until {
            true => Ok(until),
            false => Err(format!(
                "its OCSP answer was good until {until} (RFC 6960 §3.2)"
            )),
        }
    }

    /// The name of the responder, if it may answer.
    // RFC 6960 §4.2.2.2
    fn may_answer(&mut self, asked: Asked<'_>, response: &Response) -> Result<String, String> {
        let Some(scheme) = response.signature_scheme() else {
            return Err("its OCSP answer is signed with an unknown algorithm".to_owned());
        };
        if let Err(wanted) = self.store.suite.check_signature(&scheme) {
            let name = scheme.name();
            return Err(format!("its OCSP answer is signed with {name}: {wanted}"));
        }
        let issuer_spki = asked.issuer_spki();
        if response.is_from(asked.certificate.issuer_der(), issuer_spki)
            && response.is_signed_by(issuer_spki)
        {
            return Ok(asked.certificate.issuer());
        }
        let mut reason =
            "its OCSP answer is not signed by somebody who may (RFC 6960 §4.2.2.2)".to_owned();
        for responder in response.certificates() {
            if !response.is_from(responder.subject_der(), responder.spki_der())
                || !response.is_signed_by(responder.spki_der())
            {
                continue;
            }
            match self.check_responder(asked, responder) {
                Ok(()) => return Ok(responder.subject()),
                Err(why) => reason = why,
            }
        }
        Err(reason)
    }

    fn check_responder(&mut self, asked: Asked<'_>, responder: &Certificate) -> Result<(), String> {
        let wrong = |what: &str| {
            let subject = responder.subject();
            Err(format!(
                "the OCSP responder {subject} {what} (RFC 6960 §4.2.2.2)"
            ))
        };
        // Certified by the very key that issued the certificate, not further down.
        if !names::same_name(responder.issuer_name(), asked.certificate.issuer_name())
            || self
                .check_signature(responder, asked.issuer_spki())
                .is_err()
        {
            return wrong("is not certified by the issuer itself");
        }
        let named = responder.extended_key_usage();
        if !named.is_some_and(|list| list.contains(&OCSP_SIGNING)) {
            return wrong("is not certified for OCSP");
        }
        let signs = responder
            .key_usage()
            .is_none_or(|usage| usage.digital_signature() || usage.non_repudiation());
        if !signs || usage::check_critical(responder).is_err() {
            return wrong("may not sign");
        }
        if self.store.list.distrusts(responder).is_some() {
            return wrong("is one that the trust list distrusts");
        }
        if self.store.suite.check_key(responder.public_key()).is_err() {
            return wrong("has a key that is too weak");
        }
        if self.at < responder.not_before() || self.at > responder.not_after() {
            return wrong("has a certificate that is not valid now");
        }
        // RFC 6960 §4.2.2.2.1: not looked up where its issuer says so, else by CRL alone.
        if responder.extension(&NO_CHECK).is_some() {
            return Ok(());
        }
        self.asking = true;
        let status = self.check_one(responder, asked.issuer, asked.path, asked.anchor);
        self.asking = false;
        match status {
            Ok(evidence) if !evidence.is_empty() => Ok(()),
            Ok(_) => wrong("has a status that is not known"),
            Err(problem) => wrong(&format!("is not good itself, {}", problem.fault())),
        }
    }
}

impl<'a> Search<'a> {
    /// The way out, where the store has one for this.
    fn online_for(&self, wanted: impl Fn(Asking) -> bool) -> Option<&'a Online> {
        let store = self.store;
        wanted(store.asking).then_some(store.online.as_deref())?
    }
}

/// The responders that the certificate names.
// RFC 5280 §4.2.2.1
fn responders(certificate: &Certificate) -> Vec<GeneralName> {
    let Some(item) = certificate.extension(&INFORMATION) else {
        return Vec::new();
    };
    let Ok(AuthorityInfoAccessSyntax(list)) = AuthorityInfoAccessSyntax::from_der(&item.value)
    else {
        return Vec::new();
    };
    list.into_iter()
        .filter(|one| one.access_method == BY_OCSP)
        .map(|one| one.access_location)
        .collect()
}

fn place(name: &GeneralName) -> Option<&str> {
    match name {
        GeneralName::UniformResourceIdentifier(place) => Some(place.as_str()),
        _ => None,
    }
}
