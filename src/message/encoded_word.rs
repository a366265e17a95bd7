//! Non-ASCII text inside header fields.
//!
//! Promises: what `encode` writes is ASCII without CR or LF, in words of at most 75 octets that
//! each decode alone; what `decode` cannot read stays as it was written; `decode` returns no
//! control character, however it was encoded.
//! Standards: RFC 2047 §2, §4, §5, §6.2.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

// RFC 2047 §2: 75 octets at most; 12 are frame, so 60 of base64, which are 45 of text
const TEXT_PER_WORD: usize = 45;

/// The text as encoded words, separated by single spaces.
pub fn encode(text: &str) -> String {
    let mut words = Vec::new();
    let mut chunk = String::new();
    for c in text.chars() {
        // RFC 2047 §5 (3): a character is never split between words
        if chunk.len().saturating_add(c.len_utf8()) > TEXT_PER_WORD {
            words.push(word(&chunk));
            chunk.clear();
        }
        chunk.push(c);
    }
    if !chunk.is_empty() {
        words.push(word(&chunk));
    }
    words.join(" ")
}

/// The text with its encoded words (UTF-8, US-ASCII, ISO-8859-1) decoded.
pub fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, from_start) = rest.split_at_checked(start).unwrap_or((rest, ""));
        // RFC 2047 §6.2: white space between two encoded words is not part of the text
        if !(after_word && before.chars().all(|c| c == ' ' || c == '\t')) {
            out.push_str(before);
        }
        match decode_word(from_start) {
            Some((decoded, length)) => {
                out.extend(decoded.chars().filter(|c| !c.is_control()));
                rest = from_start.get(length..).unwrap_or_default();
                after_word = true;
            }
            None => {
                out.push_str("=?");
                rest = from_start.get(2..).unwrap_or_default();
                after_word = false;
            }
        }
    }
    out.push_str(rest);
    out
}

fn word(text: &str) -> String {
    format!("=?UTF-8?B?{}?=", STANDARD.encode(text))
}

/// The decoded word that `text` begins with, and how long it is.
fn decode_word(text: &str) -> Option<(String, usize)> {
    let mut parts = text.get(2..)?.splitn(4, '?');
    let (charset, encoding, payload) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?.strip_prefix('=')?;
    let length = [charset.len(), encoding.len(), payload.len(), 6]
        .into_iter()
        .fold(0_usize, usize::saturating_add);
    if length > 256 || payload.contains(' ') {
        return None;
    }
    let octets = match encoding {
        "B" | "b" => STANDARD.decode(payload).ok()?,
        "Q" | "q" => decode_q(payload)?,
        _ => return None,
    };
    // RFC 2231 §5: a language may follow the character set
    let charset = charset.split('*').next().unwrap_or_default();
    let decoded = match charset.to_ascii_lowercase().as_str() {
        "utf-8" | "us-ascii" => String::from_utf8(octets).ok()?,
        "iso-8859-1" => octets.into_iter().map(char::from).collect(),
        _ => return None,
    };
    Some((decoded, length))
}

// RFC 2047 §4.2
fn decode_q(payload: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(payload.len());
    let mut octets = payload.bytes();
    while let Some(octet) = octets.next() {
        out.push(match octet {
            b'_' => b' ',
            b'=' => {
                let digits = [octets.next()?, octets.next()?];
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_decode_to_what_was_encoded() {
        let text = "Lagebericht für die Ostsee — geheim, sehr geheim, wirklich äußerst geheim";
        let encoded = encode(text);
        assert!(encoded.is_ascii());
        assert!(encoded.split(' ').all(|word| word.len() <= 75));
        assert_eq!(decode(&encoded), text);
    }

    #[test]
    fn q_words_and_latin_1_are_read() {
        assert_eq!(decode("a =?ISO-8859-1?Q?J=F6rg_M?= b"), "a Jörg M b");
        assert_eq!(decode("=?utf-8*de?b?w7Y=?= =?utf-8?q?x?="), "öx");
    }

    #[test]
    fn what_cannot_be_read_stays_and_controls_never_come_out() {
        for odd in ["=?", "=?x?q?a?=", "=?utf-8?q?=f?=", "=?utf-8?z?a?=", "a=?b"] {
            assert_eq!(decode(odd), odd);
        }
        assert_eq!(decode("=?utf-8?q?a=0D=0ABcc:_x?="), "aBcc: x");
    }
}
