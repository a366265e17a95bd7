//! The trust list's file: TOML of its own, signed, with a number that grows.
//!
//! ```toml
//! number = 7
//! date = "2026-11-21T08:30:00Z"
//!
//! [[distrusted]]                     # one of sha256, spki-sha256, key-id
//! spki-sha256 = "HEX"
//! reason = "the authority was broken into"
//! date = "2026-11-20T17:00:00Z"
//!
//! [[trusted]]                        # an end entity's certificate, and only that
//! sha256 = "HEX"
//! purposes = ["sign", "encrypt"]
//! addresses = ["liaison@cedar.example"]
//! reason = "exchange of officers"
//! date = "2026-11-20T17:00:00Z"
//! until = "2027-01-01T00:00:00Z"     # may be left out
//! ```
//!
//! Promises: an error names the line. Refuses: unknown keys, an entry twice, one that says nothing,
//! more entries than a list can need, a date of tomorrow.

use std::collections::HashSet;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::meant::ListProvenance;
use super::policies::digest;
use super::resolve::Place;
use super::signature::Signed;
use super::written::Written;
use super::{ConfigError, key_at, line_of};
use crate::clock::Timestamp;
use crate::crypto::trust::{Distrusted, Purpose, Target, TrustList, TrustStore, Trusted};
use crate::message::address::Address;

/// Entries of one list.
const MOST_ENTRIES: usize = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    number: u64,
    date: Spanned<Timestamp>,
    #[serde(default)]
    distrusted: Vec<Spanned<DistrustedEntry>>,
    #[serde(default)]
    trusted: Vec<Spanned<TrustedEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DistrustedEntry {
    sha256: Option<Spanned<String>>,
    spki_sha256: Option<Spanned<String>>,
    key_id: Option<Spanned<String>>,
    reason: Spanned<String>,
    date: Timestamp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustedEntry {
    sha256: Spanned<String>,
    purposes: Spanned<Vec<Use>>,
    addresses: Vec<Spanned<String>>,
    reason: Spanned<String>,
    date: Timestamp,
    until: Option<Timestamp>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Use {
    Encrypt,
    Sign,
}

/// Reads the text of a list. `file` is for errors.
///
/// # Errors
/// What is wrong first, with line and remedy.
pub(crate) fn read(file: &Path, text: &str) -> Result<TrustList, ConfigError> {
    let source = Source { file, text };
    let written: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        source.error(
            at,
            error.message().trim(),
            "README, chapter \"Trust list\", shows every key",
        )
    })?;
    let count = written
        .distrusted
        .len()
        .saturating_add(written.trusted.len());
    if count > MOST_ENTRIES {
        return Err(source.error(
            0,
            "more than 100000 entries",
            "distrust an authority in place of all its certificates",
        ));
    }
    let mut seen = HashSet::new();
    let mut distrusted = Vec::with_capacity(written.distrusted.len());
    for entry in &written.distrusted {
        let one = source.distrusted(entry)?;
        if !seen.insert(one.target.clone()) {
            return Err(source.twice(entry.span().start));
        }
        distrusted.push(one);
    }
    let mut trusted = Vec::with_capacity(written.trusted.len());
    for entry in &written.trusted {
        let one = source.trusted(entry)?;
        // Both ways, or the same way twice: somebody meant something else.
        if !seen.insert(Target::Certificate(one.fingerprint)) {
            return Err(source.twice(entry.span().start));
        }
        trusted.push(one);
    }
    let date = *written.date.get_ref();
    Ok(TrustList::new(written.number, date, distrusted, trusted))
}

