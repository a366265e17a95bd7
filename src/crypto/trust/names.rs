//! Names in a path: when two are the same, and what an authority may name.
//!
//! Promises: a name of a kind that a constraint speaks of but that cannot be compared here is
//! refused, never passed. Every authority's permitted list must hold (their intersection).
//! Refuses: more comparisons than a path can need.
//! Standards: RFC 5280 §4.2.1.10, §7.1, §7.5; 9598 §6 (SmtpUTF8Mailbox: by its domain).

use const_oid::AssociatedOid;
use der::asn1::{AnyRef, BmpString, ObjectIdentifier, Utf8StringRef};
use der::{Decode, Encode, Tag, Tagged};
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::{Name, RelativeDistinguishedName};

use super::TrustProblem;
use crate::crypto::certificate::Certificate;

const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");

/// Comparisons of a name with a subtree for one certificate: enough for a large authority, and an
/// end to what a hostile one can cost.
const MOST_COMPARISONS: usize = 1 << 16;

/// What the authorities above have said about names, so far down the path.
#[derive(Default)]
pub(super) struct Constraints {
    permitted: Vec<Vec<GeneralSubtree>>,
    excluded: Vec<GeneralSubtree>,
}

/// Whether a name lies in a subtree.
#[derive(Clone, Copy, PartialEq)]
enum Fit {
    Inside,
    Outside,
    /// The constraint is about another kind of name.
    OtherKind,
    /// The same kind, but this form of name or constraint is not understood.
    Unclear,
}

/// One name of a certificate, in the kinds that constraints know.
enum Named<'a> {
    General(&'a GeneralName),
    Directory(&'a Name),
    Mailbox(String),
    /// A mailbox of which only the domain counts (RFC 9598 §6).
    MailboxDomain(String),
}

impl Constraints {
    /// Takes over what this authority says about names below it.
    // RFC 5280 §6.1.4 (g)
    pub(super) fn add(&mut self, certificate: &Certificate) -> Result<(), TrustProblem> {
        let Some(item) = certificate.extension(&NameConstraints::OID) else {
            return Ok(());
        };
        let refuse = |reason: &str| TrustProblem::NameNotPermitted {
            certificate: certificate.subject(),
            reason: reason.to_owned(),
        };
        let own = NameConstraints::from_der(&item.value)
            .map_err(|_| refuse("its name constraints cannot be read"))?;
        self.include(own).map_err(refuse)
    }

    /// Takes over constraints that are not in a certificate: those of an anchor.
    pub(super) fn include(&mut self, own: NameConstraints) -> Result<(), &'static str> {
        let permitted = own.permitted_subtrees.unwrap_or_default();
        let excluded = own.excluded_subtrees.unwrap_or_default();
        // RFC 5280 §4.2.1.10: minimum is 0 and maximum absent in this profile.
        if permitted
            .iter()
            .chain(&excluded)
            .any(|tree| tree.minimum != 0 || tree.maximum.is_some())
        {
            return Err("its name constraints use minimum or maximum");
        }
        if !permitted.is_empty() {
            self.permitted.push(permitted);
        }
        self.excluded.extend(excluded);
        Ok(())
    }

    /// Compares every name of the certificate with what was taken over.
    // RFC 5280 §6.1.3 (b), (c)
    pub(super) fn check(&self, certificate: &Certificate) -> Result<(), TrustProblem> {
        if self.permitted.is_empty() && self.excluded.is_empty() {
            return Ok(());
        }
        let mut names = Vec::new();
        if !certificate.subject_name().is_empty() {
            names.push(Named::Directory(certificate.subject_name()));
        }
        for name in certificate.alternative_names() {
            names.push(match name {
                GeneralName::OtherName(other) if other.type_id == SMTP_UTF8_MAILBOX => {
                    let mailbox = other.value.decode_as::<Utf8StringRef<'_>>();
                    Named::MailboxDomain(mailbox.map_or(String::new(), |text| text.as_str().into()))
                }
                GeneralName::Rfc822Name(mailbox) => Named::Mailbox(mailbox.as_str().to_owned()),
                other => Named::General(other),
            });
        }
        // The legacy place counts too, whether or not there are alternative names.
        names.extend(certificate.subject_emails().into_iter().map(Named::Mailbox));
        let trees = self.permitted.iter().map(Vec::len).sum::<usize>();
        let trees = trees.saturating_add(self.excluded.len());
        if names.len().saturating_mul(trees) > MOST_COMPARISONS {
            return Err(TrustProblem::NameNotPermitted {
                certificate: certificate.subject(),
                reason: "it has more names than can be held against its constraints".to_owned(),
            });
        }
        names
            .iter()
            .try_for_each(|name| self.check_name(certificate, name))
    }

    fn check_name(&self, certificate: &Certificate, name: &Named<'_>) -> Result<(), TrustProblem> {
        let refuse = |reason: &str| TrustProblem::NameNotPermitted {
            certificate: certificate.subject(),
            reason: format!("its name {} {reason}", name.text()),
        };
        for tree in &self.excluded {
            match name.fit(&tree.base) {
                Fit::Inside => return Err(refuse("is one that an authority above excludes")),
                Fit::Unclear => return Err(refuse("cannot be compared with a name constraint")),
                Fit::Outside | Fit::OtherKind => {}
            }
        }
        for list in &self.permitted {
            let fits: Vec<Fit> = list.iter().map(|tree| name.fit(&tree.base)).collect();
            if fits.contains(&Fit::Inside) || fits.iter().all(|fit| *fit == Fit::OtherKind) {
                continue;
            }
            return Err(refuse("is not among those that an authority above permits"));
        }
        Ok(())
    }
}

