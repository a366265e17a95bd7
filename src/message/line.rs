//! The one rule about lines: CRLF, and no other CR, LF or NUL.
//!
//! Promises: every reader and writer of the house asks `check`, so that all see the same lines.
//! Refuses: any CR or LF that is not part of CRLF; NUL; on request lines over a limit.
//! Attack stopped here: SMTP smuggling and header injection live on two programs that split
//! lines differently. Where only CRLF exists there is nothing to split differently.
//! Standards: RFC 5321 §2.3.8, §4.5.3.1.6; RFC 5322 §2.3.

use memchr::memchr3_iter;

/// Bytes that break the rule about lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {position}: {kind}")]
pub struct LineError {
    /// What is wrong.
    pub kind: LineProblem,
    /// Where, in octets from the start.
    pub position: usize,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// CR without LF after it.
    #[error("a CR without LF: lines end with CRLF, nothing else")]
    BareCr,
    /// LF without CR before it.
    #[error("an LF without CR: lines end with CRLF, nothing else")]
    BareLf,
    /// The header section.
    #[error("the header cannot be read: {0}")]
    Header(super::header::HeaderProblem),
    /// NUL.
    #[error("a NUL octet is not allowed")]
    Nul,
    /// A line over the limit.
    #[error("a line is longer than {0} octets; encode the content as quoted-printable or base64")]
    TooLong(usize),
    /// The last line does not end with CRLF.
    #[error("the last line does not end with CRLF")]
    Unended,
}

// RFC 5321 §4.5.3.1.6: 1000 octets with the CRLF
/// The longest line that every mail system takes, without its CRLF.
pub const TEXT_LINE: usize = 998;

/// Checks that lines end with CRLF only and that there is no NUL. The last line may be open.
pub fn check(bytes: &[u8]) -> Result<(), LineError> {
    check_within(bytes, usize::MAX)
}

/// As [`check`], and no line is longer than `limit` octets without its CRLF.
pub fn check_within(bytes: &[u8], limit: usize) -> Result<(), LineError> {
    let failed = |kind, position| Err(LineError { kind, position });
    let mut line_start = 0_usize;
    let mut line_end = None;
    for at in memchr3_iter(b'\r', b'\n', 0, bytes) {
        match bytes.get(at) {
            Some(b'\n') if line_end == Some(at) => {
                line_start = at.saturating_add(1);
                line_end = None;
            }
            Some(b'\n') => return failed(LineProblem::BareLf, at),
            Some(b'\r') => {
                let next = at.saturating_add(1);
                if bytes.get(next) != Some(&b'\n') {
                    return failed(LineProblem::BareCr, at);
                }
                if at.saturating_sub(line_start) > limit {
                    return failed(LineProblem::TooLong(limit), line_start);
                }
                line_end = Some(next);
            }
            _ => return failed(LineProblem::Nul, at),
        }
    }
    if bytes.len().saturating_sub(line_start) > limit {
        return failed(LineProblem::TooLong(limit), line_start);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        for good in [&b""[..], b"a", b"a\r\n", b"\r\n\r\n", b"a\r\nb"] {
            assert_eq!(check(good), Ok(()));
        }
        for (bad, kind, position) in [
            (&b"a\nb"[..], LineProblem::BareLf, 1),
            (b"\r\n\n", LineProblem::BareLf, 2),
            (b"a\r", LineProblem::BareCr, 1),
            (b"a\r\r\n", LineProblem::BareCr, 1),
            (b"a\0", LineProblem::Nul, 1),
        ] {
            assert_eq!(check(bad), Err(LineError { kind, position }));
        }
    }

    #[test]
    fn a_limit_counts_the_line_without_crlf() {
        assert_eq!(check_within(b"ab\r\nab", 2), Ok(()));
        assert_eq!(check_within(b"a\r\nabc\r\n", 2).unwrap_err().position, 3);
        assert!(check_within(b"abc", 2).is_err());
    }
}
