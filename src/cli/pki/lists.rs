//! `ravelin pki revoke` and `crl`: what is taken back, and the lists that say so.
//!
//! Promises: numbers of lists only grow; a delta list goes with the newest complete one; only a hold
//! can be taken back. Standards: RFC 5280 §5.2.3, §5.2.4, §5.3.1.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::super::answer::{Answer, Trouble};
use super::super::material::{self, Named};
use super::super::print;
use super::folder::{Complete, Folder, Revoked, public};
use super::{Where, failed, later, life, not_there};
use crate::clock::{Clock, Timestamp};
use crate::crypto::lab::{Authority, ListOrder};
use crate::crypto::pem;

/// The options of `ravelin pki revoke`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin pki revoke --dir lab anna.pem --reason key-compromise && \
    \\\n  ravelin pki crl --dir lab\n\nA serial number in hexadecimal does as well. It counts when the next \
    list is made, and at once for `ravelin pki ocsp`."
)]
pub(super) struct Revoke {
    #[command(flatten)]
    place: Where,
    /// The certificate, or its serial number
    #[arg(value_name = "CERT|SERIAL")]
    which: String,
    #[arg(long, value_enum, default_value_t)]
    reason: Why,
    /// From when on it counts as revoked; without it, now
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    /// Take it off hold
    #[arg(long, conflicts_with_all = ["reason", "at"])]
    release: bool,
}

/// CRLReason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Why {
    #[default]
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    /// A later command may take it back with --release
    Hold,
    PrivilegeWithdrawn,
    AaCompromise,
}

const HOLD: u8 = 6;
const REMOVED: u8 = 8;

impl Why {
    // RFC 5280 §5.3.1
    fn code(self) -> u8 {
        match self {
            Self::Unspecified => 0,
            Self::KeyCompromise => 1,
            Self::CaCompromise => 2,
            Self::AffiliationChanged => 3,
            Self::Superseded => 4,
            Self::CessationOfOperation => 5,
            Self::Hold => HOLD,
            Self::PrivilegeWithdrawn => 9,
            Self::AaCompromise => 10,
        }
    }
}

/// The options of `ravelin pki crl`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin pki crl --dir lab --next-update 7d\n  ravelin pki crl --dir \
    lab --delta --next-update 1d --der --out issuing.delta.crl\n\nThe list is kept in the laboratory's \
    folder crl/ in PEM."
)]
pub(super) struct Crl {
    #[command(flatten)]
    place: Where,
    /// Whose list
    #[arg(long, value_name = "NAME", default_value = "issuing")]
    issuer: String,
    /// Only what changed since the newest complete list
    #[arg(long)]
    delta: bool,
    /// How long until the next one is made
    #[arg(long, value_name = "LIFE", default_value = "7d", value_parser = life)]
    next_update: Duration,
    /// Write it to this file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// DER in place of PEM in that file
    #[arg(long, requires = "out")]
    der: bool,
}

/// Complete, or what changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Complete,
    Delta,
}

pub(super) fn crl(order: &Crl) -> Result<Answer, Trouble> {
    if let Some(out) = &order.out {
        not_there(&[out])?;
    }
    let mut folder = order.place.open()?;
    let authority = order.place.authority(&folder, &order.issuer)?;
    let kind = match order.delta {
        true => Kind::Delta,
        false => Kind::Complete,
    };
    let now = Clock::system().now();
    let der = make(
        &mut folder,
        &order.issuer,
        &authority,
        kind,
        now,
        order.next_update,
    )?;
    folder.keep()?;
    let mut path = folder.list_path(&order.issuer, order.delta);
    if let Some(out) = &order.out {
        match order.der {
            true => public(out, &der)?,
            false => public(out, pem::encode("X509 CRL", &der).as_bytes())?,
        }
        path.clone_from(out);
    }
    print::out(&format!("{}\n", path.display()))?;
    Ok(Answer::Yes)
}