impl Named<'_> {
    fn fit(&self, base: &GeneralName) -> Fit {
        let inside = |yes| if yes { Fit::Inside } else { Fit::Outside };
        match (self, base) {
            (Self::Mailbox(mailbox), GeneralName::Rfc822Name(base)) => {
                mailbox_within(mailbox, base.as_str())
            }
            (Self::MailboxDomain(mailbox), GeneralName::Rfc822Name(base)) => {
                // RFC 9598 §6: a constraint with a local part says nothing clear about it, and
                // the domain is compared as A-labels, in which it must already be.
                match base.as_str().contains('@') || !mailbox_domain(mailbox).is_ascii() {
                    true => Fit::Unclear,
                    false => mailbox_within(mailbox, base.as_str()),
                }
            }
            // RFC 9598 §6: constraints in this form are not to be.
            (Self::MailboxDomain(_), GeneralName::OtherName(base))
                if base.type_id == SMTP_UTF8_MAILBOX =>
            {
                Fit::Unclear
            }
            (Self::Directory(name), GeneralName::DirectoryName(base)) => {
                inside(begins_with(name, base))
            }
            (Self::General(GeneralName::DirectoryName(name)), GeneralName::DirectoryName(base)) => {
                inside(begins_with(name, base))
            }
            (Self::General(GeneralName::DnsName(name)), GeneralName::DnsName(base)) => {
                host_fit(name.as_str(), base.as_str())
            }
            (Self::General(GeneralName::IpAddress(name)), GeneralName::IpAddress(base)) => {
                address_within(name.as_bytes(), base.as_bytes())
            }
            (
                Self::General(GeneralName::UniformResourceIdentifier(name)),
                GeneralName::UniformResourceIdentifier(base),
            ) => resource_within(name.as_str(), base.as_str()),
            (Self::General(GeneralName::OtherName(name)), GeneralName::OtherName(base))
                if name.type_id != base.type_id =>
            {
                Fit::OtherKind
            }
            // Of the same kind, but not compared here: X.400, EDI, registered, other names.
            (Self::General(name), base) if same_kind(name, base) => Fit::Unclear,
            _ => Fit::OtherKind,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::General(GeneralName::DnsName(name)) => name.as_str().to_owned(),
            Self::General(GeneralName::DirectoryName(name)) => name.to_string(),
            Self::General(GeneralName::UniformResourceIdentifier(name)) => name.as_str().to_owned(),
            Self::General(_) => "(of a special kind)".to_owned(),
            Self::Directory(name) => name.to_string(),
            Self::Mailbox(mailbox) | Self::MailboxDomain(mailbox) => mailbox.clone(),
        }
    }
}

/// Whether two distinguished names are the same.
// RFC 5280 §7.1: letters of either case, and any run of spaces, are equal in strings.
pub(in crate::crypto) fn same_name(left: &Name, right: &Name) -> bool {
    left == right || (depth(left) == depth(right) && begins_with(left, right))
}

fn begins_with(name: &Name, base: &Name) -> bool {
    depth(base) <= depth(name)
        && name
            .iter_rdn()
            .zip(base.iter_rdn())
            .all(|(left, right)| same_rdn(left, right))
}

fn depth(name: &Name) -> usize {
    name.iter_rdn().count()
}

fn same_rdn(left: &RelativeDistinguishedName, right: &RelativeDistinguishedName) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .all(|one| right.iter().any(|other| same_attribute(one, other)))
}

