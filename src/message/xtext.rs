//! xtext: how SMTP parameters carry text that a parameter cannot hold.
//!
//! Promises: an `Xtext` is kept exactly as it came, so that it is passed on octet for octet; what it
//! decodes to is printable ASCII, so that it can stand in a header field.
//! Refuses: `+0D` and `+0A` and every other control character in disguise, lower-case digits, a
//! loose `+`.
//! Attack stopped here: a line end that travels encoded through the envelope and becomes a header
//! field, or a command, where somebody decodes it.
//! Standards: RFC 3461 §4, §4.2, §4.4; RFC 6533 §3.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text in xtext, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Xtext(String);

/// A text that is not xtext, or decodes to what is not printable ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not xtext of printable ASCII")]
pub struct NotXtext;

impl Xtext {
    /// Reads xtext.
    ///
    /// # Errors
    /// When it is no xtext, or a character that it stands for is not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, NotXtext> {
        decode(text).map(|_| Self(text.to_owned())).ok_or(NotXtext)
    }

    /// The xtext of a printable text.
    ///
    /// # Errors
    /// When a character is not printable ASCII.
    pub fn encode(text: &str) -> Result<Self, NotXtext> {
        let mut out = String::new();
        for octet in text.bytes() {
            match octet {
                b'+' | b'=' | b' ' => out.push_str(&format!("+{octet:02X}")),
                b'!'..=b'~' => out.push(char::from(octet)),
                _ => return Err(NotXtext),
            }
        }
        Ok(Self(out))
    }

    /// As it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it stands for.
    pub fn decoded(&self) -> String {
        // Checked by `parse`.
        decode(&self.0).unwrap_or_default()
    }
}

impl From<Xtext> for String {
    fn from(text: Xtext) -> Self {
        text.0
    }
}

impl TryFrom<String> for Xtext {
    type Error = NotXtext;

    fn try_from(text: String) -> Result<Self, NotXtext> {
        Self::parse(&text)
    }
}

impl fmt::Display for Xtext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// RFC 3461 §4: xchar, or + and two upper-case hexadecimal digits
fn decode(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'+' => {
                let high = digit(octets.next()?)?;
                high.checked_mul(16)?.checked_add(digit(octets.next()?)?)?
            }
            b'!'..=b'<' | b'>'..=b'~' => octet,
            _ => return None,
        };
        // RFC 3461 §4.4: graphic characters and white space of US-ASCII; no control character
        if !(b' '..=b'~').contains(&octet) {
            return None;
        }
        out.push(char::from(octet));
    }
    Some(out)
}

fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => octet.checked_sub(b'0'),
        b'A'..=b'F' => octet.checked_sub(b'A').and_then(|n| n.checked_add(10)),
        _ => None,
    }
}

// RFC 6533 §3
/// Whether a text is a utf-8 address of an ORCPT: printable characters and `\x{HEX}`, with
/// characters outside ASCII as themselves only when `utf8` is spoken. What `\x{HEX}` stands for is
/// no control character and no ASCII character that could have stood there itself.
pub fn is_utf8_address(text: &str, utf8: bool) -> bool {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            let Some((hex, after)) = rest
                .strip_prefix("\\x{")
                .and_then(|inner| inner.split_once('}'))
            else {
                return false;
            };
            let upper = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
            let shape = (2..=6).contains(&hex.len()) && hex.bytes().all(upper);
            let stands_for = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
            let allowed = |c: char| !c.is_control() && (!c.is_ascii() || "\\+= ".contains(c));
            if !shape || !stands_for.is_some_and(allowed) {
                return false;
            }
            rest = after;
            continue;
        }
        let plain = c.is_ascii_graphic() && !"+=".contains(c);
        let wide = utf8 && !c.is_ascii() && !c.is_control();
        if !plain && !wide {
            return false;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_comes_back_as_it_came() {
        for (wire, text) in [
            ("QQ314159", "QQ314159"),
            ("a+20b+2Bc+3D", "a b+c="),
            ("", ""),
        ] {
            let xtext = Xtext::parse(wire).unwrap();
            assert_eq!(xtext.as_str(), wire);
            assert_eq!(xtext.decoded(), text);
            assert_eq!(Xtext::encode(text).unwrap(), xtext);
        }
        // Needlessly encoded, and still passed on as it came.
        assert_eq!(Xtext::parse("+41").unwrap().as_str(), "+41");
    }

    #[test]
    fn no_control_character_hides_in_xtext() {
        for bad in [
            "+0D+0A", "+0a", "+00", "+7F", "+80", "+", "+4", "+4g", "+4a", "a=b", "a b", "\u{e4}",
            "a\r",
        ] {
            assert_eq!(Xtext::parse(bad), Err(NotXtext), "{bad:?}");
        }
        assert!(Xtext::encode("a\r\n").is_err());
        assert!(serde_json::from_str::<Xtext>("\"+0A\"").is_err());
    }

    #[test]
    fn a_utf8_address_hides_nothing_either() {
        assert!(is_utf8_address("j\\x{FC}rgen@x.example", false));
        assert!(is_utf8_address("jürgen@x.example", true));
        for bad in [
            "",
            "jürgen@x",
            "\\x{D}",
            "\\x{0D}",
            "\\x{0A}",
            "\\x{41}",
            "\\x{D800}",
            "\\x{fc}",
            "\\",
            "a b",
            "a+b",
            "\\x{FC",
        ] {
            assert!(!is_utf8_address(bad, false), "{bad:?}");
        }
        assert!(!is_utf8_address("a\u{85}b", true));
    }
}
