//! The hash chain: events as numbered lines of JSON, each bound to the line before it.
//!
//! A line is `{"seq":2,"prev":"<hex>","at":...,...,"hash":"<hex>"}`. Its hash is the SHA-384 of the
//! line without the member `,"hash":"<hex>"` and without its line end; `prev` is the hash of the
//! line before, 96 zeros in line 1. So that anyone can check line 2 of a file with two tools:
//! `sed -n 2p FILE | sed 's/,"hash":"[0-9a-f]*"}$/}/' | tr -d '\n' | sha384sum`
//!
//! Promises: a changed, added, removed or moved line is found and named by [`verify`].
//! Refuses (in `verify`): a last line without its end, a line above 1 MiB.

use std::io::{BufRead, Read};

use serde::{Deserialize, Serialize};

use super::Event;
use crate::clock::Timestamp;
use crate::crypto::algorithm::Digest;
use crate::crypto::provider;

/// No record is longer; a longer line is not ours and is not read into memory.
const LINE_LIMIT: usize = 1 << 20;
const HASH_DIGITS: usize = 96;
const HASH_MEMBER: &str = ",\"hash\":\"";

/// The number and the hash of the last record of a chain; what the next record is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number of the record; 0 before the first.
    pub sequence: u64,
    /// Its hash in hexadecimal digits.
    pub hash: String,
}

impl Head {
    /// What stands before the first record.
    pub fn before_first() -> Self {
        Self {
            sequence: 0,
            hash: "0".repeat(HASH_DIGITS),
        }
    }
}

/// One line of the chain, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 1.
    pub sequence: u64,
    /// The text that the export holds.
    pub line: String,
}

/// The growing end of a chain.
#[derive(Clone, Debug)]
pub struct Chain {
    head: Head,
}

impl Chain {
    /// Goes on after `head`.
    pub fn after(head: Head) -> Self {
        Self { head }
    }

    /// The last record's number and hash.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Binds `event` to the chain.
    pub fn append(&mut self, event: &Event) -> Record {
        let sequence = self.head.sequence + 1;
        let mut unhashed = unhashed_line(sequence, &self.head.hash, event);
        if unhashed.len() + HASH_MEMBER.len() + HASH_DIGITS + 2 > LINE_LIMIT {
            let count = event.details.len();
            let mut event = event.clone();
            event.details.clear();
            let event = event.detail("dropped", format!("{count} details, too long for a line"));
            unhashed = unhashed_line(sequence, &self.head.hash, &event);
        }
        let hash = sha384_hex(&[unhashed.as_bytes()]);
        unhashed.pop();
        let line = format!("{unhashed}{HASH_MEMBER}{hash}\"}}");
        self.head = Head { sequence, hash };
        Record { sequence, line }
    }
}

/// What a chain that is whole holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// How many records.
    pub records: u64,
    /// When the first was made; `None` in an empty chain.
    pub first: Option<Timestamp>,
    /// When the last was made.
    pub last: Option<Timestamp>,
    /// The hash of the last record: compare it with one that was kept elsewhere.
    pub head_hash: String,
}

/// A chain that is not whole: where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct ChainError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub text: String,
}

/// Checks a whole exported chain.
pub fn verify(reader: impl BufRead) -> Result<Summary, ChainError> {
    verify_after(Head::before_first(), reader)
}

/// Checks a part of a chain that begins after `head`.
pub fn verify_after(head: Head, reader: impl BufRead) -> Result<Summary, ChainError> {
    walk(head, reader, |_, _| Ok(()))
}

/// Checks a chain that begins after `head`, and shows each good line to `look`, with the number and
/// hash of its record; what `look` finds wrong is the error of that line.
pub(super) fn walk(
    head: Head,
    mut reader: impl BufRead,
    mut look: impl FnMut(&str, &Head) -> Result<(), String>,
) -> Result<Summary, ChainError> {
    let mut head = head;
    let mut summary = Summary {
        records: 0,
        first: None,
        last: None,
        head_hash: head.hash.clone(),
    };
    loop {
        let number = summary.records + 1;
        let wrong = |text: String| ChainError { line: number, text };
        let Some(line) = read_line(&mut reader).map_err(wrong)? else {
            return Ok(summary);
        };
        let at = check_line(&line, &mut head).map_err(wrong)?;
        look(&line, &head).map_err(wrong)?;
        summary.records = number;
        summary.first.get_or_insert(at);
        summary.last = Some(at);
        summary.head_hash.clone_from(&head.hash);
    }
}

