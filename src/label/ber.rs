//! Duty: BER with indefinite or non-minimal lengths as the same elements with minimal definite lengths.
//! Promises: only lengths change; work is linear in the input times its depth, which is bounded.
//! Refuses: long tags, nesting deeper than [`DEPTH_LIMIT`], strings in pieces, what ends too early.
//! Standards: X.690 §8.1.3; RFC 7444 §2 (SIO-Label carries BER).

use super::der::{SyntaxError, SyntaxProblem, element};

/// Deeper nesting has no label.
const DEPTH_LIMIT: usize = 16;
/// Longer octets are no label.
const SIZE_LIMIT: usize = 1 << 20;

/// Rewrites every length in its shortest definite form.
///
/// # Errors
/// When the octets are not exactly one BER element.
pub fn definite(octets: &[u8]) -> Result<Vec<u8>, SyntaxError> {
    if octets.len() > SIZE_LIMIT {
        return Err(SyntaxProblem::Length.at(0));
    }
    let mut walk = Walk { octets, at: 0 };
    let written = walk.element(0)?;
    if walk.at < octets.len() {
        return Err(SyntaxProblem::Trailing.at(walk.at));
    }
    Ok(written)
}

struct Walk<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn octet(&mut self) -> Result<u8, SyntaxError> {
        let octet = self.octets.get(self.at).copied();
        let octet = octet.ok_or(SyntaxProblem::EndsEarly.at(self.at))?;
        self.at = self.at.saturating_add(1);
        Ok(octet)
    }

    fn element(&mut self, depth: usize) -> Result<Vec<u8>, SyntaxError> {
        let start = self.at;
        if depth > DEPTH_LIMIT {
            return Err(SyntaxProblem::Length.at(start));
        }
        let tag = self.octet()?;
        let constructed = tag & 0x20 != 0;
        let (expected, found) = ("a tag below 31 that is no string in pieces", tag);
        // X.690 §8.7.3, §8.21: strings in pieces have no use in labels.
        if tag & 0x1f == 0x1f || matches!(tag, 0x23 | 0x24 | 0x2c | 0x33) {
            return Err(SyntaxProblem::UnexpectedTag { expected, found }.at(start));
        }
        let end = match self.length(start)? {
            None if constructed => None,
            None => return Err(SyntaxProblem::Length.at(start)),
            Some(length) => {
                let end = self.at.saturating_add(length);
                if end > self.octets.len() {
                    return Err(SyntaxProblem::EndsEarly.at(start));
                }
                Some(end)
            }
        };
        let mut content = Vec::new();
        match end {
            Some(end) if !constructed => {
                content.extend_from_slice(self.octets.get(self.at..end).unwrap_or_default());
                self.at = end;
            }
            Some(end) => {
                while self.at < end {
                    content.extend(self.element(depth.saturating_add(1))?);
                }
                if self.at != end {
                    return Err(SyntaxProblem::EndsEarly.at(start));
                }
            }
            None => {
                // X.690 §8.1.5: end-of-contents octets.
                while self.octets.get(self.at..self.at.saturating_add(2)) != Some(&[0, 0]) {
                    content.extend(self.element(depth.saturating_add(1))?);
                }
                self.at = self.at.saturating_add(2);
            }
        }
        Ok(element(tag, &content))
    }

    /// `None`: indefinite.
    fn length(&mut self, start: usize) -> Result<Option<usize>, SyntaxError> {
        let first = self.octet()?;
        if first < 0x80 {
            return Ok(Some(usize::from(first)));
        }
        if first == 0x80 {
            return Ok(None);
        }
        let mut value = 0usize;
        for _ in 0..(first & 0x7f) {
            let digit = self.octet()?;
            if value > SIZE_LIMIT {
                return Err(SyntaxProblem::Length.at(start));
            }
            value = (value << 8) | usize::from(digit);
        }
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_become_definite_and_short() {
        let wanted = Ok(vec![0x31, 6, 2, 1, 3, 6, 1, 0x29]);
        for octets in [
            &[0x31, 6, 2, 1, 3, 6, 1, 0x29][..],
            &[0x31, 0x80, 2, 1, 3, 6, 1, 0x29, 0, 0],
            &[0x31, 0x82, 0, 6, 2, 1, 3, 6, 1, 0x29],
            &[0x31, 0x81, 7, 2, 0x81, 1, 3, 6, 1, 0x29],
        ] {
            assert_eq!(definite(octets), wanted);
        }
    }

    #[test]
    fn what_is_refused() {
        for octets in [
            &[][..],
            &[0x31],
            &[0x31, 0x80, 2, 1, 3],
            &[0x31, 2, 2, 1],
            &[0x31, 3, 2, 2, 1, 1],
            &[2, 0x80, 0, 0],
            &[0x3f, 1, 0],
            &[0x23, 0x80, 0, 0],
            &[0x31, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            &[0x31, 0, 0],
        ] {
            assert!(definite(octets).is_err(), "{octets:x?}");
        }
        assert!(definite(&[0x31, 0x80].repeat(1000)).is_err());
    }
}
