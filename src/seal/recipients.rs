//! Whom an envelope is for: the certificate of each recipient, and where it comes from.
//!
//! Duty: the recipient's own certificate, from the configuration or the directory; for a role without
//! one, those of all its holders; where the link
//! allows it and none is on record, the certificate of the recipient's domain.
//! Promises: every certificate is good for encryption under the link's anchors, with revocation, at
//! this moment; one from the directory bears the recipient's address; a domain's certificate bears the name of
//! RFC 3183 and covers the recipient's domain; what the directory gave stands in the event.
//! Refuses: a recipient whose own certificate is on record and not good (another key is not what was
//! asked for). A directory that cannot tell is a fault.
//! Standards: RFC 3183 §3.1.1, §4; RFC 8550 §3, §4.

use crate::check::Route;
use crate::clock::Timestamp;
use crate::config::{Config, DomainCertificate, Link};
use crate::crypto::certificate::Certificate;
use crate::crypto::directory::{Found, Name, NotUsable, Record};
use crate::crypto::trust::Purpose;
use crate::decision::{Fault, Ground, Reason, Refusal, Stop};
use crate::message::address::Address;

/// The name of those who decrypt for a domain (RFC 3183 section 4.1).
const DOMAIN_CONFIDANT: &str = "domain-confidentiality-authority";

/// The certificate of every recipient behind a link, each once.
pub(super) fn certificates(
    config: &Config,
    at: Timestamp,
    route: &Route,
    domain: DomainCertificate,
    grounds: &mut Vec<Ground>,
) -> Result<Vec<Certificate>, Stop> {
    let search = Search {
        config,
        at,
        link: &route.link,
    };
    let mut found: Vec<Certificate> = Vec::new();
    for recipient in &route.recipients {
        for whom in search.readers(recipient)? {
            let certificate = search.certificate(whom, domain, grounds)?;
            if found.iter().all(|other| other.der() != certificate.der()) {
                found.push(certificate);
            }
        }
    }
    Ok(found)
}

struct Search<'a> {
    config: &'a Config,
    at: Timestamp,
    link: &'a Link,
}

