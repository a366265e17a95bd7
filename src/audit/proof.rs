//! What a third party checks, offline: the exported file, the certificate of the switch, a witness.
//!
//! Promises: a record that was changed, removed, added, moved, cut off or put in from another chain
//! is found and its line named, up to the last checkpoint, or to the last line of the witness.
//! What stands after both is only bound to itself, and is counted as unsigned.

use std::collections::{BTreeMap, VecDeque};
use std::io::BufRead;

use super::chain::{ChainError, Head, Summary, short, walk};
use super::checkpoint::Checkpoint;
use super::witness;
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;

/// A checkpoint speaks of a record at most so far before it.
const REACH: usize = 1 << 16;

/// What a chain that is whole holds, and who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The chain itself.
    pub chain: Summary,
    /// How many checkpoints it has.
    pub checkpoints: u64,
    /// How many of the records are under a good signature; 0 when no certificate was named.
    pub signed: u64,
    /// When the last good signature was made.
    pub signed_at: Option<Timestamp>,
    /// Who made it.
    pub signer: Option<String>,
    /// The switch that the checkpoints name.
    pub switch: Option<String>,
    /// How many lines of the witness agree.
    pub witnessed: u64,
}

impl Proof {
    /// How many records at the end nobody vouches for.
    pub fn unsigned(&self) -> u64 {
        self.chain.records.saturating_sub(self.signed)
    }
}

/// Where something is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// In the chain.
    #[error("the chain, {0}")]
    Chain(ChainError),
    /// In the witness.
    #[error("the witness, {0}")]
    Witness(ChainError),
}

/// Checks an exported chain against the certificates of its switch (several when its key was
/// changed; none: the chain alone is checked) and against a witness.
///
/// # Errors
/// The first line that is not as it was.
pub fn check(
    chain: impl BufRead,
    certificates: &[Certificate],
    witness: Option<&[u8]>,
) -> Result<Proof, Broken> {
    let mut heads: BTreeMap<u64, (u64, String)> = BTreeMap::new();
    let mut switch: Option<String> = None;
    for (line, seen) in witness::read(witness.unwrap_or_default()).map_err(Broken::Witness)? {
        let wrong = |text: String| Broken::Witness(ChainError { line, text });
        if !certificates.is_empty() {
            seen.verify(certificates).map_err(wrong)?;
        }
        let statement = seen.statement;
        same_switch(&mut switch, &statement.switch).map_err(wrong)?;
        let (first, head) = heads
            .entry(statement.records)
            .or_insert((line, statement.head.clone()));
        if *head != statement.head {
            return Err(wrong(format!(
                "it has another head of record {} than line {first}: there are two chains",
                statement.records
            )));
        }
    }
    let witnessed = u64::try_from(heads.len()).unwrap_or(u64::MAX);
    let mut recent: VecDeque<Head> = VecDeque::new();
    let (mut checkpoints, mut signed, mut signed_at, mut signer) = (0, 0, None, None);
    let summary = walk(Head::before_first(), chain, |line, head| {
        if let Some(found) = Checkpoint::of_line(line)? {
            checkpoints += 1;
            let statement = &found.statement;
            same_switch(&mut switch, &statement.switch)?;
            let spoken_of = recent
                .iter()
                .rev()
                .find(|h| h.sequence == statement.records);
            let spoken_of = spoken_of.ok_or_else(|| {
                format!(
                    "this checkpoint speaks of record {}, which is not one of the {} before it",
                    statement.records,
                    recent.len()
                )
            })?;
            if spoken_of.hash != statement.head {
                return Err(format!(
                    "this checkpoint saw record {} with the hash {}, and it has {}: the chain was \
                     rewritten",
                    statement.records,
                    short(&statement.head),
                    short(&spoken_of.hash)
                ));
            }
            if !certificates.is_empty() {
                let by = found.verify(certificates)?;
                signer = Some(by.subject());
                signed_at = Some(statement.at);
                // Nothing between: then the checkpoint vouches for itself, too.
                signed = match statement.records.checked_add(1) {
                    Some(next) if next == head.sequence => next,
                    _ => statement.records,
                };
            }
        }
        if let Some((line, hash)) = heads.remove(&head.sequence)
            && hash != head.hash
        {
            return Err(format!(
                "its hash is {}, and line {line} of the witness saw {}: the chain was rewritten",
                short(&head.hash),
                short(&hash)
            ));
        }
        if recent.len() == REACH {
            recent.pop_front();
        }
        recent.push_back(head.clone());
        Ok(())
    })
    .map_err(Broken::Chain)?;
    if let Some((records, (line, _))) = heads.pop_last() {
        return Err(Broken::Chain(ChainError {
            line: summary.records,
            text: format!(
                "the chain ends here, and line {line} of the witness saw {records} records: the end \
                 was cut off"
            ),
        }));
    }
    Ok(Proof {
        chain: summary,
        checkpoints,
        signed,
        signed_at,
        signer,
        switch,
        witnessed,
    })
}

fn same_switch(known: &mut Option<String>, named: &str) -> Result<(), String> {
    let known = known.get_or_insert_with(|| named.to_owned());
    match known == named {
        true => Ok(()),
        false => Err(format!(
            "it names the switch {named:?} and not {known:?}: two chains were joined"
        )),
    }
}

#[cfg(test)]
mod tests;
