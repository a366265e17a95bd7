//! Every value at rest is sealed: AES-256-GCM, bound to its table and key.
//!
//! Each opening of the store derives its own key from the store key and a fresh salt, and counts
//! its nonces from 0: no nonce comes twice, however many values are written in years.
//! A sealed value is salt (16 octets), counter (8), ciphertext, tag (16).
//!
//! Promises: a value that was changed, moved to another key or table, or sealed under another
//! store key, is not opened.
//! Refuses: a key file that others may read, or that has not exactly 32 octets.
//! Standards: NIST SP 800-38D §8.2.1 (counter nonces), SP 800-108 (HMAC as the derivation).

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::Fault;
use super::engine::Table;
use crate::crypto::algorithm::{ContentCipher, Digest};
use crate::crypto::provider::{self, CryptoError, GCM_NONCE, GCM_TAG, GcmSealed};

pub(super) const KEY_OCTETS: usize = 32;
const SALT_OCTETS: usize = 16;
const COUNTER_OCTETS: usize = 8;

/// The key that everything at rest is sealed under. Has no `Debug`; cleared when dropped.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; KEY_OCTETS]>);

impl StoreKey {
    /// The key with these octets.
    pub fn new(octets: [u8; KEY_OCTETS]) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// Whether both are one key.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Reads a file of exactly 32 octets that only its owner can read.
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        Self::read_unless(path, 0o077)
    }

    fn read_unless(path: &Path, mode: u32) -> Result<Self, KeyFileError> {
        let error = |problem: KeyFileProblem| KeyFileError {
            path: path.display().to_string(),
            problem,
        };
        let octets =
            Zeroizing::new(fs::read(path).map_err(|e| error(KeyFileProblem::Unreadable(e)))?);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let meta = fs::metadata(path).map_err(|e| error(KeyFileProblem::Unreadable(e)))?;
            if meta.permissions().mode() & mode != 0 {
                return Err(error(KeyFileProblem::OthersMayRead));
            }
        }
        let octets = <[u8; KEY_OCTETS]>::try_from(octets.as_slice())
            .map_err(|_| error(KeyFileProblem::WrongLength(octets.len())))?;
        Ok(Self::new(octets))
    }

    /// Reads the key that the service manager hands over in its folder of credentials.
    pub fn read_credential(folder: &Path, name: &str) -> Result<Self, KeyFileError> {
        let path = folder.join(name);
        let error = |problem: KeyFileProblem| KeyFileError {
            path: path.display().to_string(),
            problem,
        };
        let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.starts_with('.') || !name.chars().all(is_letter) {
            return Err(error(KeyFileProblem::NotAName));
        }
        // The folder is the service's own; an access list shows as the group's right to read.
        Self::read_unless(&path, 0o007)
    }

    /// Makes a random key and writes it to a new file that only its owner can read.
    pub fn create(path: &Path) -> Result<Self, KeyFileError> {
        let error = |e| KeyFileError {
            path: path.display().to_string(),
            problem: KeyFileProblem::Unwritable(e),
        };
        let mut octets = Zeroizing::new([0; KEY_OCTETS]);
        provider::default()
            .random(octets.as_mut_slice())
            .map_err(|e| error(std::io::Error::other(e)))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(path).map_err(error)?;
        file.write_all(octets.as_slice())
            .and_then(|()| file.sync_all())
            .map_err(error)?;
        Ok(Self(octets))
    }
}

/// A key file that cannot be used, and what would mend it.
#[derive(Debug, thiserror::Error)]
#[error("the store key {path}: {problem}")]
pub struct KeyFileError {
    path: String,
    problem: KeyFileProblem,
}

#[derive(Debug, thiserror::Error)]
enum KeyFileProblem {
    #[error("a credential has a name of letters, digits, dots, dashes and underscores")]
    NotAName,
    #[error("others than its owner may read it; `chmod 600` mends that")]
    OthersMayRead,
    #[error("it cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("it cannot be made: {0}")]
    Unwritable(std::io::Error),
    #[error("it has {0} octets where exactly 32 are expected")]
    WrongLength(usize),
}

/// Seals and opens values.
pub(super) struct Sealer {
    store_key: StoreKey,
    salt: [u8; SALT_OCTETS],
    key: Zeroizing<[u8; KEY_OCTETS]>,
    counter: AtomicU64,
    earlier: Mutex<HashMap<[u8; SALT_OCTETS], Zeroizing<[u8; KEY_OCTETS]>>>,
}