/// The end of the chain whose last line is `line`, if that line is whole in itself.
///
/// # Errors
/// What is wrong with the line, in words.
pub fn head_of(line: &str) -> Result<Head, String> {
    let (found, hash) = check_hash(line)?;
    Ok(Head {
        sequence: found.seq,
        hash: hash.to_owned(),
    })
}

/// The hash of a line that begins so.
#[cfg(test)]
pub(super) fn hash_of(body: &str) -> String {
    sha384_hex(&[body.as_bytes(), b"}"])
}

/// SHA-384 in hexadecimal digits, as in every record.
fn sha384_hex(parts: &[&[u8]]) -> String {
    hex(&provider::default().digest(Digest::Sha384, parts))
}

#[derive(Serialize)]
struct Unhashed<'a> {
    seq: u64,
    prev: &'a str,
    #[serde(flatten)]
    event: &'a Event,
}

#[derive(Deserialize)]
struct Found {
    seq: u64,
    prev: String,
    at: Timestamp,
}

fn unhashed_line(seq: u64, prev: &str, event: &Event) -> String {
    // Every member is a string, a number or a map of strings: there is no form that JSON lacks.
    serde_json::to_string(&Unhashed { seq, prev, event }).expect("an event has a form in JSON")
}

fn check_line(line: &str, head: &mut Head) -> Result<Timestamp, String> {
    let (found, hash) = check_hash(line)?;
    let expected = head.sequence + 1;
    if found.seq != expected {
        return Err(format!(
            "it has the number {} where {expected} is due: a line was removed, added or moved",
            found.seq
        ));
    }
    if found.prev != head.hash {
        return Err(format!(
            "it follows a record with the hash {} but the one before it has {}: one of the two was replaced",
            short(&found.prev),
            short(&head.hash)
        ));
    }
    *head = Head {
        sequence: found.seq,
        hash: hash.to_owned(),
    };
    Ok(found.at)
}

fn check_hash(line: &str) -> Result<(Found, &str), String> {
    let (body, hash) = line
        .strip_suffix("\"}")
        .and_then(|rest| rest.split_at_checked(rest.len().checked_sub(HASH_DIGITS)?))
        .and_then(|(body, hash)| Some((body.strip_suffix(HASH_MEMBER)?, hash)))
        .ok_or("it does not end with a member \"hash\" of 96 hexadecimal digits")?;
    let computed = sha384_hex(&[body.as_bytes(), b"}"]);
    if computed != hash {
        return Err(format!(
            "its text was changed: the hash in it is {}, that of its text is {}",
            short(hash),
            short(&computed)
        ));
    }
    let found =
        serde_json::from_str(line).map_err(|error| format!("it is not a record: {error}"))?;
    Ok((found, hash))
}

pub(super) fn read_line(reader: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    let limit = u64::try_from(LINE_LIMIT).unwrap_or(u64::MAX);
    reader
        .by_ref()
        .take(limit)
        .read_until(b'\n', &mut line)
        .map_err(|error| format!("it cannot be read: {error}"))?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => String::from_utf8(line).map(Some).map_err(|error| {
            format!(
                "octet {} is not UTF-8",
                error.utf8_error().valid_up_to() + 1
            )
        }),
        Some(_) if line.len() + 1 == LINE_LIMIT => Err("it is longer than any record".into()),
        Some(_) => Err("it has no line end: the file was cut here".into()),
    }
}

pub(super) fn short(hash: &str) -> String {
    hash.chars().take(12).chain(['…']).collect()
}

