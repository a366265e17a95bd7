//! What bounds the paths below an anchor or an authority, in words.
//!
//! Promises: what counts in a path is what is told: an anchor's controls, or else its certificate.
//! What cannot be read is told as such. Standards: RFC 5914 §2.5, RFC 5280 §4.2.1.9, §4.2.1.10.

use const_oid::AssociatedOid;
use der::Decode;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;

use super::anchor::Anchor;
use super::policy;
use crate::crypto::certificate::{Certificate, hex};

/// What bounds the paths below.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Bounds {
    /// How many authorities may follow.
    pub path_length: Option<usize>,
    /// The certificate policies that count; none: all.
    pub policies: Vec<String>,
    /// Names that are permitted, each with its kind; none: all.
    pub permitted: Vec<String>,
    /// Names that are excluded.
    pub excluded: Vec<String>,
}

impl Anchor {
    /// What bounds the paths below it.
    pub fn bounds(&self) -> Bounds {
        let mut bounds = self
            .certificate()
            .map(Certificate::bounds)
            .unwrap_or_default();
        bounds.path_length = self.path_length();
        if let Some(own) = self.own_policies() {
            bounds.policies = own.iter().map(ToString::to_string).collect();
        }
        if let Some(own) = self.own_names() {
            (bounds.permitted, bounds.excluded) = names(own);
        }
        bounds
    }
}

impl Certificate {
    /// What bounds the paths below it, if it is an authority.
    pub fn bounds(&self) -> Bounds {
        let length = self.basic_constraints().and_then(|own| own.path_length);
        let policies = match policy::named(self) {
            Ok(Some(named)) => named.iter().map(ToString::to_string).collect(),
            Ok(None) => Vec::new(),
            Err(_) => vec!["(cannot be read)".to_owned()],
        };
        let (permitted, excluded) = match self.extension(&NameConstraints::OID) {
            None => Default::default(),
            Some(item) => match NameConstraints::from_der(&item.value) {
                Ok(own) => names(&own),
                Err(_) => (vec!["(cannot be read)".to_owned()], Vec::new()),
            },
        };
        Bounds {
            path_length: length.map(usize::from),
            policies,
            permitted,
            excluded,
        }
    }
}

fn names(own: &NameConstraints) -> (Vec<String>, Vec<String>) {
    let texts = |trees: &Option<Vec<GeneralSubtree>>| -> Vec<String> {
        let trees = trees.iter().flatten();
        trees.map(|tree| text(&tree.base)).collect()
    };
    (
        texts(&own.permitted_subtrees),
        texts(&own.excluded_subtrees),
    )
}

fn text(name: &GeneralName) -> String {
    match name {
        GeneralName::Rfc822Name(mail) => format!("mail {}", mail.as_str()),
        GeneralName::DnsName(host) => format!("host {}", host.as_str()),
        GeneralName::UniformResourceIdentifier(place) => format!("uri {}", place.as_str()),
        GeneralName::DirectoryName(name) => format!("name {name}"),
        GeneralName::IpAddress(octets) => format!("address {}", hex(octets.as_bytes())),
        GeneralName::OtherName(other) => format!("other name {}", other.type_id),
        _ => "name of another kind".to_owned(),
    }
}
