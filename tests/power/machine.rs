//! A machine in memory whose power goes: a database file and a folder of body files, of which only
//! what was synced is sure to be there afterwards.
//!
//! Every write, sync and change of a name is one step; the power goes at a chosen step, and from
//! then on nothing works until [`Machine::restart`]. What was not synced is gone, or survives by
//! chance, sector by sector, in any combination.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ravelin::message::DraftId;
use ravelin::store::disk::{Disk, NewFile};
use redb::StorageBackend;

const SECTOR: usize = 512;

/// A small generator of chance with a seed, so that a failure can be run again.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// A number for a draft: its octets say how large the body is, and so how much is written.
    pub fn id(&mut self) -> DraftId {
        DraftId::new([(); 16].map(|()| u8::try_from(self.below(256)).unwrap()))
    }
}

/// What survives of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    Nothing,
    ByChance,
}

/// What the machine says is durable and is not: for the negative twins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// A sync of a body file.
    Bodies,
    /// A sync of the database: it does what the one before it should have done, as if 250 were
    /// said before the sync.
    Database,
    /// A sync of names.
    Names,
    #[default]
    None,
}

/// What goes wrong without a loss of power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// So many octets may still be written.
    Full(usize),
    #[default]
    None,
    /// Each sync takes so long.
    Slow(Duration),
    /// After so many syncs one fails, and drops what it should have made durable.
    SyncFails(u32),
}

/// One file: as it is, as it is sure to be, and what was written since.
#[derive(Clone, Default)]
struct Octets {
    now: Vec<u8>,
    safe: Vec<u8>,
    unsynced: Vec<Step>,
    /// For [`Lie::Database`]: what the next sync makes durable.
    owed: Option<Vec<u8>>,
}

#[derive(Clone)]
enum Step {
    Length(usize),
    Write(usize, Vec<u8>),
}

impl Octets {
    fn change(&mut self, step: Step) {
        apply(&mut self.now, &step);
        self.unsynced.push(step);
    }

    /// What was written since the last sync is safe now; not what the kernel forgot since.
    fn sync(&mut self) {
        for step in std::mem::take(&mut self.unsynced) {
            apply(&mut self.safe, &step);
        }
    }

    fn after_power_loss(&mut self, survives: Survives, chance: &mut Chance) {
        let unsynced = std::mem::take(&mut self.unsynced);
        if survives == Survives::ByChance {
            for step in unsynced {
                match step {
                    Step::Length(_) if chance.below(2) == 0 => apply(&mut self.safe, &step),
                    Step::Length(_) => {}
                    Step::Write(at, octets) => {
                        for (number, sector) in octets.chunks(SECTOR).enumerate() {
                            if chance.below(2) == 0 {
                                let step = Step::Write(at + number * SECTOR, sector.to_vec());
                                apply(&mut self.safe, &step);
                            }
                        }
                    }
                }
            }
        }
        self.owed = None;
        self.now.clone_from(&self.safe);
    }
}

fn apply(octets: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Length(length) => octets.resize(*length, 0),
        Step::Write(at, new) => {
            if octets.len() < at + new.len() {
                octets.resize(at + new.len(), 0);
            }
            octets[*at..at + new.len()].copy_from_slice(new);
        }
    }
}

#[derive(Clone)]
enum Name {
    Add(PathBuf, usize),
    Drop(PathBuf),
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, change: &Name) {
    match change {
        Name::Add(path, file) => drop(names.insert(path.clone(), *file)),
        Name::Drop(path) => drop(names.remove(path)),
    }
}

#[derive(Default)]
struct State {
    /// Steps until the power goes.
    left: Option<u64>,
    is_off: bool,
    lie: Lie,
    trouble: Trouble,
    database: Octets,
    files: Vec<Octets>,
    names: BTreeMap<PathBuf, usize>,
    safe_names: BTreeMap<PathBuf, usize>,
    unsynced_names: Vec<Name>,
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        if self.left == Some(0) {
            self.is_off = true;
        }
        if self.is_off {
            return Err(io::Error::other("the power is off"));
        }
        self.left = self.left.map(|left| left - 1);
        Ok(())
    }

    fn room(&mut self, octets: usize) -> io::Result<()> {
        if let Trouble::Full(left) = &mut self.trouble {
            *left = left
                .checked_sub(octets)
                .ok_or_else(|| io::Error::from(ErrorKind::StorageFull))?;
        }
        Ok(())
    }

    fn sync_trouble(&mut self) -> io::Result<()> {
        match &mut self.trouble {
            Trouble::SyncFails(0) => Err(io::Error::other("the disk did not take it")),
            Trouble::SyncFails(left) => {
                *left -= 1;
                Ok(())
            }
            Trouble::Slow(time) => {
                std::thread::sleep(*time);
                Ok(())
            }
            Trouble::Full(_) | Trouble::None => Ok(()),
        }
    }

    fn change_name(&mut self, change: Name) {
        rename(&mut self.names, &change);
        self.unsynced_names.push(change);
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        self.names
            .get(path)
            .copied()
            .ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    }
}