impl<'a> Search<'a> {
    /// Whose certificates an envelope for a recipient is for: the recipient's own, or, for a role
    /// without one, those of everybody who holds it.
    fn readers(&self, recipient: &'a Address) -> Result<Vec<&'a Address>, Stop> {
        let subject = self.config.subjects.get(recipient);
        let role = subject.filter(|one| one.certificate.is_none() && !one.holders.is_empty());
        let Some(role) = role else {
            return Ok(vec![recipient]);
        };
        let has_own = matches!(
            self.find(&Name::mailbox(recipient))?,
            Found::Known(record) if record.has_encryption_certificate()
        );
        Ok(match has_own {
            true => vec![recipient],
            false => role.holders.iter().collect(),
        })
    }

    fn certificate(
        &self,
        recipient: &Address,
        domain: DomainCertificate,
        grounds: &mut Vec<Ground>,
    ) -> Result<Certificate, Stop> {
        if let Some(certificate) = self.configured(recipient, recipient)? {
            return Ok(certificate);
        }
        if let Found::Known(record) = self.find(&Name::mailbox(recipient))?
            && record.has_encryption_certificate()
        {
            let certificate = record
                .for_encryption(recipient, &self.link.trust, self.at)
                .map_err(|why| not_usable(why, recipient))?;
            grounds.push(Ground::new(
                "seal.certificate",
                format!(
                    "{recipient}: {}, from {}",
                    certificate.subject(),
                    record.source()
                ),
            ));
            return Ok(certificate);
        }
        let why = match domain {
            DomainCertificate::Never => "has no certificate to encrypt for",
            DomainCertificate::WhereMissing => match self.of_domain(recipient)? {
                Some((certificate, source)) => {
                    let text = format!(
                        "{recipient} has no certificate; encrypted for {}, from {source}, which \
                         link {} allows",
                        certificate.subject(),
                        self.link.name
                    );
                    grounds.push(Ground::new("seal.domain-certificate", text));
                    return Ok(certificate);
                }
                None => "has no certificate to encrypt for, and neither has the domain",
            },
        };
        Err(impossible(format!("{recipient} {why}"), recipient).into())
    }

    /// The certificate that `[[subject]]` names for `whom`.
    fn configured(&self, whom: &Address, recipient: &Address) -> Result<Option<Certificate>, Stop> {
        let subject = self.config.subjects.get(whom);
        let Some(certificate) = subject.and_then(|subject| subject.certificate.as_ref()) else {
            return Ok(None);
        };
        let trust = &self.link.trust;
        match trust.validate(certificate, &[], Purpose::Encrypt, self.at) {
            Ok(_) => Ok(Some(certificate.clone())),
            Err(problem) if problem.is_ours() => {
                let attempt = format!("judge the certificate of {whom}");
                Err(Fault::new(attempt, problem).into())
            }
            Err(problem) => {
                let text = format!("the certificate of {whom} may not be used: {problem}");
                Err(impossible(text, recipient).into())
            }
        }
    }

    // RFC 3183 §4: the exact domain first, then those above it
    /// The certificate of the recipient's domain, and where it comes from.
    fn of_domain(&self, recipient: &Address) -> Result<Option<(Certificate, String)>, Stop> {
        let own = recipient.domain().to_ascii_lowercase();
        let mut domain = own.as_str();
        loop {
            // Only domains that the configuration puts behind this link: .example is nobody's.
            if self.link.domains.iter().any(|known| known == domain)
                && let Some(found) = self.confidant(domain, recipient)?
            {
                return Ok(Some(found));
            }
            match domain.split_once('.') {
                Some((_, above)) => domain = above,
                None => return Ok(None),
            }
        }
    }

    fn confidant(
        &self,
        domain: &str,
        recipient: &Address,
    ) -> Result<Option<(Certificate, String)>, Stop> {
        let Ok(confidant) = Address::parse(&format!("{DOMAIN_CONFIDANT}@{domain}")) else {
            return Ok(None);
        };
        if let Some(certificate) = self.configured(&confidant, recipient)? {
            return Ok(Some((certificate, "the configuration".to_owned())));
        }
        for name in [Name::mailbox(&confidant), Name::domain(domain)] {
            if let Found::Known(record) = self.find(&name)?
                && record.has_encryption_certificate()
            {
                let certificate = self.for_domain(&record, &confidant, recipient)?;
                return Ok(Some((certificate, record.source().to_string())));
            }
        }
        Ok(None)
    }

    fn for_domain(
        &self,
        record: &Record,
        confidant: &Address,
        recipient: &Address,
    ) -> Result<Certificate, Stop> {
        let otherwise = format!("it is not that of {confidant}");
        record
            .for_encryption_to(
                |certificate| is_confidant(certificate, confidant),
                &otherwise,
                &self.link.trust,
                self.at,
            )
            .map_err(|why| not_usable(why, recipient))
    }

    fn find(&self, name: &Name) -> Result<Found, Stop> {
        match self.config.directory.find(name) {
            Found::Unavailable(why) => {
                Err(Fault::new(format!("ask the directory for {name}"), why).into())
            }
            found => Ok(found),
        }
    }
}

// RFC 3183 §3.1.1, §4.1: exactly one common name, and the local part of every address, say so
fn is_confidant(certificate: &Certificate, confidant: &Address) -> bool {
    let emails = certificate.emails();
    let mut addresses = emails.iter().map(|email| Address::parse(email));
    certificate.common_names() == [DOMAIN_CONFIDANT]
        && addresses.clone().all(|address| {
            address.is_ok_and(|address| address.local().eq_ignore_ascii_case(DOMAIN_CONFIDANT))
        })
        && addresses.any(|address| address.is_ok_and(|address| address == *confidant))
}

fn impossible(text: String, recipient: &Address) -> Refusal {
    Refusal::because(Reason::SealImpossible, text).about(recipient)
}

fn not_usable(why: NotUsable, recipient: &Address) -> Stop {
    match why {
        NotUsable::Ours { .. } => {
            Fault::new(format!("judge the certificate of {recipient}"), why).into()
        }
        NotUsable::Each { .. } | NotUsable::None(_) => {
            impossible(why.to_string(), recipient).into()
        }
    }
}
