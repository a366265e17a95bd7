//! A message as text for people: what a releasing officer reads before signing.
//!
//! Promises: shows the first text body and names every attachment; no control character comes out
//! (a message must not drive the reader's terminal); odd input gives a sentence, never a failure.
//! Not for decisions: only the byte-range index of `mime` is.
//! Standards: none; the reading is mail-parser's, which has panicked on crafted input before, so
//! it runs inside one `catch_unwind`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::{MessageParser, MimeHeaders};

/// The first text body, and one line for each attachment.
pub fn of(message: &[u8]) -> String {
    catch_unwind(AssertUnwindSafe(|| read(message)))
        .ok()
        .flatten()
        .unwrap_or_else(|| "(the content cannot be shown as text)\n".to_owned())
}

fn read(message: &[u8]) -> Option<String> {
    let parsed = MessageParser::default().parse(message)?;
    let mut out = match parsed.body_text(0) {
        Some(text) => printable(&text),
        None => "(no text)".to_owned(),
    };
    if !out.ends_with('\n') {
        out.push('\n');
    }
    for part in parsed.attachments() {
        let name = part.attachment_name().unwrap_or("(no name)");
        let kind = part.content_type().map_or_else(
            || "unknown type".to_owned(),
            |t| match t.subtype() {
                Some(subtype) => format!("{}/{subtype}", t.ctype()),
                None => t.ctype().to_owned(),
            },
        );
        let line = format!("[attachment: {name}, {kind}, {} octets]", part.len());
        out.push_str(&printable(&line).replace('\n', " "));
        out.push('\n');
    }
    Some(out)
}

/// Without CR, and with U+FFFD for every other control but LF and TAB, and for the marks that
/// change the direction of writing: they make a text read differently from what it says.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| match c {
            '\n' | '\t' => c,
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_and_the_attachments_are_shown() {
        let message = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\
            \r\nGr=C3=BC=C3=9Fe\r\n--b\r\nContent-Type: application/pdf; name=\"plan.pdf\"\r\n\
            Content-Disposition: attachment; filename=\"plan.pdf\"\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n";
        let text = of(message);
        assert!(text.starts_with("Grüße\n"), "{text}");
        assert!(
            text.contains("[attachment: plan.pdf, application/pdf, 3 octets]"),
            "{text}"
        );
    }

    #[test]
    fn a_message_cannot_drive_the_terminal() {
        let text = of(b"Subject: x\r\n\r\n\x1b[2Jgone \xe2\x80\xaeabc\r\n");
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text}"
        );
        assert!(text.contains("gone"));
    }

    #[test]
    fn odd_input_gives_a_sentence() {
        assert!(of(b"").contains('('));
        assert!(!of(b"\0\xff\xff\r\n--").is_empty());
    }
}