/// The machine. Clones are one machine.
#[derive(Clone, Default)]
pub struct Machine(Arc<Mutex<State>>);

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Machine")
    }
}

impl Machine {
    pub fn new(lie: Lie) -> Self {
        let machine = Self::default();
        machine.state().lie = lie;
        machine
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The power goes after so many steps.
    pub fn lose_power_after(&self, steps: u64) {
        self.state().left = Some(steps);
    }

    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    pub fn trouble(&self, trouble: Trouble) {
        self.state().trouble = trouble;
    }

    /// The power goes now, if it has not yet, and comes back.
    pub fn restart(&self, survives: Survives, chance: &mut Chance) {
        let mut state = self.state();
        state.left = None;
        state.is_off = false;
        state.trouble = Trouble::None;
        let mut names = std::mem::take(&mut state.safe_names);
        for change in std::mem::take(&mut state.unsynced_names) {
            if survives == Survives::ByChance && chance.below(2) == 0 {
                rename(&mut names, &change);
            }
        }
        state.safe_names.clone_from(&names);
        state.names = names;
        state.database.after_power_loss(survives, chance);
        for file in &mut state.files {
            file.after_power_loss(survives, chance);
        }
    }
}

impl StorageBackend for Machine {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().database.now.len().try_into().unwrap())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        let at = usize::try_from(offset).unwrap();
        let octets = state.database.now.get(at..at + out.len());
        out.copy_from_slice(octets.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let length = usize::try_from(length).unwrap();
        let more = length.saturating_sub(state.database.now.len());
        state.room(more)?;
        state.database.change(Step::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if let Err(error) = state.sync_trouble() {
            // The kernel forgets what it could not write: the next sync says nothing of it.
            state.database.unsynced.clear();
            return Err(error);
        }
        if state.lie == Lie::Database {
            let now = state.database.now.clone();
            if let Some(owed) = state.database.owed.replace(now) {
                state.database.safe = owed;
            }
            state.database.unsynced.clear();
        } else {
            state.database.sync();
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let step = Step::Write(usize::try_from(offset).unwrap(), data.to_vec());
        // A file may have holes, and a file system may copy on write: each write needs room.
        state.room(data.len())?;
        // The write in which the power goes may be there in part.
        let lit = state.step();
        if lit.is_ok() || state.left.take().is_some() {
            state.database.change(step);
        }
        lit
    }
}

/// A body file that is being written.
struct Open(Machine, usize);

impl Write for Open {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut state = self.0.state();
        state.step()?;
        state.room(octets.len())?;
        let at = state.files[self.1].now.len();
        state.files[self.1].change(Step::Write(at, octets.to_vec()));
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl NewFile for Open {
    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.state();
        state.step()?;
        state.sync_trouble()?;
        if state.lie != Lie::Bodies {
            state.files[self.1].sync();
        }
        Ok(())
    }
}

impl Disk for Machine {
    fn make_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let mut state = self.state();
        state.step()?;
        if state.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.files.push(Octets::default());
        let file = state.files.len() - 1;
        state.change_name(Name::Add(path.to_owned(), file));
        Ok(Box::new(Open(self.clone(), file)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let file = state.find(path)?;
        Ok(state.files[file].now.clone())
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(Disk::read(self, path)?.len().try_into().unwrap())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        let file = state.find(from)?;
        state.change_name(Name::Add(to.to_owned(), file));
        state.change_name(Name::Drop(from.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.find(path)?;
        state.change_name(Name::Drop(path.to_owned()));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = state.names.keys().filter(|path| path.parent() == Some(dir));
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        Ok(inside.map(name).collect())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        state.sync_trouble()?;
        if state.lie != Lie::Names {
            state.safe_names = state.names.clone();
            state.unsynced_names.clear();
        }
        Ok(())
    }
}
