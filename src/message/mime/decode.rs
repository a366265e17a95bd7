//! The five transfer encodings, read strictly.
//!
//! Promises: what decodes has one reading only; nothing is skipped, guessed or repaired.
//! Refuses: characters outside the alphabet, padding in the middle, stray bits, 8-bit in 7bit.
//! Standards: RFC 2045 §2.7 to §2.9, §6.7, §6.8.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::line;
use super::{Encoding, MimeError, MimeProblem, failed};

/// The content of a body; positions of errors count from the start of `body`.
pub(super) fn decoded(body: &[u8], encoding: Encoding) -> Result<Cow<'_, [u8]>, MimeError> {
    match encoding {
        Encoding::Binary => Ok(Cow::Borrowed(body)),
        // RFC 2045 §2.7, §2.8
        Encoding::EightBit => lines(body).map(Cow::Borrowed),
        Encoding::SevenBit => match body.iter().position(|b| !b.is_ascii()) {
            Some(position) => Err(failed(MimeProblem::Encoding, position)),
            None => lines(body).map(Cow::Borrowed),
        },
        Encoding::Base64 => base64(body).map(Cow::Owned),
        Encoding::QuotedPrintable => quoted_printable(body).map(Cow::Owned),
    }
}

fn lines(body: &[u8]) -> Result<&[u8], MimeError> {
    line::check(body).map_err(|error| failed(MimeProblem::Encoding, error.position))?;
    Ok(body)
}

// RFC 2045 §6.8, and stricter: only CRLF may stand between the characters
fn base64(body: &[u8]) -> Result<Vec<u8>, MimeError> {
    base64_octets(body).ok_or_else(|| {
        // What was wrong is looked for only now: the good case reads the body once.
        if let Err(error) = line::check(body) {
            return failed(MimeProblem::Base64, error.position);
        }
        let alphabet = |b: &u8| b.is_ascii_alphanumeric() || b"+/=\r\n".contains(b);
        let position = body.iter().position(|b| !alphabet(b));
        failed(MimeProblem::Base64, position.unwrap_or(body.len()))
    })
}

/// The octets, or nothing when anything is wrong.
fn base64_octets(body: &[u8]) -> Option<Vec<u8>> {
    // A run of characters without line ends; it stays in the nearest cache.
    const RUN: usize = 8 * 1024;
    let mut run: Vec<u8> = Vec::with_capacity(RUN.saturating_add(1024));
    let mut out = Vec::with_capacity(body.len().div_ceil(4).saturating_mul(3));
    let mut rest = body;
    while let Some(at) = memchr::memchr(b'\r', rest) {
        let (text, after) = rest.split_at_checked(at)?;
        run.extend_from_slice(text);
        rest = after.strip_prefix(b"\r\n")?;
        if run.len() >= RUN {
            let whole = run.len() & !3;
            let chunk = run.get(..whole)?;
            // Padding ends the octets: with whatever follows, it is wrong in the middle.
            if !chunk.ends_with(b"=") {
                STANDARD.decode_vec(chunk, &mut out).ok()?;
                run.drain(..whole);
            }
        }
    }
    run.extend_from_slice(rest);
    STANDARD.decode_vec(&run, &mut out).ok()?;
    Some(out)
}

