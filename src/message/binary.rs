//! Messages with binary parts: where octets need be no lines, and where they must.
//!
//! Promises: outside the bodies of leaf parts that say `Content-Transfer-Encoding: binary` only CRLF
//! is a line end; so header sections, delimiters and all text have one reading.
//! Refuses: any other CR, LF or NUL; a structure that cannot be read.
//! Attack stopped here: a false end of data, or a header field, in what only calls itself binary.
//! Standards: RFC 3030 §3; RFC 2045 §2.9.

use std::ops::Range;

use super::line::{self, LineError};
use super::mime::{Encoding, Entity, Limits};

/// Checks a message that came as `BODY=BINARYMIME`.
///
/// # Errors
/// The first octet outside a binary part that breaks the rule about lines.
pub fn check(bytes: &[u8]) -> Result<(), LineError> {
    let Err(found) = line::check(bytes) else {
        return Ok(());
    };
    // A structure that cannot be read has no binary part: the first fault counts.
    let Ok(entity) = Entity::parse_all(bytes, Limits::default()) else {
        return Err(found);
    };
    let mut binary = Vec::new();
    gather(&entity, &mut binary);
    let mut from = 0_usize;
    for part in binary {
        check_part(bytes, from..part.start)?;
        from = part.end;
    }
    check_part(bytes, from..bytes.len())
}

fn check_part(bytes: &[u8], part: Range<usize>) -> Result<(), LineError> {
    let start = part.start;
    line::check(bytes.get(part).unwrap_or_default()).map_err(|error| LineError {
        position: error.position.saturating_add(start),
        ..error
    })
}

/// The bodies of binary leaves, in order.
fn gather(entity: &Entity, into: &mut Vec<Range<usize>>) {
    if entity.children.is_empty() {
        if entity.encoding == Encoding::Binary {
            into.push(entity.body.clone());
        }
        return;
    }
    for child in &entity.children {
        gather(child, into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::line::LineProblem;

    const PARTS: &str = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
        --b\r\nContent-Transfer-Encoding: binary\r\nContent-Type: application/pdf\r\n\r\n\
        \r.\r\n\0\n.\r\r\n--b\r\n\r\ntext\r\n--b--\r\n";

    #[test]
    fn binary_parts_may_hold_anything_and_nothing_else_may() {
        assert_eq!(check(PARTS.as_bytes()), Ok(()));
        assert_eq!(check(b"A: b\r\n\r\ntext\r\n"), Ok(()));
        let whole = b"Content-Transfer-Encoding: binary\r\n\r\n\n.\n\0\r";
        assert_eq!(check(whole), Ok(()));
        for (from, to) in [
            ("text\r\n", "text\n"),
            ("1.0\r\n", "1.0\n"),
            ("--b--\r\n", "--b--\r\nafter\n"),
            ("Encoding: binary", "Encoding: 8bit"),
            ("--b\r\nContent-Tr", "before\rx\r\n--b\r\nContent-Tr"),
        ] {
            let bad = PARTS.replacen(from, to, 1);
            assert_ne!(bad, PARTS);
            assert!(check(bad.as_bytes()).is_err(), "{bad:?}");
        }
        let error = check(b"A: b\r\n\r\nx\ny").unwrap_err();
        assert_eq!((error.kind, error.position), (LineProblem::BareLf, 9));
    }
}
