//! Alternative names: as they are written into certificates, and as requests ask for them.
//!
//! Promises: a mail address beyond ASCII is a SmtpUTF8Mailbox, any other an rfc822Name.
//! Refuses: a domain that is not in A-labels. Standards: RFC 5280 §4.2.1.6, 9598 §3.

use std::net::IpAddr;

use const_oid::AssociatedOid;
use der::asn1::{Any, Ia5String, ObjectIdentifier, OctetString, Utf8StringRef};
use der::{Decode, Tag};
use x509_cert::ext::pkix as extension;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use super::{LabError, Usage, of, uses};
use crate::crypto::certificate::Extension;
use crate::crypto::request::CertificateRequest;

/// id-on-SmtpUTF8Mailbox (RFC 9598 §3).
const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");

/// What a request for such a certificate asks for: keyUsage, extendedKeyUsage, alternative names.
pub fn requested_extensions(
    spki: &[u8],
    usage: Usage,
    emails: &[String],
    hosts: &[String],
) -> Result<Vec<Extension>, LabError> {
    let (usage, extended) = uses(spki, usage);
    let mut extensions = vec![
        of(true, &extension::KeyUsage(usage))?,
        of(false, &extension::ExtendedKeyUsage(extended))?,
    ];
    let names = general_names(emails, hosts, &[])?;
    if !names.is_empty() {
        extensions.push(of(false, &extension::SubjectAltName(names))?);
    }
    Ok(extensions)
}

pub(super) fn general_names(
    emails: &[String],
    hosts: &[String],
    addresses: &[IpAddr],
) -> Result<Vec<GeneralName>, LabError> {
    let mut names = Vec::new();
    for email in emails {
        names.push(match email.is_ascii() {
            true => GeneralName::Rfc822Name(Ia5String::new(email)?),
            // RFC 9598 §3: only where the local part is beyond ASCII; the domain is A-labels.
            false => GeneralName::OtherName(OtherName {
                type_id: SMTP_UTF8_MAILBOX,
                value: Any::new(Tag::Utf8String, utf8_mailbox(email)?.as_bytes())?,
            }),
        });
    }
    for host in hosts {
        names.push(GeneralName::DnsName(Ia5String::new(host)?));
    }
    for address in addresses {
        names.push(GeneralName::IpAddress(OctetString::new(match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        })?));
    }
    Ok(names)
}

fn utf8_mailbox(email: &str) -> Result<&str, LabError> {
    let domain = email.rsplit_once('@').map(|(_, domain)| domain);
    match domain.is_some_and(|domain| !domain.is_empty() && domain.is_ascii()) {
        true => Ok(email),
        false => Err(LabError::Mailbox(email.to_owned())),
    }
}

/// The mail addresses and host names that a request asks for.
///
/// # Errors
/// When its alternative names cannot be read.
pub fn requested_names(
    request: &CertificateRequest,
) -> Result<(Vec<String>, Vec<String>), LabError> {
    let (mut emails, mut hosts) = (Vec::new(), Vec::new());
    let asked = request.extensions().iter();
    for item in asked.filter(|item| item.oid == extension::SubjectAltName::OID) {
        for name in extension::SubjectAltName::from_der(&item.value)?.0 {
            match name {
                GeneralName::Rfc822Name(email) => emails.push(email.as_str().to_owned()),
                GeneralName::DnsName(host) => hosts.push(host.as_str().to_owned()),
                GeneralName::OtherName(other) if other.type_id == SMTP_UTF8_MAILBOX => {
                    let email: Utf8StringRef<'_> = other.value.decode_as()?;
                    emails.push(email.as_str().to_owned());
                }
                _ => {}
            }
        }
    }
    Ok((emails, hosts))
}
