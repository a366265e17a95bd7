//! The append-only file of the chain, for auditors and for shipping off the machine.
//!
//! Promises: after [`Export::open`] the file holds every record of the store, whatever a kill or a
//! power cut left of it; a torn last line is cut off and written again.
//! Refuses: to write over a file that tells another tale than the store. Such a file is kept under
//! a new name beside the new one, and the caller is told.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Record;
use super::chain::head_of;

/// So much of the end of an existing file is compared with the store at start; the whole file is
/// what `ravelin audit verify` checks.
const COMPARED: u64 = 4 << 20;

/// The open file.
#[derive(Debug)]
pub struct Export {
    file: File,
    sequence: u64,
}

/// What was found when the file was opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// It holds other records than the store: set aside under this name, and written anew.
    Different {
        /// Where the old file is.
        kept_as: PathBuf,
        /// What was wrong with it.
        text: String,
    },
    /// Its end agreed with the store; so many records were missing and have been added.
    Same {
        /// How many.
        added: u64,
    },
}

/// The line of the record with a number, `None` after the last.
pub type Lines<'a> = dyn FnMut(u64) -> io::Result<Option<String>> + 'a;

impl Export {
    /// Opens or makes the file and completes it from the store.
    pub fn open(path: &Path, lines: &mut Lines<'_>) -> io::Result<(Self, Found)> {
        let mut export = Self::open_file(path)?;
        let mut different = None;
        if let Err(text) = export.compare(lines)? {
            let kept_as = set_aside(path)?;
            export = Self::open_file(path)?;
            different = Some((kept_as, text));
        }
        let before = export.sequence;
        while let Some(line) = lines(export.sequence + 1)? {
            export.append(&[Record {
                sequence: export.sequence + 1,
                line,
            }])?;
        }
        export.file.sync_data()?;
        let added = export.sequence - before;
        let found = match different {
            Some((kept_as, text)) => Found::Different { kept_as, text },
            None => Found::Same { added },
        };
        Ok((export, found))
    }

    /// Adds records that the store has just committed. After an error the file must be opened anew.
    pub fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let text: String = records
            .iter()
            .map(|record| format!("{}\n", record.line))
            .collect();
        self.file.write_all(text.as_bytes())?;
        if let Some(record) = records.last() {
            self.sequence = record.sequence;
        }
        Ok(())
    }

    fn open_file(path: &Path) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            // It names people and peers; whoever else is to read it is let in by its owner.
            options.mode(0o600);
        }
        Ok(Self {
            file: options.open(path)?,
            sequence: 0,
        })
    }

    /// Compares the end of the file with the store, cuts a torn line off, and stands after the
    /// last whole one. `Err` says how the file differs.
    fn compare(&mut self, lines: &mut Lines<'_>) -> io::Result<Result<(), String>> {
        let length = self.file.seek(SeekFrom::End(0))?;
        let start = length.saturating_sub(COMPARED);
        self.file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        (&self.file).take(COMPARED).read_to_end(&mut tail)?;
        let whole = tail
            .iter()
            .rposition(|&octet| octet == b'\n')
            .map_or(0, |at| at + 1);
        let torn = tail.len() - whole;
        tail.truncate(whole);
        let first_whole = match start {
            0 => 0,
            _ => tail
                .iter()
                .position(|&octet| octet == b'\n')
                .map_or(whole, |at| at + 1),
        };
        let Ok(text) = std::str::from_utf8(&tail[first_whole..]) else {
            return Ok(Err("it holds octets that are not UTF-8".into()));
        };
        let mut expected = (start == 0).then_some(1);
        for line in text.lines() {
            let sequence = match head_of(line) {
                Ok(head) => head.sequence,
                Err(text) => return Ok(Err(text)),
            };
            if expected.is_some_and(|expected| expected != sequence) {
                return Ok(Err(format!("record {sequence} is out of its place")));
            }
            if lines(sequence)?.as_deref() != Some(line) {
                return Ok(Err(format!(
                    "record {sequence} is not the one in the store"
                )));
            }
            self.sequence = sequence;
            expected = Some(sequence + 1);
        }
        if start > 0 && self.sequence == 0 {
            return Ok(Err("it ends with something that is not a record".into()));
        }
        let end = length - u64::try_from(torn).unwrap_or(0);
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        Ok(Ok(()))
    }
}

/// Renames the file to the first free `<name>.different-<n>`.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".different-{n}"));
        PathBuf::from(name)
    };
    let kept_as = (1..)
        .map(name)
        .find(|name| !name.exists())
        .ok_or(io::ErrorKind::AlreadyExists)?;
    std::fs::rename(path, &kept_as)?;
    Ok(kept_as)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Act, Chain, Event, Head, verify};
    use crate::clock::Timestamp;

    fn records(count: u64) -> Vec<Record> {
        let mut chain = Chain::after(Head::before_first());
        (0..count)
            .map(|n| {
                let event = Event::new(Timestamp::UNIX_EPOCH, Act::Accepted, "peer");
                chain.append(&event.detail("n", n))
            })
            .collect()
    }

    fn open(path: &Path, records: &[Record]) -> (Export, Found) {
        Export::open(path, &mut |n| {
            Ok(records
                .iter()
                .find(|r| r.sequence == n)
                .map(|r| r.line.clone()))
        })
        .unwrap()
    }

    fn verified(path: &Path) -> u64 {
        verify(&std::fs::read(path).unwrap()[..]).unwrap().records
    }

    #[test]
    fn missing_records_are_added_at_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let all = records(9);
        let (mut export, found) = open(&path, &all[..3]);
        assert_eq!(found, Found::Same { added: 3 });
        export.append(&all[3..5]).unwrap();
        drop(export);
        assert_eq!(verified(&path), 5);
        assert_eq!(open(&path, &all).1, Found::Same { added: 4 });
        assert_eq!(verified(&path), 9);
    }

    #[test]
    fn a_line_torn_anywhere_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let all = records(3);
        let whole: String = all.iter().map(|r| format!("{}\n", r.line)).collect();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(
                matches!(open(&path, &all).1, Found::Same { .. }),
                "cut at {cut}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        }
    }

    #[test]
    fn a_file_with_another_tale_is_kept_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        let all = records(4);
        drop(open(&path, &all));
        let changed = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\"n\":\"2\"", "\"n\":\"5\"");
        std::fs::write(&path, &changed).unwrap();
        let (_, Found::Different { kept_as, text }) = open(&path, &all) else {
            panic!("the change was not seen")
        };
        assert!(text.contains("changed"), "{text}");
        assert_eq!(std::fs::read_to_string(kept_as).unwrap(), changed);
        assert_eq!(verified(&path), 4);
        // More records than the store has: an older store was put back.
        assert!(matches!(open(&path, &all[..2]).1, Found::Different { .. }));
        assert_eq!(verified(&path), 2);
    }
}
