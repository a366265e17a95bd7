//! The two S/MIME entities that the switch makes.
//!
//! Promises: part 1 goes in octet for octet; its boundary does not occur in it; lines end with
//! CRLF; base64 lines have 76 characters; every entity ends with CRLF.
//! Refuses: a part 1 with bare CR, bare LF or NUL.
//! Standards: RFC 8551 §3.2, §3.5.3; RFC 1847 §2.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::super::header::Writer;
use super::super::line;
use super::{MimeError, MimeProblem, failed};

// RFC 2045 §6.8: 76 characters, which are 57 octets
const OCTETS_PER_LINE: usize = 57;
const LINE: usize = 76;

// RFC 8551 §3.5.3
/// The multipart/signed entity (header and body) of a signed entity and its detached signature.
///
/// `micalg` is the list of digest names, as in `sha-384`.
pub fn multipart_signed(
    part: &[u8],
    micalg: &str,
    signature_der: &[u8],
) -> Result<Vec<u8>, MimeError> {
    line::check(part).map_err(|error| failed(MimeProblem::Lines, error.position))?;
    let boundary = free_boundary(part);
    let content_type = format!(
        "multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=\"{micalg}\"; \
         boundary=\"{boundary}\""
    );
    let mut header = Writer::new();
    header
        .field("Content-Type", &content_type)
        .map_err(|_| failed(MimeProblem::Unwritable, 0))?;
    let mut out = header.with_body(b"");
    out.reserve(
        part.len()
            .saturating_add(encoded_length(signature_der))
            .saturating_add(400),
    );
    out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
    out.extend_from_slice(part);
    out.extend_from_slice(
        format!(
            "\r\n--{boundary}\r\n\
             Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n"
        )
        .as_bytes(),
    );
    base64_lines(signature_der, &mut out);
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(out)
}

// RFC 8551 §3.2
/// The application/pkcs7-mime entity (header and body) of a CMS object.
///
/// `smime_type` is `signed-data`, `enveloped-data`, `authEnveloped-data`, ...
pub fn pkcs7_mime(smime_type: &str, der: &[u8]) -> Result<Vec<u8>, MimeError> {
    // RFC 8551 §3.2.1
    let file = match smime_type {
        "certs-only" => "smime.p7c",
        "compressed-data" => "smime.p7z",
        _ => "smime.p7m",
    };
    let mut header = Writer::new();
    let content_type = format!("application/pkcs7-mime; smime-type={smime_type}; name=\"{file}\"");
    header
        .field("Content-Type", &content_type)
        .and_then(|h| h.field("Content-Transfer-Encoding", "base64"))
        .and_then(|h| {
            h.field(
                "Content-Disposition",
                &format!("attachment; filename=\"{file}\""),
            )
        })
        .map_err(|_| failed(MimeProblem::Unwritable, 0))?;
    let mut out = header.with_body(b"");
    out.reserve(encoded_length(der));
    base64_lines(der, &mut out);
    Ok(out)
}

/// How an entity inside another layer is encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transfer {
    /// Base64: every program and every gateway takes it.
    #[default]
    Base64,
    /// As it is: for recipients that are known to take it; each layer adds nothing.
    Binary,
}

// RFC 8551 §3.1.2: inside other layers no encoding is required, and everybody must take binary
/// As [`pkcs7_mime`], in the vector of the CMS object, without a second copy of it.
///
/// # Errors
/// When the type cannot be written.
pub fn pkcs7_mime_in_place(
    smime_type: &str,
    mut der: Vec<u8>,
    transfer: Transfer,
) -> Result<Vec<u8>, MimeError> {
    let head = pkcs7_mime(smime_type, b"")?;
    match transfer {
        Transfer::Base64 => base64_in_place(&mut der, &head),
        Transfer::Binary => {
            let head = String::from_utf8_lossy(&head).replace(
                "Content-Transfer-Encoding: base64",
                "Content-Transfer-Encoding: binary",
            );
            der.reserve_exact(head.len());
            der.splice(0..0, head.into_bytes());
        }
    }
    Ok(der)
}

/// Turns `octets` into `head` and their base64 lines. The octets wait at the end of the vector; what is
/// written never reaches what is not read yet, because a line is longer than its octets.
fn base64_in_place(octets: &mut Vec<u8>, head: &[u8]) {
    let length = octets.len();
    let total = head.len().saturating_add(encoded_length(octets));
    octets.reserve_exact(total.saturating_sub(length));
    octets.resize(total, 0);
    let mut read = total.saturating_sub(length);
    octets.copy_within(..length, read);
    if let Some(space) = octets.get_mut(..head.len()) {
        space.copy_from_slice(head);
    }
    let mut write = head.len();
    let mut line = [0; LINE];
    while read < total {
        let end = read.saturating_add(OCTETS_PER_LINE).min(total);
        let chunk = octets.get(read..end).unwrap_or_default();
        // The line has room for what 57 octets become: encoding cannot fail.
        let written = STANDARD.encode_slice(chunk, &mut line).unwrap_or_default();
        let text_end = write.saturating_add(written);
        let text = line.get(..written).unwrap_or_default();
        if let Some(space) = octets.get_mut(write..text_end) {
            space.copy_from_slice(text);
        }
        let line_end = text_end.saturating_add(2);
        if let Some(space) = octets.get_mut(text_end..line_end) {
            space.copy_from_slice(b"\r\n");
        }
        (read, write) = (end, line_end);
    }
    octets.truncate(write);
}

