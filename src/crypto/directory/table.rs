//! Records in memory, from files: LDIF, and certificates by themselves.
//!
//! Promises: all or nothing: every value is read once when the table is loaded, and an error names
//! file and line; then a name is found by one look into a hash table. What is kept is the octets:
//! eighty thousand certificates are not kept twice.
//! Refuses: a name twice in LDIF, a mail address that is none, a certificate that cannot be read or
//! that bears no address and stands by itself.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ldif::{Entries, Entry};
use super::record::{Attribute, Record, Source};
use super::{Directory, Found, Name};
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::{Certificate, hex};
use crate::crypto::provider;
use crate::message::address::Address;

/// What is wrong in a file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{}: {text}", .file.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct TableError {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong.
    pub text: String,
}

/// Records in memory, by name.
#[derive(Debug, Default)]
pub struct Table {
    records: HashMap<Name, Arc<Record>>,
    digest: String,
}

impl Directory for Table {
    fn find(&self, name: &Name) -> Found {
        match self.records.get(name) {
            Some(record) => Found::Known(Arc::clone(record)),
            None => Found::Unknown,
        }
    }
}

impl Table {
    /// Reads these files; of a folder, the files in it that end with `.ldif`, `.pem`, `.crt` or
    /// `.cer`.
    ///
    /// # Errors
    /// What is wrong first, with its file and line.
    pub fn load<P: AsRef<Path>>(places: &[P]) -> Result<Self, TableError> {
        let mut loading = Loading::default();
        for place in places {
            for file in files(place.as_ref())? {
                let octets = std::fs::read(&file).map_err(|error| unread(&file, &error))?;
                loading.add(file, &octets)?;
            }
        }
        loading.finish()
    }

    /// Reads one LDIF text, as if it stood in `file`.
    ///
    /// # Errors
    /// What is wrong first, with its line.
    pub fn from_ldif(file: &Path, text: &[u8]) -> Result<Self, TableError> {
        let mut loading = Loading::default();
        loading.add(file.to_owned(), text)?;
        loading.finish()
    }

    /// With these records.
    pub fn of(records: impl IntoIterator<Item = (Name, Arc<Record>)>) -> Self {
        Self {
            records: records.into_iter().collect(),
            digest: String::new(),
        }
    }

    /// How many names are on record.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// All names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.records.keys()
    }

    /// SHA-384 over all that was read, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

fn unread(file: &Path, error: &std::io::Error) -> TableError {
    TableError {
        file: file.to_owned(),
        line: None,
        text: format!("cannot be read: {error}"),
    }
}

fn files(place: &Path) -> Result<Vec<PathBuf>, TableError> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(place).map_err(|error| unread(place, &error))? {
        let file = entry.map_err(|error| unread(place, &error))?.path();
        if is(&file, &["ldif", "pem", "crt", "cer"]) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn is(file: &Path, endings: &[&str]) -> bool {
    file.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| {
            endings
                .iter()
                .any(|known| ending.eq_ignore_ascii_case(known))
        })
}

/// A table on its way.
#[derive(Default)]
struct Loading {
    table: HashMap<Name, Arc<Record>>,
    /// Certificates by themselves: several files may speak of one name.
    bare: HashMap<Name, Bare>,
    digests: Vec<u8>,
}

struct Bare {
    source: Source,
    values: Vec<(Attribute, Vec<u8>)>,
}

impl Loading {
    fn add(&mut self, file: PathBuf, octets: &[u8]) -> Result<(), TableError> {
        let digest = provider::default().digest(Digest::Sha384, &[octets]);
        self.digests.extend_from_slice(&digest);
        if is(&file, &["pem", "crt", "cer"]) {
            self.certificates(file, octets)
        } else {
            self.ldif(file, octets)
        }
    }