fn same_attribute(left: &AttributeTypeAndValue, right: &AttributeTypeAndValue) -> bool {
    if left.oid != right.oid {
        return false;
    }
    if left.value == right.value {
        return true;
    }
    let text = |attribute: &AttributeTypeAndValue| {
        let der = attribute.value.to_der().ok()?;
        let any = AnyRef::from_der(&der).ok()?;
        let text = match any.tag() {
            Tag::Utf8String | Tag::PrintableString | Tag::Ia5String => {
                std::str::from_utf8(any.value()).ok()?.to_owned()
            }
            Tag::BmpString => any.decode_as::<BmpString>().ok()?.to_string(),
            _ => return None,
        };
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        Some(words.join(" "))
    };
    matches!((text(left), text(right)), (Some(left), Some(right)) if left == right)
}

// RFC 5280 §4.2.1.10: "user@host", "host", or ".domain".
fn mailbox_within(mailbox: &str, base: &str) -> Fit {
    let Some((local, host)) = mailbox.rsplit_once('@') else {
        return Fit::Unclear;
    };
    // RFC 5321 §4.1.2: an @ in a local part is quoted.
    if local.is_empty() || (local.contains('@') && !local.starts_with('"')) {
        return Fit::Unclear;
    }
    let inside = if let Some((wanted_local, wanted_host)) = base.rsplit_once('@') {
        local == wanted_local && host.eq_ignore_ascii_case(wanted_host)
    } else if base.starts_with('.') {
        let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
        host.len() > base.len() && host.ends_with(&base)
    } else {
        host.eq_ignore_ascii_case(base)
    };
    if inside { Fit::Inside } else { Fit::Outside }
}

fn mailbox_domain(mailbox: &str) -> &str {
    mailbox.rsplit_once('@').map_or("", |(_, domain)| domain)
}

// RFC 5280 §4.2.1.10: the host of the URI; ".domain" stands for the hosts in it, never for itself.
fn resource_within(name: &str, base: &str) -> Fit {
    let Some(host) = resource_host(name) else {
        return Fit::Unclear;
    };
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    let inside = match base.starts_with('.') {
        true => host.len() > base.len() && host.ends_with(&base),
        false => host == base,
    };
    if inside { Fit::Inside } else { Fit::Outside }
}

/// The host name in a URI; none where it has none, or an address in its place.
fn resource_host(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        _ => host,
    };
    let label = |octet: u8| octet.is_ascii_alphanumeric() || b".-_".contains(&octet);
    let is_name = !host.is_empty()
        && host.bytes().all(label)
        && !host
            .rsplit('.')
            .next()
            .is_some_and(|top| top.is_empty() || top.bytes().all(|octet| octet.is_ascii_digit()));
    is_name.then_some(host)
}

/// A wildcard stands for every name that it matches (RFC 9525 §6.3): one of which some lie inside and
/// some do not is neither.
fn host_fit(host: &str, base: &str) -> Fit {
    let (wildcard, rest) = match host.strip_prefix("*.") {
        Some(rest) => (true, rest),
        None => (false, host),
    };
    // An empty label, or a star elsewhere: no host name, so nobody knows what it is taken for.
    if rest.split('.').any(str::is_empty) || rest.contains('*') {
        return Fit::Unclear;
    }
    match (host_within(rest, base), wildcard) {
        (true, _) => Fit::Inside,
        (false, true) if host_within(base.trim_start_matches('.'), rest) => Fit::Unclear,
        (false, _) => Fit::Outside,
    }
}

// RFC 5280 §4.2.1.10: labels may be added on the left.
fn host_within(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    let base = base.strip_prefix('.').unwrap_or(&base);
    base.is_empty()
        || host == base
        || host
            .strip_suffix(base)
            .is_some_and(|front| front.ends_with('.'))
}

// RFC 5280 §4.2.1.10: address and mask, 8 or 32 octets.
fn address_within(address: &[u8], base: &[u8]) -> Fit {
    if base.len() != address.len().saturating_mul(2) {
        return match (address.len(), base.len()) {
            (4, 32) | (16, 8) => Fit::Outside,
            _ => Fit::Unclear,
        };
    }
    let (network, mask) = base.split_at(address.len());
    let inside = address
        .iter()
        .zip(network.iter().zip(mask))
        .all(|(octet, (network, mask))| octet & mask == network & mask);
    if inside { Fit::Inside } else { Fit::Outside }
}

fn same_kind(left: &GeneralName, right: &GeneralName) -> bool {
    std::mem::discriminant(left) == std::mem::discriminant(right)
}

/// Whether a certificate's issuer and subject have the same name.
// RFC 5280 §6.1: self-issued, with whatever key.
pub(super) fn is_self_issued(certificate: &Certificate) -> bool {
    same_name(certificate.subject_name(), certificate.issuer_name())
}