// RFC 2045 §6.7
fn quoted_printable(body: &[u8]) -> Result<Vec<u8>, MimeError> {
    line::check(body).map_err(|error| failed(MimeProblem::QuotedPrintable, error.position))?;
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0_usize;
    loop {
        let rest = body.get(at..).unwrap_or_default();
        let length = memchr::memchr(b'\r', rest);
        let line = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        // Rule 3: white space at the end of a line was added on the way
        let text = line.trim_ascii_end();
        let soft = decode_line(text, at, &mut out)?;
        let Some(length) = length else {
            return Ok(out);
        };
        if soft == Break::Hard {
            out.extend_from_slice(b"\r\n");
        }
        at = at.saturating_add(length).saturating_add(2);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Break {
    Hard,
    Soft,
}

fn decode_line(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<Break, MimeError> {
    let mut octets = text.iter().copied().enumerate();
    while let Some((offset, octet)) = octets.next() {
        let wrong = || failed(MimeProblem::QuotedPrintable, at.saturating_add(offset));
        match octet {
            b'=' => {
                let Some((_, high)) = octets.next() else {
                    return Ok(Break::Soft);
                };
                let low = octets.next().map(|(_, low)| low).ok_or_else(wrong)?;
                let digit = |b| char::from(b).to_digit(16);
                let value = digit(high)
                    .zip(digit(low))
                    .and_then(|(h, l)| u8::try_from(h.checked_mul(16)?.checked_add(l)?).ok());
                out.push(value.ok_or_else(wrong)?);
            }
            b'\t' | b' '..=b'~' => out.push(octet),
            _ => return Err(wrong()),
        }
    }
    Ok(Break::Hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], encoding: Encoding) -> Result<Vec<u8>, usize> {
        decoded(body, encoding)
            .map(Cow::into_owned)
            .map_err(|error| error.position)
    }

    #[test]
    fn base64_is_read_strictly() {
        let read = |body: &[u8]| read(body, Encoding::Base64);
        assert_eq!(read(b"SGVs\r\nbG8=\r\n"), Ok(b"Hello".to_vec()));
        assert_eq!(read(b""), Ok(vec![]));
        assert_eq!(read(b"SGV s"), Err(3));
        assert_eq!(read(b"SGVs\nbG8="), Err(4));
        for bad in [&b"SGVsbG8"[..], b"SG=s", b"SGVsbG9=", b"SGVsbG8=SGVs"] {
            assert!(read(bad).is_err());
        }
        // Long bodies are decoded in runs; where they meet the rules are the same.
        let line = [b"QUJD".repeat(19), b"\r\n".to_vec()].concat();
        let long = line.repeat(300);
        assert_eq!(read(&long), Ok(b"ABC".repeat(19 * 300)));
        for at in (0..long.len()).step_by(101) {
            let mut bad = long.clone();
            if let Some(octet) = bad.get_mut(at) {
                *octet = b'=';
            }
            assert!(read(&bad).is_err(), "padding at {at}");
        }
        let padded = [b"QUJDRA==".as_slice(), b"\r\n", &long].concat();
        assert!(read(&padded).is_err());
        let after = [long.as_slice(), b"QQ==\r\n", &long].concat();
        assert!(read(&after).is_err());
        let blank = [long.as_slice(), b"QQ==\r\n\r\n"].concat();
        assert_eq!(read(&blank).map(|octets| octets.len()), Ok(57 * 300 + 1));
        let open = [b"QUJ".as_slice(), b"\r\n", b"D\r\n"].concat();
        assert_eq!(read(&open), Ok(b"ABC".to_vec()));
    }

    #[test]
    fn quoted_printable_is_read_strictly() {
        let read = |body| read(body, Encoding::QuotedPrintable);
        assert_eq!(
            read(b"a=3Db =\r\nc  \r\nd=\r\n"),
            Ok(b"a=b c\r\nd".to_vec())
        );
        assert_eq!(read(b"a=C3=A4"), Ok("aä".as_bytes().to_vec()));
        assert_eq!(read(b"a=3"), Err(1));
        assert_eq!(read(b"a=zz"), Err(1));
        assert_eq!(read(b"ab\xe4"), Err(2));
        assert_eq!(read(b"a\nb"), Err(1));
    }

    #[test]
    fn identity_encodings_hold_what_they_promise() {
        assert_eq!(read(b"a\r\n", Encoding::SevenBit), Ok(b"a\r\n".to_vec()));
        assert_eq!(read(b"a\xe4", Encoding::SevenBit), Err(1));
        assert_eq!(read(b"a\xe4", Encoding::EightBit), Ok(b"a\xe4".to_vec()));
        assert_eq!(read(b"a\nb", Encoding::EightBit), Err(1));
        assert_eq!(read(b"a\nb\0", Encoding::Binary), Ok(b"a\nb\0".to_vec()));
    }
}
