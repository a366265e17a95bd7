//! `[subjects]` and `[[subject]]`: who takes part, and where clearances come from.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::Clearance;
use crate::config::party::{ClearanceSource, Combination};
use crate::config::units::ByteSize;
use crate::message::Precedence;

/// `[subjects]`: where clearances come from, for everybody who says nothing else.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct Subjects {
    /// Without it, `["configuration"]`.
    pub clearance_from: Option<Spanned<Vec<ClearanceSource>>>,
    /// What several sources come to: what `all` that speak have in common (the default), what
    /// `every` one has in common, or what the `first` that speaks says.
    pub combination: Option<Combination>,
    /// Certificates of attribute authorities (RFC 5755): only these give attribute certificates.
    #[serde(default)]
    pub attribute_authorities: Vec<Spanned<PathBuf>>,
}

/// `[[subject]]`: a mailbox, a role or a whole domain, its clearance and its certificate.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(in crate::config) struct Subject {
    /// Of a mailbox or a role.
    pub address: Option<Spanned<String>>,
    /// In its place, a whole domain: for recipients without an entry of their own.
    pub domain: Option<Spanned<String>>,
    pub clearance: Option<Spanned<Clearance>>,
    /// As in `[subjects]`, for this one.
    pub clearance_from: Option<Spanned<Vec<ClearanceSource>>>,
    pub combination: Option<Combination>,
    /// What the subject may do beside sending, such as `releasing-officer`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Who acts for it, which makes it a role: addresses of mailboxes with entries of their own.
    pub holders: Option<Spanned<Vec<Spanned<String>>>>,
    /// The certificate to encrypt for.
    pub certificate: Option<Spanned<PathBuf>>,
    /// The most urgent precedence that the subject may ask for; without it, any.
    pub highest_precedence: Option<Precedence>,
    /// The largest message that the subject hands in, where that is less than `switch.size-limit`.
    pub size_limit: Option<ByteSize>,
    /// Attribute certificates about the holder of that certificate: DER or PEM.
    #[serde(default)]
    pub attribute_certificates: Vec<Spanned<PathBuf>>,
}