    fn ldif(&mut self, file: PathBuf, text: &[u8]) -> Result<(), TableError> {
        let file = Arc::new(file);
        let wanted = |description: &str| {
            Attribute::named(description).is_some() || Naming::of(description).is_some()
        };
        for entry in Entries::new(text, wanted) {
            let entry = entry.map_err(|error| at(&file, error.line, error.text))?;
            self.entry(&file, entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, file: &Arc<PathBuf>, entry: Entry<'_>) -> Result<(), TableError> {
        let mut names = Vec::new();
        let mut is_role = false;
        let mut values = Vec::new();
        for value in entry.values {
            let failed = |text: String| at(file, value.line, text);
            if let Some(attribute) = Attribute::named(value.description) {
                // Read now, so that the error has its line; kept as octets.
                if attribute == Attribute::Certificate {
                    Certificate::from_der(&value.octets)
                        .map_err(|error| failed(error.to_string()))?;
                }
                values.push((attribute, value.octets));
                continue;
            }
            let text = String::from_utf8(value.octets)
                .map_err(|_| failed(format!("{} is not UTF-8", value.description)))?;
            match Naming::of(value.description) {
                Some(Naming::Class) => is_role |= text.eq_ignore_ascii_case("organizationalRole"),
                Some(Naming::Common) => names.push((value.line, Name::role(&text))),
                Some(Naming::Domain) => names.push((value.line, Name::domain(&text))),
                Some(Naming::Mail) => {
                    let address =
                        Address::parse(&text).map_err(|error| failed(error.to_string()))?;
                    names.push((value.line, Name::mailbox(&address)));
                }
                None => {}
            }
        }
        let source = Source::File {
            file: Arc::clone(file),
            line: entry.line,
        };
        let record =
            Record::of(source, values).map_err(|error| at(file, entry.line, error.to_string()))?;
        let record = Arc::new(record);
        for (line, name) in names {
            // The common name of a person is no name that anybody is found by.
            if name.kind() == super::Kind::Role && !is_role {
                continue;
            }
            if let Some(other) = self.table.insert(name.clone(), Arc::clone(&record)) {
                let text = format!("{name} stands twice, first in {}", other.source());
                return Err(at(file, line, text));
            }
        }
        Ok(())
    }

    fn certificates(&mut self, file: PathBuf, octets: &[u8]) -> Result<(), TableError> {
        let wrong = |text: String| TableError {
            file: file.clone(),
            line: None,
            text,
        };
        let found = match Certificate::from_der(octets) {
            Ok(certificate) => vec![certificate],
            Err(_) => {
                Certificate::from_pem_many(octets).map_err(|error| wrong(error.to_string()))?
            }
        };
        if found.is_empty() {
            return Err(wrong("it holds no certificate".to_owned()));
        }
        let source = Source::File {
            file: Arc::new(file.clone()),
            line: 1,
        };
        for certificate in found {
            let emails = certificate.emails();
            if emails.is_empty() {
                let subject = certificate.subject();
                return Err(wrong(format!(
                    "{subject} bears no mail address to be found by"
                )));
            }
            for email in emails {
                let address = Address::parse(&email).map_err(|error| wrong(error.to_string()))?;
                let bare = self.bare.entry(Name::mailbox(&address));
                let bare = bare.or_insert_with(|| Bare {
                    source: source.clone(),
                    values: Vec::new(),
                });
                bare.values
                    .push((Attribute::Certificate, certificate.der().to_vec()));
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Table, TableError> {
        for (name, Bare { source, values }) in self.bare {
            let text = match self.table.get(&name) {
                Some(other) => format!("{name} stands in {} too", other.source()),
                None => match Record::of(source.clone(), values) {
                    Ok(record) => {
                        self.table.insert(name, Arc::new(record));
                        continue;
                    }
                    Err(error) => error.to_string(),
                },
            };
            let file = match source {
                Source::File { file, .. } => file.as_ref().clone(),
                _ => PathBuf::new(),
            };
            return Err(TableError {
                file,
                line: None,
                text,
            });
        }
        let digest = provider::default().digest(Digest::Sha384, &[&self.digests]);
        Ok(Table {
            records: self.table,
            digest: hex(&digest),
        })
    }
}

fn at(file: &Path, line: usize, text: impl Into<String>) -> TableError {
    TableError {
        file: file.to_owned(),
        line: Some(line),
        text: text.into(),
    }
}

/// The attributes that an entry is found by.
enum Naming {
    Class,
    Common,
    Domain,
    Mail,
}

impl Naming {
    // RFC 4524 §2.4, §2.16; RFC 4519 §3.12
    fn of(description: &str) -> Option<Self> {
        let is = |known: &str| description.eq_ignore_ascii_case(known);
        if is("mail") || is("rfc822Mailbox") {
            Some(Self::Mail)
        } else if is("associatedDomain") {
            Some(Self::Domain)
        } else if is("cn") || is("commonName") {
            Some(Self::Common)
        } else if is("objectClass") {
            Some(Self::Class)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::clock::Timestamp;
    use crate::crypto::lab::{Authority, Request, Usage};

    fn certificate(email: &str) -> Certificate {
        let now: Timestamp = "2026-11-21T08:30:00Z".parse().unwrap();
        let authority = Authority::new("Alder", now).unwrap();
        let order = Request::new("Anna", Usage::Encrypt, now).email(email);
        authority.issue(order).unwrap().certificate().clone()
    }

    fn mailbox(text: &str) -> Name {
        Name::mailbox(&Address::parse(text).unwrap())
    }

    fn load(text: &str) -> Result<Table, TableError> {
        Table::from_ldif(Path::new("people.ldif"), text.as_bytes())
    }

    #[test]
    fn people_domains_and_roles_are_found_by_their_names() {
        let der = certificate("anna@alder.example").der().to_vec();
        let text = format!(
            "dn: cn=Anna,o=Alder\nobjectClass: inetOrgPerson\ncn: Anna\nmail: Anna@Alder.example\n\
             mail: a.berg@alder.example\nuserCertificate;binary:: {}\nclearance:: MAQGAioD\n\n\
             dn: cn=Duty Officer,o=Alder\nobjectClass: organizationalRole\ncn: Duty Officer\n\n\
             dn: o=Birch\nassociatedDomain: Birch.example\n",
            STANDARD.encode(&der)
        );
        let table = load(&text).unwrap();
        assert_eq!(table.len(), 4);
        let Found::Known(anna) = table.find(&mailbox("anna@alder.example")) else {
            panic!("not found");
        };
        assert_eq!(anna.certificates()[0].der(), der);
        assert_eq!(
            anna.clearances().collect::<Vec<_>>(),
            [&[0x30, 4, 6, 2, 0x2a, 3]]
        );
        assert_eq!(anna.source().to_string(), "people.ldif:1");
        let known = |name: &Name| matches!(table.find(name), Found::Known(_));
        assert!(known(&mailbox("A.Berg@alder.example")));
        assert!(known(&Name::domain("birch.example")));
        assert!(known(&Name::role("duty officer")));
        assert!(!known(&Name::role("Anna")));
        assert!(!known(&mailbox("nobody@alder.example")));
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_with_its_line() {
        for (text, line, why) in [
            ("dn: x\nmail: nobody\n", 2, "not a mailbox"),
            ("dn: x\nuserCertificate;binary:: AQID\n", 2, "malformed"),
            (
                "dn: x\nmail: a@b\n\ndn: y\nmail: A@B\n",
                5,
                "first in people.ldif:1",
            ),
            ("dn: x\nmail:: //8=\n", 2, "UTF-8"),
        ] {
            let error = load(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn a_folder_holds_ldif_and_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let (one, two) = (certificate("anna@b"), certificate("anna@b"));
        write("1.pem", &(one.to_pem() + &two.to_pem()));
        write("2.ldif", "dn: x\nmail: ben@b\n");
        write("notes.txt", "nothing");
        let table = Table::load(&[folder.path()]).unwrap();
        let Found::Known(anna) = table.find(&mailbox("anna@b")) else {
            panic!("not found");
        };
        assert_eq!((table.len(), anna.certificates().len()), (2, 2));
        write("3.ldif", "dn: x\nmail: anna@b\n");
        assert!(
            Table::load(&[folder.path()])
                .unwrap_err()
                .text
                .contains("too")
        );
        std::fs::remove_file(folder.path().join("3.ldif")).unwrap();
        write("4.crt", "nothing");
        let empty = Table::load(&[folder.path()]).unwrap_err();
        assert!(empty.text.contains("no certificate"), "{empty}");
        assert!(Table::load(&[folder.path().join("absent")]).is_err());
    }
}