/// The text of a list, for errors.
struct Source<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Source<'_> {
    fn error(&self, at: usize, text: &str, remedy: &str) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            line: Some(line_of(self.text, at)),
            key: key_at(self.text, at),
            text: text.to_owned(),
            remedy: remedy.to_owned(),
        }
    }

    fn twice(&self, at: usize) -> ConfigError {
        self.error(
            at,
            "there is another entry about it",
            "one entry for each certificate or key",
        )
    }

    fn distrusted(&self, entry: &Spanned<DistrustedEntry>) -> Result<Distrusted, ConfigError> {
        let one = entry.get_ref();
        let target = match (&one.sha256, &one.spki_sha256, &one.key_id) {
            (Some(digest), None, None) => Target::Certificate(self.sha256(digest)?),
            (None, Some(digest), None) => Target::Key(self.sha256(digest)?),
            (None, None, Some(identifier)) => {
                let octets = unhex(identifier.get_ref());
                let octets = octets.filter(|octets| (8..=64).contains(&octets.len()));
                Target::KeyIdentifier(octets.ok_or_else(|| {
                    self.error(
                        identifier.span().start,
                        "not a key identifier of 8 to 64 octets",
                        "write the subjectKeyIdentifier in hexadecimal",
                    )
                })?)
            }
            _ => {
                return Err(self.error(
                    entry.span().start,
                    "an entry speaks of one thing",
                    "name one of sha256, spki-sha256, key-id",
                ));
            }
        };
        Ok(Distrusted {
            target,
            reason: self.reason(&one.reason)?,
            date: one.date,
        })
    }

    fn trusted(&self, entry: &Spanned<TrustedEntry>) -> Result<Trusted, ConfigError> {
        let one = entry.get_ref();
        let purposes = one.purposes.get_ref().iter().map(|purpose| match purpose {
            Use::Encrypt => Purpose::Encrypt,
            Use::Sign => Purpose::Sign,
        });
        let purposes: Vec<Purpose> = purposes.collect();
        if purposes.is_empty() {
            return Err(self.error(
                one.purposes.span().start,
                "a certificate is trusted for something",
                "write sign, encrypt, or both",
            ));
        }
        let address = |written: &Spanned<String>| {
            Address::parse(written.get_ref())
                .map(|_| written.get_ref().clone())
                .map_err(|error| {
                    let text = error.to_string();
                    self.error(written.span().start, &text, "write it as name@domain")
                })
        };
        let addresses: Vec<String> = one
            .addresses
            .iter()
            .map(address)
            .collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            return Err(self.error(
                entry.span().start,
                "a certificate is trusted for somebody",
                "name every address in it",
            ));
        }
        Ok(Trusted {
            fingerprint: self.sha256(&one.sha256)?,
            purposes,
            addresses,
            reason: self.reason(&one.reason)?,
            date: one.date,
            until: one.until,
        })
    }

    fn sha256(&self, digits: &Spanned<String>) -> Result<[u8; 32], ConfigError> {
        let octets = unhex(digits.get_ref()).and_then(|octets| octets.try_into().ok());
        octets.ok_or_else(|| {
            self.error(
                digits.span().start,
                "not a SHA-256",
                "write 64 hexadecimal digits, with or without colons",
            )
        })
    }

    fn reason(&self, reason: &Spanned<String>) -> Result<String, ConfigError> {
        let text = reason.get_ref().trim();
        match text.is_empty() {
            true => Err(self.error(
                reason.span().start,
                "no reason",
                "say why: who reads a refusal is told",
            )),
            false => Ok(text.to_owned()),
        }
    }
}

/// Pairs of hexadecimal digits, colons between them or not.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .filter(|digit| *digit != ':')
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    let octet = |pair: &[u8]| pair.iter().fold(0u8, |octet, digit| octet << 4 | digit);
    Some(digits.chunks(2).map(octet).collect())
}

impl Place<'_> {
    /// The trust list that `written` names, and where it comes from. Its signers are held against
    /// `trust`, which does not know the list yet.
    pub(super) fn trust_list(
        &self,
        written: &Written,
        trust: &TrustStore,
        now: Timestamp,
    ) -> Result<Option<(TrustList, ListProvenance)>, ConfigError> {
        let Some(named) = &written.trust.list else {
            return Ok(None);
        };
        let signed = Signed {
            what: "trust list",
            key: "trust.list.signature",
            signers: "trust.list.signers",
            file: &named.file,
            signature: Some(&named.signature),
        };
        if named.signers.get_ref().is_empty() {
            return Err(self.error(
                named.signers.span(),
                signed.signers,
                "nobody is named, and whoever can write the file could trust anybody",
                "pin one who may sign the list: sha256:, key-id: or role:",
            ));
        }
        let octets = self.read("trust.list.file", &named.file)?;
        let pins = self.pins(signed.signers, named.signers.get_ref(), written)?;
        let signed_by = self.signed_by(&signed, &octets, &pins, trust, now)?;
        let file = self.path(named.file.get_ref());
        let text = std::str::from_utf8(&octets).map_err(|_| {
            self.error(
                named.file.span(),
                "trust.list.file",
                "the file is not text",
                "a trust list is TOML in UTF-8",
            )
        })?;
        let list = read(&file, text)?;
        if list.date() > now {
            return Err(self.error(
                named.file.span(),
                "trust.list.file",
                format!("the list is dated {}, which is not yet", list.date()),
                "set the clock right, or have the list made anew",
            ));
        }
        let provenance = ListProvenance {
            number: list.number(),
            date: list.date(),
            digest: digest(&octets),
            signed_by,
        };
        Ok(Some((list, provenance)))
    }
}