/// Appends base64 in lines of 76 characters, each with CRLF.
pub fn base64_lines(octets: &[u8], out: &mut Vec<u8>) {
    // Many lines at once, so that the encoder has a long run; they stay in the nearest cache.
    const LINES: usize = 64;
    let mut text = [0; LINE * LINES];
    out.reserve(encoded_length(octets));
    for chunk in octets.chunks(OCTETS_PER_LINE.saturating_mul(LINES)) {
        // The space fits: encoding cannot fail.
        let written = STANDARD.encode_slice(chunk, &mut text).unwrap_or_default();
        for line in text.get(..written).unwrap_or_default().chunks(LINE) {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// How long `base64_lines` of that many octets are, CRLFs included.
fn encoded_length(octets: &[u8]) -> usize {
    let lines = octets.len().div_ceil(OCTETS_PER_LINE);
    lines.saturating_mul(LINE.saturating_add(2))
}

/// A boundary that does not occur in the part. The same part always gets the same one.
fn free_boundary(part: &[u8]) -> String {
    let mut number = 0_u64;
    loop {
        // RFC 2045 §6.7: "=_" cannot occur in quoted-printable; the tail makes none a prefix of
        // another
        let boundary = format!("=_ravelin_{number}_=");
        if memchr::memmem::find(part, boundary.as_bytes()).is_none() {
            return boundary;
        }
        number = number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Transfer, pkcs7_mime_in_place};

    #[test]
    fn in_place_is_the_same_entity() {
        for length in (0..400).chain([4_096, 100_003]) {
            let octets: Vec<u8> = (0..length).map(|n: usize| (n % 251) as u8).collect();
            let made =
                pkcs7_mime_in_place("signed-data", octets.clone(), Transfer::Base64).unwrap();
            assert_eq!(
                made,
                pkcs7_mime("signed-data", &octets).unwrap(),
                "{length}"
            );
            let binary =
                pkcs7_mime_in_place("signed-data", octets.clone(), Transfer::Binary).unwrap();
            let entity = Entity::parse_all(&binary, Limits::default()).unwrap();
            assert_eq!(entity.decoded(&binary).unwrap(), &octets[..], "{length}");
        }
    }

    use super::super::{Entity, Limits, Smime};
    use super::*;

    #[test]
    fn part_one_comes_back_octet_for_octet() {
        let inner = multipart_signed(b"A: b\r\n\r\nHello \r\n\r\n", "sha-384", &[1, 2]).unwrap();
        let outer = multipart_signed(&inner, "sha-384", &[9; 300]).unwrap();
        let entity = Entity::parse_all(&outer, Limits::default()).unwrap();
        assert_eq!(entity.smime(), Some(Smime::Detached));
        assert_eq!(entity.content_type.param("micalg"), Some("sha-384"));
        let [first, second] = entity.children.as_slice() else {
            panic!("two children")
        };
        assert_eq!(first.bytes(&outer), inner);
        assert_eq!(*second.decoded(&outer).unwrap(), [9; 300]);
        let hello = first.children.first().unwrap();
        assert_eq!(hello.bytes(&outer), b"A: b\r\n\r\nHello \r\n\r\n");
    }

    #[test]
    fn a_part_with_other_line_ends_is_refused() {
        let error = multipart_signed(b"A: b\r\n\r\na\nb", "sha-384", &[]).unwrap_err();
        assert_eq!((error.kind, error.position), (MimeProblem::Lines, 9));
        assert!(multipart_signed(b"\r\n", "sha-384\r\nX: y", &[]).is_err());
    }

    #[test]
    fn cms_objects_come_back_decoded() {
        for length in [0, 1, 56, 57, 58, 114, 1000, 3647, 3648, 3649, 10_000] {
            let der = vec![0xa5; length];
            let bytes = pkcs7_mime("enveloped-data", &der).unwrap();
            let entity = Entity::parse_all(&bytes, Limits::default()).unwrap();
            assert_eq!(entity.smime(), Some(Smime::Opaque));
            assert_eq!(*entity.decoded(&bytes).unwrap(), der);
            assert!(bytes.ends_with(b"\r\n"));
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.lines().all(|line| line.len() <= 78));
        }
    }
}
