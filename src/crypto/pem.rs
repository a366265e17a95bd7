//! Textual encoding of keys, certificates and CRLs.
//!
//! Promises: every block comes with its label and the line on which it begins; text between blocks
//! (as other tools write it) is passed over; what holds a key is zeroized.
//! Refuses: a block without end, wrong base64. Standards: RFC 7468.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// One block of a PEM file. Has no `Debug`: it may be a private key.
pub struct Block {
    /// Between BEGIN and the dashes, for example `CERTIFICATE`.
    pub label: String,
    /// The decoded octets.
    pub der: Zeroizing<Vec<u8>>,
    /// The line of the BEGIN, counted from 1.
    pub line: usize,
}

/// Why a PEM file cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PemError {
    /// The line of the BEGIN of the block, counted from 1.
    pub line: usize,
    /// What is wrong with the block.
    pub problem: &'static str,
}

/// All blocks of a file, in order.
pub fn blocks(text: &[u8]) -> Result<Vec<Block>, PemError> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, Zeroizing<Vec<u8>>)> = None;
    for (line, number) in text.split(|octet| *octet == b'\n').zip(1usize..) {
        let line = line.trim_ascii();
        if let Some(label) = boundary(line, b"-----BEGIN ") {
            if let Some((_, line, _)) = open {
                return Err(PemError {
                    line,
                    problem: "the block has no END",
                });
            }
            // Never grows, so that no copy of a key is left behind in freed memory.
            let body = Zeroizing::new(Vec::with_capacity(text.len()));
            open = Some((label, number, body));
        } else if let Some(end) = boundary(line, b"-----END ") {
            let Some((label, line, body)) = open.take() else {
                return Err(PemError {
                    line: number,
                    problem: "END without BEGIN",
                });
            };
            if label != end {
                return Err(PemError {
                    line,
                    problem: "BEGIN and END name different things",
                });
            }
            let der = STANDARD.decode(body.as_slice()).map_err(|_| PemError {
                line,
                problem: "the block is not base64",
            })?;
            found.push(Block {
                label,
                der: Zeroizing::new(der),
                line,
            });
        } else if let Some((_, begin, body)) = &mut open {
            // RFC 1421 headers ("Proc-Type: 4,ENCRYPTED") mean the old encryption of PEM files.
            if line.contains(&b':') {
                return Err(PemError {
                    line: *begin,
                    problem: "is encrypted in the old PEM way; convert it to PKCS #8",
                });
            }
            body.extend(line.iter().filter(|octet| !octet.is_ascii_whitespace()));
        }
    }
    match open {
        None => Ok(found),
        Some((_, line, _)) => Err(PemError {
            line,
            problem: "the block has no END",
        }),
    }
}

/// One block, in lines of 64 characters.
pub fn encode(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(STANDARD.encode(der));
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in body.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

fn boundary(line: &[u8], start: &[u8]) -> Option<String> {
    let label = line.strip_prefix(start)?.strip_suffix(b"-----")?;
    String::from_utf8(label.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_with_label_and_line() {
        let text = format!(
            "Bag Attributes\r\n    friendlyName: x\r\n{}subject=CN = y\n{}",
            encode("CERTIFICATE", &[7; 100]),
            encode("PRIVATE KEY", b"key")
        );
        let found = blocks(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].label, "CERTIFICATE");
        assert_eq!(found[0].line, 3);
        assert_eq!(found[0].der.as_slice(), [7; 100]);
        assert_eq!(found[1].der.as_slice(), b"key");
        assert!(blocks(b"").unwrap().is_empty());
    }

    #[test]
    fn broken_blocks_are_refused_with_their_line() {
        for (text, line) in [
            ("\n-----BEGIN X-----\nAAAA\n", 2),
            ("-----END X-----\n", 1),
            ("-----BEGIN X-----\nA*AA\n-----END X-----\n", 1),
            ("-----BEGIN X-----\nAAAA\n-----END Y-----\n", 1),
            ("-----BEGIN X-----\n-----BEGIN X-----\n", 1),
            (
                "-----BEGIN X-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END X-----\n",
                1,
            ),
        ] {
            assert_eq!(
                blocks(text.as_bytes()).err().map(|e| e.line),
                Some(line),
                "{text}"
            );
        }
    }
}