impl Sealer {
    /// Begins a new salt.
    pub(super) fn new(store_key: StoreKey) -> Result<Self, Fault> {
        let mut salt = [0; SALT_OCTETS];
        provider::default().random(&mut salt)?;
        let key = derive(&store_key, &salt);
        Ok(Self {
            store_key,
            salt,
            key,
            counter: AtomicU64::new(0),
            earlier: Mutex::default(),
        })
    }

    /// Seals the value that is to stand at `key` of `table`.
    pub(super) fn seal(&self, table: Table, key: &[u8], value: &[u8]) -> Result<Vec<u8>, Fault> {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut sealed = Vec::with_capacity(SALT_OCTETS + COUNTER_OCTETS + value.len() + GCM_TAG);
        sealed.extend_from_slice(&self.salt);
        sealed.extend_from_slice(&counter);
        let place = associated(table, key);
        let made = gcm_seal(&self.key, &nonce(counter), &place, value)?;
        sealed.extend_from_slice(&made.ciphertext);
        sealed.extend_from_slice(&made.tag);
        Ok(sealed)
    }

    /// Opens the value that stands at `key` of `table`; `None` if it was not sealed for there.
    pub(super) fn open(
        &self,
        table: Table,
        key: &[u8],
        sealed: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let (salt, rest) = sealed.split_first_chunk::<SALT_OCTETS>()?;
        let (counter, sealed) = rest.split_first_chunk::<COUNTER_OCTETS>()?;
        let place = associated(table, key);
        let open = |key: &[u8; KEY_OCTETS]| gcm_open(key, &nonce(*counter), &place, sealed);
        if *salt == self.salt {
            return open(&self.key);
        }
        let mut earlier = self.earlier.lock().unwrap_or_else(PoisonError::into_inner);
        // A damaged salt must not fill the memory: keys are kept only for salts that open.
        let key = match earlier.get(salt) {
            Some(key) => key.clone(),
            None => derive(&self.store_key, salt),
        };
        let value = open(&key)?;
        earlier.entry(*salt).or_insert(key);
        Some(value)
    }
}

impl Sealer {
    /// A running check of a backup, under this store's key.
    pub(super) fn tally(&self) -> Tally {
        Tally::new(&self.store_key)
    }
}

/// A running HMAC over records, each bound to all before it: of a backup, as it is written or read.
pub(super) struct Tally {
    key: Zeroizing<Vec<u8>>,
    total: Vec<u8>,
}

impl Tally {
    pub(super) fn new(key: &StoreKey) -> Self {
        let purpose: &[&[u8]] = &[b"ravelin backup 1"];
        let key = provider::default().hmac(Digest::Sha384, key.0.as_slice(), purpose);
        Self {
            key: Zeroizing::new(key),
            total: Vec::new(),
        }
    }

    /// Takes one record in.
    pub(super) fn add(&mut self, parts: &[&[u8]]) {
        let all: Vec<&[u8]> = std::iter::once(self.total.as_slice())
            .chain(parts.iter().copied())
            .collect();
        self.total = provider::default().hmac(Digest::Sha384, &self.key, &all);
    }

    /// What stands for all records so far.
    pub(super) fn total(&self) -> &[u8] {
        &self.total
    }

    /// Whether `total` stands for these records and no others. An HMAC of an HMAC: how far two
    /// wrong ones agree tells nothing.
    pub(super) fn is(&self, total: &[u8]) -> bool {
        let again = |octets: &[u8]| provider::default().hmac(Digest::Sha384, &self.key, &[octets]);
        again(&self.total) == again(total)
    }
}

#[cfg(test)]
impl Sealer {
    /// How many values were sealed.
    pub(super) fn sealed(&self) -> u64 {
        self.counter.load(Ordering::Relaxed)
    }
}

/// A fresh key for one body file.
pub(super) fn fresh_key() -> Result<Zeroizing<[u8; KEY_OCTETS]>, Fault> {
    let mut key = Zeroizing::new([0; KEY_OCTETS]);
    provider::default().random(key.as_mut_slice())?;
    Ok(key)
}

/// Seals chunk `number` of a body file under the file's own key.
pub(super) fn seal_chunk(
    key: &[u8; KEY_OCTETS],
    number: u64,
    place: &[u8],
    chunk: &[u8],
) -> Result<Vec<u8>, Fault> {
    let made = gcm_seal(key, &nonce(number.to_be_bytes()), place, chunk)?;
    let mut sealed = made.ciphertext;
    sealed.extend_from_slice(&made.tag);
    Ok(sealed)
}