fn hex(octets: &[u8]) -> String {
    let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 0x0f]);
    let digits = nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16));
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Act;
    use crate::message::MessageId;

    fn chain_of(count: u8) -> Vec<String> {
        let mut chain = Chain::after(Head::before_first());
        (1..=count)
            .map(|n| {
                let event = Event::new(
                    Timestamp::from_second(1_795_000_000 + i64::from(n)).unwrap(),
                    Act::Accepted,
                    "peer",
                )
                .message(MessageId::new([n; 16]))
                .decision("pass")
                .detail("size", n);
                chain.append(&event).line
            })
            .collect()
    }

    fn check(lines: &[String]) -> Result<Summary, ChainError> {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        verify(text.as_bytes())
    }

    #[test]
    fn a_whole_chain_is_summed_up() {
        let summary = check(&chain_of(5)).unwrap();
        assert_eq!(summary.records, 5);
        assert_eq!(summary.first.unwrap().as_second(), 1_795_000_001);
        assert_eq!(summary.last.unwrap().as_second(), 1_795_000_005);
        assert_eq!(check(&[]).unwrap().records, 0);
    }

    #[test]
    fn the_hash_is_sha384_of_the_line_without_it() {
        let line = chain_of(1).remove(0);
        let at = line.find(",\"hash\"").unwrap();
        let text = format!("{}}}", &line[..at]);
        let digest = sha384_hex(&[text.as_bytes()]);
        assert!(line.ends_with(&format!("\"hash\":\"{digest}\"}}")));
        // FIPS 180-4 sample: SHA-384("abc")
        assert!(sha384_hex(&[b"a", b"bc"]).starts_with("cb00753f45a35e8bb5a03d699ac65007"));
    }

    #[test]
    fn any_changed_character_is_found_in_its_line() {
        let good = chain_of(3);
        for at in 0..good[1].len() {
            let mut bad = good.clone();
            let mut octets = bad[1].clone().into_bytes();
            octets[at] = if octets[at] == b'7' { b'8' } else { b'7' };
            bad[1] = String::from_utf8(octets).unwrap();
            assert_eq!(check(&bad).unwrap_err().line, 2, "octet {at} of {}", bad[1]);
        }
    }

    #[test]
    fn each_field_is_bound_even_when_its_own_hash_is_made_anew() {
        let good = chain_of(3);
        for (from, to) in [
            ("\"seq\":2", "\"seq\":4"),
            ("\"size\":\"2\"", "\"size\":\"3\""),
        ] {
            let mut bad = good.clone();
            let at = bad[1].find(HASH_MEMBER).unwrap();
            let body = bad[1][..at].replace(from, to);
            let hash = sha384_hex(&[body.as_bytes(), b"}"]);
            bad[1] = format!("{body}{HASH_MEMBER}{hash}\"}}");
            let error = check(&bad).unwrap_err();
            assert!(
                error.line == 2 || error.text.contains("replaced"),
                "{error}"
            );
        }
    }

    #[test]
    fn removed_swapped_and_repeated_lines_are_found() {
        let good = chain_of(4);
        let mut removed = good.clone();
        removed.remove(1);
        assert_eq!(check(&removed).unwrap_err().line, 2);
        let mut first_removed = good.clone();
        first_removed.remove(0);
        assert_eq!(check(&first_removed).unwrap_err().line, 1);
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        assert_eq!(check(&swapped).unwrap_err().line, 2);
        let mut repeated = good.clone();
        repeated.insert(2, good[1].clone());
        assert_eq!(check(&repeated).unwrap_err().line, 3);
    }

    #[test]
    fn a_torn_end_and_foreign_text_are_named() {
        let text = chain_of(2).join("\n");
        assert!(
            verify(text.as_bytes())
                .unwrap_err()
                .text
                .contains("line end")
        );
        assert!(verify(&b"hello\n"[..]).unwrap_err().text.contains("hash"));
        assert!(verify(&b"\xff\n"[..]).unwrap_err().text.contains("octet 1"));
        let long = vec![b'x'; LINE_LIMIT + 10];
        assert!(verify(&long[..]).unwrap_err().text.contains("longer"));
    }

    #[test]
    fn a_part_is_checked_from_its_own_head() {
        let lines = chain_of(4);
        let head = head_of(&lines[1]).unwrap();
        let rest = format!("{}\n{}\n", lines[2], lines[3]);
        assert_eq!(verify_after(head, rest.as_bytes()).unwrap().records, 2);
        assert!(verify(rest.as_bytes()).is_err());
    }

    #[test]
    fn an_event_too_long_for_a_line_still_leaves_a_record() {
        let mut event = Event::new(Timestamp::UNIX_EPOCH, Act::Fault, "switch");
        for n in 0..1000 {
            event = event.detail(format!("d{n}"), "x".repeat(2000));
        }
        let record = Chain::after(Head::before_first()).append(&event);
        assert!(record.line.len() < LINE_LIMIT && record.line.contains("dropped"));
        assert_eq!(check(&[record.line]).unwrap().records, 1);
    }
}
