//! Messages and CMS objects in files: read, and written whole or not at all.
//!
//! Promises: what a command writes stands under its name only when it is complete; plaintext is
//! readable by its owner alone.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::answer::Trouble;
use super::material::{Named, Place};
use super::print::clean;
use crate::crypto::pem;
use crate::decision::{Refusal, Stop};
use crate::message::line;
use crate::open::{self, Facts, Opener, Piece};

/// Whether others may read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// Sealed: anybody may.
    No,
    /// Opened: its owner alone.
    Yes,
}

/// The octets of a file, or of the standard input for `-`.
pub(super) fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    if file.as_os_str() != "-" {
        return Named {
            path: file.to_owned(),
            place: Place::Option("FILE"),
        }
        .read();
    }
    let mut octets = Zeroizing::new(Vec::new());
    std::io::stdin()
        .lock()
        .read_to_end(&mut octets)
        .map_err(|error| Trouble::Fault(format!("read the standard input: {error}")))?;
    Ok(octets)
}

/// The CMS object in a file that is no mail: DER or BER, or the first PEM block that can hold one.
pub(super) fn bare_cms(octets: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // No header field begins with the octet of a SEQUENCE ('0') followed by a length of that form.
    if let [0x30, 0x80..=0x84, ..] = octets {
        return Some(Zeroizing::new(octets.to_vec()));
    }
    if !octets.trim_ascii_start().starts_with(b"-----BEGIN ") {
        return None;
    }
    pem::blocks(octets)
        .ok()?
        .into_iter()
        .find(|block| matches!(block.label.as_str(), "CMS" | "PKCS7"))
        .map(|block| block.der)
}

/// What a mail or a CMS object by itself says.
pub(super) fn facts(
    opener: &Opener<'_>,
    file: &Path,
    octets: Zeroizing<Vec<u8>>,
) -> Result<Facts, Trouble> {
    match bare_cms(&octets) {
        Some(cms) => open::cms_facts(opener, Piece::whole(Arc::new(cms))),
        None => open::facts(opener, Piece::whole(Arc::new(octets))),
    }
    .map_err(|stop| match stop {
        Stop::Fault(fault) => fault.into(),
        Stop::Refuse(refusal) => Trouble::usage(
            format!("{}: {}", file.display(), grounds(&refusal)),
            "give a whole message as it crossed the wire, with CRLF lines (.eml), or a CMS object",
        ),
    })
}

/// What exactly was found, in one line.
pub(super) fn grounds(refusal: &Refusal) -> String {
    refusal
        .grounds
        .iter()
        .map(|ground| ground.text.clone())
        .collect::<Vec<_>>()
        .join("; ")
}

// RFC 8551 §3.1.1: who composes a message brings it into canonical form
/// A message that its originator has not signed yet: where no line ends with CRLF, LF becomes CRLF.
pub(super) fn message_to_seal(file: &Path) -> Result<Zeroizing<Vec<u8>>, Trouble> {
    let octets = read(file)?;
    let octets = if memchr::memchr(b'\r', &octets).is_none() {
        let mut lines = Zeroizing::new(Vec::with_capacity(octets.len().saturating_add(1024)));
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(text) => {
                    lines.extend_from_slice(text);
                    lines.extend_from_slice(b"\r\n");
                }
                None => lines.extend_from_slice(line),
            }
        }
        lines
    } else {
        octets
    };
    line::check(&octets).map_err(|error| {
        Trouble::usage(
            format!("{}: {error}", file.display()),
            "give lines that all end with CRLF, or all with LF",
        )
    })?;
    Ok(octets)
}

/// Writes a file, or the standard output for `-`.
pub(super) fn write(file: &Path, octets: &[u8], secret: Secret) -> Result<(), Trouble> {
    let wrong =
        |error: std::io::Error| Trouble::Fault(format!("write {}: {error}", file.display()));
    if file.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        return out
            .write_all(octets)
            .and_then(|()| out.flush())
            .map_err(wrong);
    }
    let mut name = file.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(match secret {
            Secret::No => 0o644,
            Secret::Yes => 0o600,
        });
    }
    #[cfg(not(unix))]
    let _ = secret;
    options
        .open(part)
        .and_then(|mut out| out.write_all(octets))
        .and_then(|()| std::fs::rename(part, file))
        .map_err(|error| {
            let _ = std::fs::remove_file(part);
            wrong(error)
        })
}

/// Says on the error output why the answer is no.
pub(super) fn complain(reasons: &[String]) {
    let mut out = std::io::stderr().lock();
    for reason in reasons {
        // Nobody is left to tell when the error output is closed.
        let _ = writeln!(out, "ravelin: {}", clean(reason));
    }
}
