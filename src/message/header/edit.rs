//! Changes to single top-level header fields of a message.
//!
//! Promises: the body and every field that no edit names stay octet for octet as received.
//! Not for signed ranges: a part inside multipart/signed has its own header, which this never
//! touches.
//! Refuses: a message whose header cannot be read.

use super::{HeaderError, Headers, Limits, Line};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Puts a field after the last one.
    Append(Line),
    /// Puts a field before the first one, as trace fields go (RFC 5321 §4.4). Of several, the
    /// last stands on top.
    Prepend(Line),
    /// Takes all fields of that name away.
    Remove(String),
    /// Puts the field where the first of its name stood and takes the others away; if there was
    /// none, appends it.
    Replace(Line),
}

/// The message with these changes.
pub fn edited(message: &[u8], edits: &[Edit], limits: Limits) -> Result<Vec<u8>, HeaderError> {
    let (headers, body) = Headers::parse(message, limits)?;
    let mut out = Vec::with_capacity(message.len().saturating_add(1024));
    for edit in edits.iter().rev() {
        if let Edit::Prepend(line) = edit {
            out.extend_from_slice(line.bytes());
        }
    }
    let mut replaced = vec![false; edits.len()];
    for field in headers.fields() {
        let touching = edits.iter().position(|edit| match edit {
            Edit::Remove(name) => field.is(name),
            Edit::Replace(line) => field.is(line.name()),
            Edit::Append(_) | Edit::Prepend(_) => false,
        });
        match touching.and_then(|at| Some((edits.get(at)?, replaced.get_mut(at)?))) {
            None => append_line(&mut out, field.raw(message)),
            Some((Edit::Replace(line), done)) => {
                if !*done {
                    out.extend_from_slice(line.bytes());
                    *done = true;
                }
            }
            Some(_) => {}
        }
    }
    for (edit, done) in edits.iter().zip(replaced) {
        match edit {
            Edit::Append(line) => out.extend_from_slice(line.bytes()),
            Edit::Replace(line) if !done => out.extend_from_slice(line.bytes()),
            _ => {}
        }
    }
    let after_fields = headers.fields().last().map_or(0, |field| field.range().end);
    // The empty line and the body, or nothing if the message is a header only.
    out.extend_from_slice(message.get(after_fields..).unwrap_or_default());
    debug_assert!(after_fields <= body);
    Ok(out)
}

/// The message without the fields of these names.
pub fn without(message: &[u8], names: &[&str], limits: Limits) -> Result<Vec<u8>, HeaderError> {
    let edits: Vec<Edit> = names
        .iter()
        .map(|name| Edit::Remove((*name).to_owned()))
        .collect();
    edited(message, &edits, limits)
}

/// A last field without CRLF (a message that is a header only) gets one: another may follow.
fn append_line(out: &mut Vec<u8>, raw: &[u8]) {
    out.extend_from_slice(raw);
    if !raw.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"From:  a@x\r\nBCC: s@x,\r\n t@x\r\nTo: b@x\r\nbcc: u@x\r\n\r\nBcc: body\r\n";

    fn line(name: &str, value: &str) -> Line {
        Line::structured(name, value).unwrap()
    }

    #[test]
    fn removed_fields_go_and_all_else_stays() {
        assert_eq!(
            without(MESSAGE, &["Bcc"], Limits::default()).unwrap(),
            b"From:  a@x\r\nTo: b@x\r\n\r\nBcc: body\r\n"
        );
        assert_eq!(
            without(MESSAGE, &["Cc"], Limits::default()).unwrap(),
            MESSAGE
        );
    }

    #[test]
    fn fields_are_replaced_in_place_and_added_at_the_ends() {
        let edits = [
            Edit::Prepend(line("Received", "1")),
            Edit::Prepend(line("Received", "2")),
            Edit::Replace(line("Bcc", "n@x")),
            Edit::Replace(line("Cc", "c@x")),
            Edit::Append(line("X", "y")),
        ];
        let expected: &[u8] =
            b"Received: 2\r\nReceived: 1\r\nFrom:  a@x\r\nBcc: n@x\r\nTo: b@x\r\n\
            Cc: c@x\r\nX: y\r\n\r\nBcc: body\r\n";
        assert_eq!(
            edited(MESSAGE, &edits, Limits::default()).unwrap(),
            expected
        );
    }

    #[test]
    fn a_message_without_fields_or_body_can_be_edited() {
        let edits = [Edit::Append(line("X", "y"))];
        let read = |bytes| edited(bytes, &edits, Limits::default()).unwrap();
        assert_eq!(read(b"\r\nbody"), b"X: y\r\n\r\nbody");
        assert_eq!(read(b"A: b"), b"A: b\r\nX: y\r\n");
        assert!(edited(b"no header\r\n\r\n", &edits, Limits::default()).is_err());
    }
}