/// Opens what [`seal_chunk`] made.
pub(super) fn open_chunk(
    key: &[u8; KEY_OCTETS],
    number: u64,
    place: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    gcm_open(key, &nonce(number.to_be_bytes()), place, sealed)
}

/// How much longer a sealed chunk is.
pub(super) const CHUNK_OVERHEAD: usize = GCM_TAG;

fn derive(key: &StoreKey, salt: &[u8; SALT_OCTETS]) -> Zeroizing<[u8; KEY_OCTETS]> {
    let derived = Zeroizing::new(provider::default().hmac(
        Digest::Sha384,
        key.0.as_slice(),
        &[b"ravelin store 1", salt],
    ));
    let mut key = Zeroizing::new([0; KEY_OCTETS]);
    key.iter_mut()
        .zip(derived.iter())
        .for_each(|(to, from)| *to = *from);
    key
}

fn associated(table: Table, key: &[u8]) -> Vec<u8> {
    [table.name().as_bytes(), &[0], key].concat()
}

fn nonce(counter: [u8; COUNTER_OCTETS]) -> [u8; GCM_NONCE] {
    let mut nonce = [0; GCM_NONCE];
    nonce[4..].copy_from_slice(&counter);
    nonce
}

fn gcm_seal(
    key: &[u8; KEY_OCTETS],
    nonce: &[u8; GCM_NONCE],
    associated: &[u8],
    value: &[u8],
) -> Result<GcmSealed, CryptoError> {
    provider::default().gcm_seal(ContentCipher::Aes256Gcm, key, nonce, associated, value)
}

fn gcm_open(
    key: &[u8; KEY_OCTETS],
    nonce: &[u8; GCM_NONCE],
    associated: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let (ciphertext, tag) = sealed.split_last_chunk::<GCM_TAG>()?;
    let cipher = ContentCipher::Aes256Gcm;
    provider::default()
        .gcm_open(cipher, key, nonce, associated, ciphertext, tag)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(octet: u8) -> Sealer {
        Sealer::new(StoreKey::new([octet; 32])).unwrap()
    }

    #[test]
    fn a_value_is_opened_where_it_was_sealed_and_nowhere_else() {
        let first = sealer(1);
        let sealed = first.seal(Table::Entry, b"a", b"value").unwrap();
        let later = sealer(1);
        assert_eq!(
            later.open(Table::Entry, b"a", &sealed).unwrap().as_slice(),
            b"value"
        );
        assert_eq!(
            first.open(Table::Entry, b"a", &sealed).unwrap().as_slice(),
            b"value"
        );
        assert!(first.open(Table::Entry, b"b", &sealed).is_none());
        assert!(first.open(Table::Draft, b"a", &sealed).is_none());
        assert!(sealer(2).open(Table::Entry, b"a", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(
                first.open(Table::Entry, b"a", &changed).is_none(),
                "octet {at}"
            );
            assert!(
                first.open(Table::Entry, b"a", &sealed[..at]).is_none(),
                "cut at {at}"
            );
        }
        assert!(later.earlier.lock().unwrap().len() == 1);
    }

    #[test]
    fn equal_values_do_not_look_equal() {
        let sealer = sealer(1);
        let seal = || sealer.seal(Table::Entry, b"a", b"value").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_key_file_is_made_once_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.key");
        let made = StoreKey::create(&path).unwrap();
        assert_eq!(StoreKey::read(&path).unwrap().0, made.0);
        assert!(
            StoreKey::create(&path).is_err(),
            "a key is never written over"
        );
        std::fs::write(&path, [0; 31]).unwrap();
        let error = StoreKey::read(&path).err().unwrap().to_string();
        assert!(error.contains("31 octets"), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            let error = StoreKey::read(&path).err().unwrap().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_credential_is_read_from_its_folder_and_from_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let made = StoreKey::create(&dir.path().join("store.key")).unwrap();
        let folder = dir.path().join("credentials");
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("store"), made.0.as_slice()).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |mode| {
                let mode = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(folder.join("store"), mode).unwrap();
            };
            mode(0o444);
            assert!(StoreKey::read_credential(&folder, "store").is_err());
            mode(0o440);
        }
        let read = StoreKey::read_credential(&folder, "store").unwrap();
        assert!(read.is(&made));
        assert!(StoreKey::read_credential(&folder, "other").is_err());
        for out in ["../store.key", ".", "..", "/etc/passwd"] {
            let error = StoreKey::read_credential(&folder, out).err().unwrap();
            assert!(error.to_string().contains("name of letters"), "{error}");
        }
    }
}