/// Makes the next list of an authority and puts it into the folder; the record is not kept yet.
// RFC 5280 §5.2.3, §5.2.4: one sequence of numbers for both kinds
pub(super) fn make(
    folder: &mut Folder,
    name: &str,
    authority: &Authority,
    kind: Kind,
    now: Timestamp,
    life: Duration,
) -> Result<Vec<u8>, Trouble> {
    let office = folder.office_mut(name)?;
    office.list_number = office.list_number.saturating_add(1);
    let (number, base) = (office.list_number, office.complete);
    let mut order = ListOrder::new(number, now, later(now, life));
    let since = match (kind, base) {
        (Kind::Complete, _) => {
            office.complete = Some(Complete { number, made: now });
            None
        }
        (Kind::Delta, Some(base)) => {
            order = order.delta(base.number);
            Some(base.made)
        }
        (Kind::Delta, None) => {
            return Err(Trouble::usage(
                format!("{name} has made no complete list yet"),
                "make one first, without --delta",
            ));
        }
    };
    let own = folder
        .record
        .certificates
        .iter()
        .filter(|one| one.issuer == name);
    for certificate in own {
        let Some(serial) = unhex(&certificate.serial) else {
            continue;
        };
        let changed = |at: Timestamp| since.is_none_or(|since| at >= since);
        match (certificate.revoked, certificate.released) {
            (Some(revoked), _) if changed(revoked.recorded) => {
                // RFC 5280 §5.3.1: unspecified is said by saying nothing.
                let reason = Some(revoked.reason).filter(|reason| *reason != 0);
                order = order.revoke_since(&serial, revoked.since, reason);
            }
            (None, Some(released)) if kind == Kind::Delta && changed(released) => {
                order = order.revoke_since(&serial, released, Some(REMOVED));
            }
            _ => {}
        }
    }
    let der = authority.sign_list(&order).map_err(failed)?;
    let path = folder.list_path(name, kind == Kind::Delta);
    folder.replace(&path, pem::encode("X509 CRL", &der).as_bytes())?;
    Ok(der)
}

pub(super) fn revoke(order: &Revoke) -> Result<Answer, Trouble> {
    let serial = serial(&order.which)?;
    let mut folder = order.place.open()?;
    let now = Clock::system().now();
    let mut matching = folder.record.certificates.iter_mut();
    let certificate = matching.find(|one| one.serial == serial).ok_or_else(|| {
        Trouble::usage(
            format!("the laboratory did not issue {serial}"),
            "give one of its certificates, or the serial number of one",
        )
    })?;
    let refuse = |text: &str, remedy: &str| Err(Trouble::usage(text, remedy));
    match (order.release, certificate.revoked) {
        (true, Some(revoked)) if revoked.reason == HOLD => {
            certificate.revoked = None;
            certificate.released = Some(now);
        }
        (true, Some(_)) => return refuse("it is revoked for good", "issue another one"),
        (true, None) => return refuse("it is not on hold", "nothing is to be done"),
        // A hold may become final.
        (false, Some(revoked)) if revoked.reason != HOLD || order.reason == Why::Hold => {
            return refuse("it is revoked already", "nothing is to be done");
        }
        (false, _) => {
            certificate.revoked = Some(Revoked {
                since: order.at.unwrap_or(now),
                reason: order.reason.code(),
                recorded: now,
            });
        }
    }
    let word = match (order.release, order.reason) {
        (true, _) => "off hold",
        (false, Why::Hold) => "on hold",
        (false, _) => "revoked",
    };
    let said = format!(
        "{}, serial {serial}: {word}\n",
        print::clean(&certificate.subject)
    );
    folder.keep()?;
    print::out(&said)?;
    Ok(Answer::Yes)
}

/// A serial number as it stands in the record: of a certificate's file, or as written.
fn serial(which: &str) -> Result<String, Trouble> {
    let path = PathBuf::from(which);
    if path.exists() {
        let named = Named::all("CERT", std::slice::from_ref(&path));
        return Ok(material::certificates(&named)?.swap_remove(0).serial_hex());
    }
    let digits = which.replace(':', "").to_ascii_uppercase();
    match !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        true => Ok(digits),
        false => Err(Trouble::usage(
            format!("{which:?} is no file and no serial number"),
            "give a certificate's file, or its serial number in hexadecimal",
        )),
    }
}

/// The contents octets of a serial number; ours are positive and need no leading zero.
fn unhex(digits: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u8>> = digits
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let values = values.filter(|values| values.len().is_multiple_of(2))?;
    let octet = |pair: &[u8]| pair.iter().fold(0u8, |octet, digit| octet << 4 | digit);
    Some(values.chunks(2).map(octet).collect())
}
