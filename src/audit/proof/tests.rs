//! Whole chains with checkpoints and a witness, and every way to spoil them.

use std::time::Duration;

use super::*;
use crate::audit::{Act, Chain, Event};
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, Request, Usage};

const SWITCH: &str = "gate.alder.example";

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

fn key(name: &str) -> Identity {
    let authority = Authority::new("CN=Alder CA", now()).unwrap();
    let request = Request::new(&format!("CN={name}"), Usage::Sign, now());
    authority.issue(request).unwrap()
}

/// A chain of so many events; after the numbers in `at`, a checkpoint.
struct Made {
    lines: Vec<String>,
    witness: Vec<String>,
}

fn made(key: &Identity, switch: &str, events: u8, at: &[u8], tale: &str) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("witness");
    let mut chain = Chain::after(Head::before_first());
    let mut lines = Vec::new();
    for n in 1..=events {
        let event = Event::new(now(), Act::Accepted, "peer").detail(tale, n);
        lines.push(chain.append(&event).line);
        if at.contains(&n) {
            let point = Checkpoint::sign(key, switch, chain.head(), now()).unwrap();
            lines.push(chain.append(&point.event()).line);
            witness::append(&path, &point).unwrap();
        }
    }
    let witness = std::fs::read_to_string(&path).unwrap_or_default();
    Made {
        lines,
        witness: witness.lines().map(str::to_owned).collect(),
    }
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn proof(lines: &[String], by: &[&Identity], witness: &[String]) -> Result<Proof, Broken> {
    let certificates: Vec<_> = by.iter().map(|key| key.certificate().clone()).collect();
    let witness = text(witness);
    check(
        text(lines).as_bytes(),
        &certificates,
        Some(witness.as_bytes()),
    )
}

fn broken(lines: &[String], by: &[&Identity], witness: &[String]) -> (u64, String) {
    match proof(lines, by, witness) {
        Err(Broken::Chain(error)) => (error.line, error.text),
        other => panic!("{other:?}"),
    }
}

/// A line with another text, and a hash that fits.
fn forged(line: &str, from: &str, to: &str) -> String {
    let body = line.split_once(",\"hash\":").unwrap().0;
    assert!(body.contains(from), "{body}");
    let body = body.replacen(from, to, 1);
    format!(
        "{body},\"hash\":\"{}\"}}",
        super::super::chain::hash_of(&body)
    )
}

#[test]
fn a_whole_chain_is_proven_up_to_its_last_checkpoint() {
    let key = key("Gate");
    let made = made(&key, SWITCH, 9, &[3, 7], "n");
    let found = proof(&made.lines, &[&key], &made.witness).unwrap();
    assert_eq!((found.chain.records, found.checkpoints), (11, 2));
    // Records 1 to 8, and the checkpoint itself, which is record 9.
    assert_eq!((found.signed, found.unsigned(), found.witnessed), (9, 2, 2));
    assert_eq!(found.switch.as_deref(), Some(SWITCH));
    assert_eq!(found.signer.as_deref(), Some("CN=Gate"));
    // Without a certificate nobody vouches for anything.
    let found = proof(&made.lines, &[], &[]).unwrap();
    assert_eq!((found.signed, found.checkpoints), (0, 2));
    let last = made_at_end(&key);
    assert_eq!(proof(&last, &[&key], &[]).unwrap().unsigned(), 0);
}

fn made_at_end(key: &Identity) -> Vec<String> {
    made(key, SWITCH, 4, &[2, 4], "n").lines
}

#[test]
fn a_signer_who_is_not_the_switch_is_named_with_the_line() {
    let (own, other) = (key("Gate"), key("Other"));
    let made = made(&other, SWITCH, 5, &[3], "n");
    let (line, text) = broken(&made.lines, &[&own], &[]);
    assert_eq!(line, 4);
    assert!(text.contains("not by the switch"), "{text}");
    assert!(matches!(
        proof(&made.lines, &[&own], &made.witness),
        Err(Broken::Witness(ChainError { line: 1, .. }))
    ));
    // After a change of keys both are named.
    assert_eq!(proof(&made.lines, &[&own, &other], &[]).unwrap().signed, 4);
}

#[test]
fn a_certificate_that_was_not_valid_then_vouches_for_nothing() {
    let authority = Authority::new("CN=Alder CA", now()).unwrap();
    let late = now() + Duration::from_secs(3600);
    let request =
        Request::new("CN=Gate", Usage::Sign, now()).valid(late, Duration::from_secs(9999));
    let key = authority.issue(request).unwrap();
    let made = made(&key, SWITCH, 3, &[2], "n");
    let (line, text) = broken(&made.lines, &[&key], &[]);
    assert!(line == 3 && text.contains("not valid at"), "{line}: {text}");
}

#[test]
fn changed_removed_moved_and_cut_lines_are_found_where_they_are() {
    let key = key("Gate");
    let good = made(&key, SWITCH, 6, &[3, 6], "n").lines;
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = good.clone();
        change(&mut lines);
        broken(&lines, &[&key], &[]).0
    };
    assert_eq!(
        with(&|lines| lines[1] = lines[1].replace("\"2\"", "\"3\"")),
        2
    );
    assert_eq!(with(&|lines| drop(lines.remove(2))), 3);
    assert_eq!(with(&|lines| drop(lines.remove(0))), 1);
    assert_eq!(with(&|lines| lines.swap(4, 5)), 5);
    assert_eq!(with(&|lines| lines.insert(2, lines[1].clone())), 3);
    let torn = text(&good);
    let error = check(&torn.as_bytes()[..torn.len() - 9], &[], None).unwrap_err();
    assert!(matches!(error, Broken::Chain(ChainError { line: 8, .. })));
}

