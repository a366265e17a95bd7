//! LDIF: entries in text, as every directory exports them.
//!
//! Promises: the line of every entry and value is known; long values are joined in one buffer.
//! Refuses: change records, values behind a URL (a file must not make us read another), a line that
//! is no attribute, base64 that is none, an entry without dn. Standards: RFC 2849, RFC 4648 §4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What is wrong in a text, and on which line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {text}")]
pub(super) struct LdifError {
    pub line: usize,
    pub text: &'static str,
}

/// One value of an entry.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Value<'a> {
    pub line: usize,
    pub description: &'a str,
    pub octets: Vec<u8>,
}

/// One entry.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Entry<'a> {
    pub line: usize,
    pub values: Vec<Value<'a>>,
}

/// The entries of a text, one after the other. `wanted` says which attributes are decoded.
pub(super) struct Entries<'a, W> {
    rest: &'a [u8],
    /// The line that `rest` begins with.
    line: usize,
    wanted: W,
}

impl<'a, W: Fn(&str) -> bool> Entries<'a, W> {
    pub fn new(text: &'a [u8], wanted: W) -> Self {
        Self {
            rest: text,
            line: 1,
            wanted,
        }
    }

    /// The next line without its end.
    fn physical(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        self.line = self.line.saturating_add(1);
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// A line and those that continue it, which begin with a space; with the number of the first.
    // RFC 2849 note 2
    fn logical(&mut self, joined: &mut Vec<u8>) -> Option<(usize, &'a [u8])> {
        let number = self.line;
        let first = self.physical()?;
        joined.clear();
        while self.rest.first() == Some(&b' ') {
            let more = self.physical().unwrap_or_default();
            joined.extend_from_slice(more.get(1..).unwrap_or_default());
        }
        Some((number, first))
    }

    fn entry(&mut self) -> Result<Option<Entry<'a>>, LdifError> {
        let mut entry: Option<Entry<'a>> = None;
        let mut more = Vec::new();
        while let Some((line, first)) = self.logical(&mut more) {
            let failed = |text| Err(LdifError { line, text });
            if first.is_empty() && more.is_empty() {
                if entry.is_some() {
                    break;
                }
                continue;
            }
            if first.first() == Some(&b'#') {
                continue;
            }
            let Some(colon) = memchr::memchr(b':', first) else {
                return failed("this is no attribute: NAME: VALUE is expected");
            };
            let (name, value) = first.split_at_checked(colon).unwrap_or_default();
            let value = value.get(1..).unwrap_or_default();
            let Ok(description) = std::str::from_utf8(name) else {
                return failed("the name of an attribute is ASCII");
            };
            let is_plain =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ';' | '_');
            if description.is_empty() || !description.chars().all(is_plain) {
                return failed("the name of an attribute is letters, digits, hyphens and options");
            }
            let is = |known: &str| description.eq_ignore_ascii_case(known);
            if entry.is_none() && is("version") {
                continue;
            }
            if is("changetype") || is("control") {
                return failed("change records are not taken, only entries");
            }
            let Some(entry) = &mut entry else {
                if !is("dn") {
                    return failed("an entry begins with dn");
                }
                entry = Some(Entry {
                    line,
                    values: Vec::new(),
                });
                continue;
            };
            if value.first() == Some(&b'<') {
                return failed("values behind a URL are not fetched");
            }
            if !(self.wanted)(description) {
                continue;
            }
            let octets = match value.strip_prefix(b":") {
                Some(encoded) => {
                    let encoded = [encoded.trim_ascii_start(), &more].concat();
                    match STANDARD.decode(encoded.trim_ascii_end()) {
                        Ok(octets) => octets,
                        Err(_) => return failed("this is not base64"),
                    }
                }
                None => [value.strip_prefix(b" ").unwrap_or(value), &more].concat(),
            };
            entry.values.push(Value {
                line,
                description,
                octets,
            });
        }
        Ok(entry)
    }
}

impl<'a, W: Fn(&str) -> bool> Iterator for Entries<'a, W> {
    type Item = Result<Entry<'a>, LdifError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.entry().transpose();
        if matches!(next, Some(Err(_))) {
            self.rest = &[];
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Entry<'_>>, LdifError> {
        Entries::new(text.as_bytes(), |name: &str| name != "skipped").collect()
    }

    #[test]
    fn entries_values_and_lines_are_read() {
        let text = "version: 1\n# a comment\n that goes on\n\ndn: cn=Anna\ncn: Anna\r\n\
                    mail: anna@al\n der.example\nskipped:: ====\nuserCertificate;binary:: AQ\n ID\n\n\n\
                    dn:: Y249Qg==\ncn:B\n";
        let value = |line, description, octets: &[u8]| Value {
            line,
            description,
            octets: octets.to_vec(),
        };
        let anna = Entry {
            line: 5,
            values: vec![
                value(6, "cn", b"Anna"),
                value(7, "mail", b"anna@alder.example"),
                value(10, "userCertificate;binary", &[1, 2, 3]),
            ],
        };
        let b = Entry {
            line: 14,
            values: vec![value(15, "cn", b"B")],
        };
        assert_eq!(read(text).unwrap(), [anna, b]);
        assert_eq!(read("").unwrap(), []);
    }

    #[test]
    fn what_is_no_plain_entry_is_refused_with_its_line() {
        for (text, line, why) in [
            ("cn: x\n", 1, "begins with dn"),
            ("dn: x\nchangetype: delete\n", 2, "change records"),
            ("dn: x\ncert:< file:///etc/shadow\n", 2, "URL"),
            ("dn: x\n\ndn: y\ncert:: A\n", 4, "base64"),
            ("dn: x\nnonsense\n", 2, "NAME: VALUE"),
            ("dn: x\nna me: y\n", 2, "letters"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.text.contains(why), "{text:?}: {error}");
        }
    }
}
