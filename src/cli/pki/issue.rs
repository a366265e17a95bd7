//! `ravelin pki issue`: a certificate for a new key, or for that of a request.
//!
//! Promises: the profile says what the key may be used for; of a request only names and key are
//! taken, and its signature is verified. The certificate is on record before it is handed out.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::super::answer::{Answer, Trouble, chain};
use super::super::label;
use super::super::material::{self, Named};
use super::super::print;
use super::{DAY, HOUR, Kind, Where, earlier, failed, folder, later, not_there};
use crate::clock::{Clock, Timestamp};
use crate::crypto::certificate::Certificate;
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Deed, Order, Profile, name_der, requested_names};
use crate::crypto::request::CertificateRequest;
use crate::crypto::{pem, pkcs12, provider};
use crate::label::{clearance, detect};

/// The options of `ravelin pki issue`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin pki issue --dir lab --profile person --subject 'CN=Anna,O=ALDER' \\\n    \
    --email anna@alder.example --clearance 'UNCLASSIFIED..SECRET' --policy labels/alder.xml --out anna\n  \
    ravelin pki issue --dir lab --profile switch --request tls.csr --dns switch.alder.example --out tls\n  \
    ravelin pki issue --dir lab --profile ca --subject CN=Deeper --authority deeper --out deeper\n\n\
    Writes OUT.pem (with the authorities below the root) and, for a new key, OUT.key.pem. An authority of \
    another laboratory is cross-certified by --profile ca --cross its certificate."
)]
pub(super) struct Issue {
    #[command(flatten)]
    place: Where,
    /// The authority that issues
    #[arg(long, value_name = "NAME", default_value = "issuing")]
    issuer: String,
    #[arg(long, value_enum)]
    profile: Holder,
    /// What a person's or a role's key is for
    #[arg(long = "for", value_name = "DEED", value_enum, default_value_t)]
    deed: For,
    /// The name of the holder, such as CN=Anna,O=ALDER
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// A request (PKCS #10): its key, and its names where none are given here
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    request: Option<PathBuf>,
    /// The certificate of an authority of somebody else, to be cross-certified
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "request", "subject"])]
    cross: Option<PathBuf>,
    /// The kind of the new key
    #[arg(long, value_enum)]
    key: Option<Kind>,
    /// The mail domain of those who act for a domain
    #[arg(long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// A mail address; beyond ASCII it is a SmtpUTF8Mailbox
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// A host name
    #[arg(long, value_name = "HOST")]
    dns: Vec<String>,
    /// An IP address
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<IpAddr>,
    #[arg(long, default_value_t = 365)]
    days: u32,
    /// A clearance, as `ravelin label check` reads it
    #[arg(long, value_name = "CLEARANCE", requires = "policy")]
    clearance: Option<String>,
    /// The label policy of the clearance (SPIF)
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Where its revocation list is, in place of what the laboratory has on record
    #[arg(long, value_name = "URL")]
    crl_url: Vec<String>,
    /// Where its OCSP responder is, in place of what the laboratory has on record
    #[arg(long, value_name = "URL")]
    ocsp_url: Vec<String>,
    /// For an authority: how many more may follow below it
    #[arg(long, value_name = "NUMBER")]
    path_length: Option<u8>,
    /// For an authority: a mail domain that it may name, and those below; none named: all
    #[arg(long, value_name = "DOMAIN")]
    permit_mail: Vec<String>,
    /// For an authority with a new key: keep it in the laboratory under this name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["request", "cross"])]
    authority: Option<String>,
    /// The name of the files, without .pem
    #[arg(long, value_name = "NAME")]
    out: PathBuf,
    /// Write OUT.p12 (PKCS #12) in place of OUT.key.pem; needs --key-password-file
    #[arg(long, requires = "key_password_file", conflicts_with_all = ["request", "cross"])]
    p12: bool,
    /// A file with the password of the new key
    #[arg(long, value_name = "FILE")]
    key_password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Holder {
    Ca,
    DomainConfidentialityAuthority,
    DomainSigningAuthority,
    Ocsp,
    Person,
    Role,
    Switch,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum For {
    Encrypt,
    #[default]
    Sign,
}

/// A key that is to be certified, and the names that came with it.
struct Wanted {
    identity_key: Option<std::sync::Arc<dyn crate::crypto::keys::PrivateKey>>,
    spki_der: Vec<u8>,
    subject_der: Option<Vec<u8>>,
    emails: Vec<String>,
    dns_names: Vec<String>,
}

pub(super) fn run(issue: &Issue) -> Result<Answer, Trouble> {
    let out = issue.out.display();
    let (certificate_file, key_file) = (
        PathBuf::from(format!("{out}.pem")),
        PathBuf::from(match issue.p12 {
            true => format!("{out}.p12"),
            false => format!("{out}.key.pem"),
        }),
    );
    not_there(&[&certificate_file])?;
    if issue.request.is_none() && issue.cross.is_none() {
        not_there(&[&key_file])?;
    }
    let key_password = match &issue.key_password_file {
        Some(path) => material::password_of(Some(path))?,
        None => None,
    };
    let key_password = key_password.as_ref().map(|password| password.as_str());
    let mut folder = issue.place.open()?;
    let authority = issue.place.authority(&folder, &issue.issuer)?;
    let now = Clock::system().now();
    let wanted = wanted(issue)?;
    let order = order(issue, &wanted, &folder.record, now)?;
    let certificate = authority.certify_as(&order).map_err(failed)?;
    let chain_below: Vec<Certificate> = authority.chain_below();
    folder.add(&certificate, &issue.issuer)?;
    let identity = wanted
        .identity_key
        .map(|key| Identity::new(certificate.clone(), key, chain_below.clone()))
        .transpose()
        .map_err(|error| Trouble::Fault(chain(&error)))?;
    if let (Some(name), Some(identity)) = (&issue.authority, &identity) {
        let password = issue.place.password()?;
        let password = password.as_ref().map(|password| password.as_str());
        folder.add_authority(name, identity, password)?;
    }
    folder.keep()?;
    let mut said = format!("{}", certificate_file.display());
    if let Some(identity) = &identity {
        match (issue.p12, key_password) {
            (true, Some(password)) => {
                let file = pkcs12::write(identity, password)
                    .map_err(|error| Trouble::Fault(chain(&error)))?;
                folder::secret(&key_file, &file)?;
            }
            _ => folder::secret(
                &key_file,
                folder::key_pem(identity, key_password)?.as_bytes(),
            )?,
        }
        said.push_str(&format!(", {}", key_file.display()));
    }
    let all = std::iter::once(&certificate).chain(&chain_below);
    let text: String = all.map(Certificate::to_pem).collect();
    folder::public(&certificate_file, text.as_bytes())?;
    print::out(&format!(
        "{said}: {}, serial {}\n",
        print::clean(&certificate.subject()),
        certificate.serial_hex()
    ))?;
    Ok(Answer::Yes)
}

fn wanted(issue: &Issue) -> Result<Wanted, Trouble> {
    if let Some(path) = &issue.request {
        return requested(path);
    }
    if let Some(path) = &issue.cross {
        if issue.profile != Holder::Ca {
            return Err(Trouble::usage(
                "--cross is for authorities",
                "give --profile ca too",
            ));
        }
        let named = Named::all("--cross", std::slice::from_ref(path));
        let far = material::certificates(&named)?.swap_remove(0);
        return Ok(Wanted {
            identity_key: None,
            spki_der: far.spki_der().to_vec(),
            subject_der: Some(far.subject_der().to_vec()),
            emails: Vec::new(),
            dns_names: Vec::new(),
        });
    }
    let kind = issue.key.unwrap_or_default().of();
    let key = provider::default()
        .generate_key(kind)
        .map_err(|error| Trouble::Fault(format!("make a key: {error}")))?;
    Ok(Wanted {
        spki_der: key.public_spki().to_vec(),
        identity_key: Some(key),
        subject_der: None,
        emails: Vec::new(),
        dns_names: Vec::new(),
    })
}

fn requested(path: &Path) -> Result<Wanted, Trouble> {
    let mut named = Named::all("--request", std::slice::from_ref(&path.to_owned()));
    let file = named.swap_remove(0);
    let remedy = "give a request (PKCS #10) in PEM or DER, such as `ravelin key request` makes";
    let octets = file.read()?;
    let request = match material::is_pem(&octets) {
        false => CertificateRequest::from_der(&octets),
        true => {
            let blocks = pem::blocks(&octets).map_err(|e| file.trouble(chain(&e), remedy))?;
            let labels = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
            let found = blocks
                .iter()
                .find(|one| labels.contains(&one.label.as_str()));
            let found = found.ok_or_else(|| file.trouble("holds no request", remedy))?;
            CertificateRequest::from_der(&found.der)
        }
    };
    let request = request.map_err(|error| file.trouble(chain(&error), remedy))?;
    let (emails, dns_names) =
        requested_names(&request).map_err(|error| file.trouble(chain(&error), remedy))?;
    Ok(Wanted {
        identity_key: None,
        spki_der: request.spki_der().to_vec(),
        subject_der: Some(request.subject_der().to_vec()),
        emails,
        dns_names,
    })
}

fn order(
    issue: &Issue,
    wanted: &Wanted,
    record: &folder::Record,
    now: Timestamp,
) -> Result<Order, Trouble> {
    let deed = match issue.deed {
        For::Encrypt => Deed::Encrypt,
        For::Sign => Deed::Sign,
    };
    let (profile, local) = match issue.profile {
        Holder::Ca => (Profile::Authority(issue.path_length), None),
        Holder::DomainConfidentialityAuthority => (
            Profile::DomainConfidentiality,
            Some("domain-confidentiality-authority"),
        ),
        Holder::DomainSigningAuthority => {
            (Profile::DomainSigning, Some("domain-signing-authority"))
        }
        Holder::Ocsp => (Profile::OcspSigner, None),
        Holder::Person => (Profile::Person(deed), None),
        Holder::Role => (Profile::Role(deed), None),
        Holder::Switch => (Profile::Switch, None),
    };
    if profile_of_authority(issue) && issue.profile != Holder::Ca {
        return Err(Trouble::usage(
            "--path-length, --permit-mail and --authority are for authorities",
            "give --profile ca too",
        ));
    }
    let or_wanted = |given: &Vec<String>, wanted: &Vec<String>| match given.is_empty() {
        true => wanted.clone(),
        false => given.clone(),
    };
    let mut emails = or_wanted(&issue.email, &wanted.emails);
    let dns_names = or_wanted(&issue.dns, &wanted.dns_names);
    // RFC 3183 §3.1.1: the name and the address of those who act for a domain
    let subject_der = match (local, &issue.domain) {
        (Some(local), Some(domain)) => {
            emails = vec![format!("{local}@{domain}")];
            name_der(&format!("CN={local},O={domain}")).map_err(failed)?
        }
        (Some(_), None) => {
            return Err(Trouble::usage(
                "for which domain?",
                "name it with --domain, such as alder.example",
            ));
        }
        (None, _) => match (&issue.subject, &wanted.subject_der) {
            (Some(subject), _) => name_der(subject).map_err(failed)?,
            (None, Some(subject)) => subject.clone(),
            (None, None) => {
                return Err(Trouble::usage(
                    "whose certificate?",
                    "give --subject, such as CN=Anna,O=ALDER",
                ));
            }
        },
    };
    let named = match issue.profile {
        Holder::Person | Holder::Role => !emails.is_empty(),
        Holder::Switch => !dns_names.is_empty(),
        _ => true,
    };
    if !named {
        return Err(Trouble::usage(
            "such a certificate without an address is of no use",
            "give --email to a person or role, --dns to a switch",
        ));
    }
    let given = |given: &Vec<String>, known: &Option<String>| match given.is_empty() {
        // What is on record is said of what the issuing authority issues.
        true if issue.issuer == "issuing" => known.iter().cloned().collect(),
        _ => given.clone(),
    };
    Ok(Order {
        subject_der,
        spki_der: wanted.spki_der.clone(),
        profile,
        emails,
        dns_names,
        ip_addresses: issue.ip.clone(),
        // Clocks differ.
        not_before: earlier(now, HOUR),
        not_after: later(now, DAY.saturating_mul(issue.days)),
        crl_urls: given(&issue.crl_url, &record.crl_url),
        ocsp_urls: given(&issue.ocsp_url, &record.ocsp_url),
        clearance_der: clearance_der(issue)?,
        permitted_mail: issue.permit_mail.clone(),
    })
}

fn profile_of_authority(issue: &Issue) -> bool {
    issue.path_length.is_some() || !issue.permit_mail.is_empty() || issue.authority.is_some()
}

fn clearance_der(issue: &Issue) -> Result<Option<Vec<u8>>, Trouble> {
    let Some(text) = &issue.clearance else {
        return Ok(None);
    };
    let policies = label::policies(&issue.policy)?;
    let wrong = |text: String| {
        Trouble::usage(
            format!("--clearance: {text}"),
            "use the names of the policy, such as 'UNCLASSIFIED..SECRET'",
        )
    };
    let read = detect::clearance_tolerantly(&label::input(text)?, &policies)
        .map_err(|error| wrong(error.to_string()))?;
    let der = clearance::encode(&read.value).map_err(|error| wrong(error.to_string()))?;
    Ok(Some(der))
}

#[cfg(test)]
mod tests {
    /// Every authority's own certificates go along, never the root.
    #[test]
    fn a_life_has_a_unit() {
        for (text, seconds) in [("90s", 90), ("2m", 120), ("12h", 43_200), ("7d", 604_800)] {
            assert_eq!(super::super::life(text).unwrap().as_secs(), seconds);
        }
        for text in [
            "",
            "7",
            "d",
            "-1d",
            "0d",
            "7w",
            "99999999999999999999d",
            "5000d",
        ] {
            assert!(super::super::life(text).is_err(), "{text}");
        }
    }
}