#[test]
fn a_chain_that_was_made_anew_without_the_key_fails_at_its_checkpoint() {
    let key = key("Gate");
    let good = made(&key, SWITCH, 6, &[3], "n").lines;
    // Everything is hashed anew, and the old checkpoint is put in at its place.
    let old = Checkpoint::of_line(&good[3]).unwrap().unwrap();
    let mut chain = Chain::after(Head::before_first());
    let mut lines = Vec::new();
    for n in 1..=6 {
        let event = Event::new(now(), Act::Accepted, "somebody else").detail("n", n);
        lines.push(chain.append(&event).line);
        if n == 3 {
            lines.push(chain.append(&old.event()).line);
        }
    }
    assert!(crate::audit::verify(text(&lines).as_bytes()).is_ok());
    let (line, said) = broken(&lines, &[&key], &[]);
    assert!(line == 4 && said.contains("rewritten"), "{line}: {said}");
    // Its statement is made to fit: then the signature does not.
    let head = super::super::chain::head_of(&lines[2]).unwrap();
    lines.truncate(3);
    let mut fitted = old.clone();
    fitted.statement.head = head.hash.clone();
    let mut chain = Chain::after(head);
    lines.push(chain.append(&fitted.event()).line);
    let (line, said) = broken(&lines, &[&key], &[]);
    assert!(
        line == 4 && said.contains("not the one that was signed"),
        "{said}"
    );
    // The time of a checkpoint is under its signature, too.
    let moved = forged(&good[3], "\"at\":\"2026", "\"at\":\"2027");
    let mut lines = good[..3].to_vec();
    lines.push(moved);
    assert_eq!(broken(&lines, &[&key], &[]).0, 4);
    // And a checkpoint of a record that is not there, or of another switch.
    let point = |switch: &str, records| {
        let head = Head {
            sequence: records,
            hash: "0".repeat(96),
        };
        let event = Checkpoint::sign(&key, switch, &head, now())
            .unwrap()
            .event();
        let mut lines = good[..4].to_vec();
        let mut chain = Chain::after(super::super::chain::head_of(&good[3]).unwrap());
        lines.push(chain.append(&event).line);
        broken(&lines, &[&key], &[])
    };
    assert!(point(SWITCH, 77).1.contains("record 77"));
    assert!(point("gate.birch.example", 4).1.contains("two chains"));
}

#[test]
fn a_witness_sees_what_was_cut_off_and_what_was_forked() {
    let key = key("Gate");
    let good = made(&key, SWITCH, 9, &[3, 7], "n");
    // The end is gone, and what is left is whole in itself.
    let cut = &good.lines[..6];
    assert!(proof(cut, &[&key], &[]).is_ok());
    let (line, text) = broken(cut, &[&key], &good.witness);
    assert_eq!(line, 6);
    assert!(
        text.contains("line 2 of the witness saw 8 records"),
        "{text}"
    );
    // The same switch went on from an older state: both chains are signed by it.
    let other = made(&key, SWITCH, 9, &[3, 7], "m");
    assert!(proof(&other.lines, &[&key], &[]).is_ok());
    let (line, text) = broken(&other.lines, &[&key], &good.witness);
    assert!(
        line == 3 && text.contains("line 1 of the witness"),
        "{line}: {text}"
    );
    // A witness that saw both.
    let both = [good.witness.clone(), other.witness.clone()].concat();
    let error = proof(&good.lines, &[&key], &both).unwrap_err();
    let Broken::Witness(error) = error else {
        panic!("{error:?}")
    };
    assert!(
        error.line == 3 && error.text.contains("two chains"),
        "{error}"
    );
    // A line that is forged, one that is nothing, one that a crash left unfinished.
    let forged = vec![good.witness[0].replacen("\"records\":3", "\"records\":2", 1)];
    assert!(matches!(
        proof(&good.lines, &[&key], &forged),
        Err(Broken::Witness(_))
    ));
    let nothing = vec!["{}".to_owned()];
    assert!(matches!(
        proof(&good.lines, &[], &nothing),
        Err(Broken::Witness(_))
    ));
    let mut torn = good.witness.clone();
    torn.insert(1, good.witness[1][..50].to_owned());
    assert_eq!(proof(&good.lines, &[&key], &torn).unwrap().witnessed, 2);
}

#[test]
fn a_store_that_was_put_back_contradicts_its_witness() {
    let key = key("Gate");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("witness");
    let made = made(&key, SWITCH, 5, &[2, 5], "n");
    std::fs::write(&path, text(&made.witness)).unwrap();
    let against = |lines: &[String]| {
        witness::contradiction(&path, |records| {
            let at = usize::try_from(records - 1).unwrap();
            let line = lines.get(at);
            Ok(line.map(|line| super::super::chain::head_of(line).unwrap().hash))
        })
        .unwrap()
    };
    assert_eq!(against(&made.lines), None);
    let text = against(&made.lines[..4]).unwrap();
    assert!(text.contains("does not reach"), "{text}");
    let other = super::tests::made(&key, SWITCH, 5, &[2, 5], "m");
    assert!(against(&other.lines).unwrap().contains("another record 2"));
}
