//! `[directory]`: where certificates and clearances come from that the configuration does not name,
//! and who belongs to the community.
//!
//! Promises: files are read whole when the configuration is; what stands in them is part of the
//! number of the rules, so entries are judged again when it changes. No LDAP server is asked before
//! a message needs it; there is no way to ask one without TLS and anchors of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::policies::digest;
use super::resolve::Place;
use super::units::{ByteSize, Life};
use super::{ConfigError, Revocation};
use crate::crypto::directory::{self, Harvested, MemberList, Members, Table};
use crate::message::address::Address;

/// `[directory]`: asked in this order for what no `[[subject]]` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Directory {
    /// LDIF files, PEM certificates, or folders of them.
    #[serde(default)]
    pub files: Vec<Spanned<PathBuf>>,
    /// Lists of those who belong to the community, one `name@domain` or `@domain` on a line. With
    /// one, or a group, nobody else writes or is written to.
    #[serde(default)]
    pub members: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    pub ldap: Vec<Ldap>,
    /// Whether signed mail brings certificates.
    #[serde(default)]
    pub harvest: Harvest,
    /// Whose are accepted at once: `@domain` or `name@domain`.
    #[serde(default)]
    pub harvest_accept: Vec<Spanned<String>>,
    /// For all that is asked for one message; past it the sender keeps the message.
    pub time_limit: Option<Life>,
}

/// Whether signed mail brings certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Harvest {
    /// As candidates, which an operator or `harvest-accept` accepts.
    Candidates,
    #[default]
    Never,
}

/// Signed mail brings certificates.
#[derive(Debug)]
pub struct HarvestRule {
    accept: MemberList,
}

impl HarvestRule {
    /// Whether what somebody brings is accepted at once.
    pub fn accepts(&self, address: &Address) -> bool {
        self.accept.has(address)
    }
}

/// `[[directory.ldap]]`: a server that is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Ldap {
    /// Host and port.
    pub server: Spanned<String>,
    /// The name in its certificate; without it, the host.
    pub name: Option<String>,
    #[serde(default)]
    pub tls: LdapTls,
    /// The anchors that vouch for the server, and for nothing else.
    pub anchors: Vec<Spanned<PathBuf>>,
    #[serde(default)]
    pub crls: Vec<Spanned<PathBuf>>,
    /// The entry below which is searched.
    pub base: String,
    /// The entry that asks; without it, nobody in particular.
    pub bind: Option<Spanned<String>>,
    /// A file with its password, which only its owner reads.
    pub password_file: Option<Spanned<PathBuf>>,
    /// The entry of a group: its members belong to the community.
    pub group: Option<String>,
    /// For a question, from its beginning to its end.
    #[serde(default = "two_seconds")]
    pub time_limit: Spanned<Life>,
    /// Of an answer.
    #[serde(default = "four_mebibytes")]
    pub size_limit: ByteSize,
    /// At once.
    #[serde(default = "four")]
    pub connections: Spanned<usize>,
    /// How long an answer counts.
    #[serde(default = "ten_minutes")]
    pub remember: Life,
    /// How long it counts that a name is not there.
    #[serde(default = "one_minute")]
    pub remember_unknown: Life,
    /// How long a server that fails is not asked again.
    #[serde(default = "fifteen_seconds")]
    pub pause: Life,
}

/// How TLS begins. There is no way without it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LdapTls {
    /// With the connection (ldaps).
    Implicit,
    /// With StartTLS.
    #[default]
    Starttls,
}

fn two_seconds() -> Spanned<Life> {
    Spanned::new(0..0, seconds(2))
}

const fn four_mebibytes() -> ByteSize {
    ByteSize(4 << 20)
}

fn four() -> Spanned<usize> {
    Spanned::new(0..0, 4)
}

const fn seconds(count: u64) -> Life {
    Life(Duration::from_secs(count))
}

const fn ten_minutes() -> Life {
    seconds(600)
}

const fn one_minute() -> Life {
    seconds(60)
}

const fn fifteen_seconds() -> Life {
    seconds(15)
}

/// For all that is asked for one message.
const TIME: Duration = Duration::from_secs(10);

/// What the section means.
pub(super) struct Meant {
    pub directory: Arc<dyn directory::Directory>,
    pub members: Option<Arc<dyn Members>>,
    pub time: Duration,
    pub harvest: Option<Arc<HarvestRule>>,
    pub harvested: Arc<Harvested>,
    /// Of all that was read from files.
    pub digest: String,
}

#[derive(Default)]
struct Gathered {
    sources: Vec<Arc<dyn directory::Directory>>,
    members: Vec<Arc<dyn Members>>,
    digests: String,
}

impl Place<'_> {
    pub(super) fn directory(&self, written: &Directory) -> Result<Meant, ConfigError> {
        let mut gathered = Gathered::default();
        for place in &written.files {
            let table = Table::load(&[self.path(place.get_ref())]).map_err(|error| {
                self.error(
                    place.span(),
                    "directory.files",
                    error,
                    "LDIF entries with mail and userCertificate;binary, or PEM certificates",
                )
            })?;
            gathered.digests.push_str(table.digest());
            gathered.sources.push(Arc::new(table));
        }
        for file in &written.members {
            let key = "directory.members";
            let remedy = "one name@domain or @domain on each line";
            let text = String::from_utf8(self.read(key, file)?)
                .map_err(|_| self.error(file.span(), key, "the file is not UTF-8", remedy))?;
            let list = MemberList::read(&self.path(file.get_ref()), &text)
                .map_err(|error| self.error(file.span(), key, error, remedy))?;
            gathered.digests.push_str(list.digest());
            gathered.members.push(Arc::new(list));
        }
        for ldap in &written.ldap {
            self.ldap(ldap, &mut gathered)?;
        }
        let harvest = self.harvest(written)?;
        // Last: what somebody wrote down counts before what mail brought.
        let harvested = Arc::new(Harvested::default());
        if harvest.is_some() {
            gathered
                .sources
                .push(Arc::clone(&harvested) as Arc<dyn directory::Directory>);
        }
        let has_members = !gathered.members.is_empty();
        Ok(Meant {
            directory: Arc::new(gathered.sources),
            harvest,
            harvested,
            time: written.time_limit.map_or(TIME, |time| time.0),
            members: has_members.then(|| Arc::new(gathered.members) as Arc<dyn Members>),
            digest: digest(gathered.digests.as_bytes()),
        })
    }

    fn harvest(&self, written: &Directory) -> Result<Option<Arc<HarvestRule>>, ConfigError> {
        let key = "directory.harvest-accept";
        let mut accept = MemberList::default();
        for who in &written.harvest_accept {
            let remedy = "write @domain or name@domain, with harvest = \"candidates\"";
            let wrong = |text: String| self.error(who.span(), key, text, remedy);
            if written.harvest == Harvest::Never {
                return Err(wrong("nothing is harvested".to_owned()));
            }
            accept
                .add(who.get_ref())
                .map_err(|error| wrong(error.to_string()))?;
        }
        let rule = HarvestRule { accept };
        Ok((written.harvest == Harvest::Candidates).then(|| Arc::new(rule)))
    }

    #[cfg(not(feature = "ldap"))]
    fn ldap(&self, ldap: &Ldap, _gathered: &mut Gathered) -> Result<(), ConfigError> {
        Err(self.error(
            ldap.server.span(),
            "directory.ldap",
            "this program was built without LDAP",
            "build it with the feature ldap, or name files",
        ))
    }

    #[cfg(feature = "ldap")]
    fn ldap(&self, written: &Ldap, gathered: &mut Gathered) -> Result<(), ConfigError> {
        use directory::ldap::{Begin, Ldap, Server};
        use directory::{Ages, Kept, LdapGroup};

        let key = "directory.ldap.server";
        let address = written.server.get_ref();
        let wrong = |text: &str| {
            let remedy = "write host and port: \"ldap.alder.example:389\"";
            self.error(written.server.span(), key, text, remedy)
        };
        let (host, port) = address
            .rsplit_once(':')
            .ok_or_else(|| wrong("a port is missing"))?;
        port.parse::<u16>().map_err(|_| wrong("this is no port"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let trust = self.trust(
            "directory.ldap",
            &written.anchors,
            &written.crls,
            match written.crls.is_empty() {
                true => Revocation::IfPresent,
                false => Revocation::Required,
            },
        )?;
        if trust.anchors().is_empty() {
            return Err(wrong("anchors are missing"));
        }
        let begin = match written.tls {
            LdapTls::Implicit => Begin::Implicit,
            LdapTls::Starttls => Begin::StartTls,
        };
        let name = written.name.as_deref().unwrap_or(host);
        let mut server = Server::new(address, name, begin, Arc::new(trust), &written.base)
            .map_err(|error| wrong(&error.to_string()))?;
        if let Some(bind) = &written.bind {
            let password = self.password(bind, written.password_file.as_ref())?;
            server = server.bind(bind.get_ref(), password);
        }
        let (time, connections) = (&written.time_limit, &written.connections);
        if time.get_ref().0.is_zero() || *connections.get_ref() == 0 {
            return Err(wrong("time-limit and connections are more than nothing"));
        }
        let size = usize::try_from(written.size_limit.0).unwrap_or(usize::MAX);
        let server = server.bounds(time.get_ref().0, *connections.get_ref(), size);
        let ages = Ages {
            known: written.remember.0,
            unknown: written.remember_unknown.0,
            pause: written.pause.0,
        };
        let directory = Arc::new(Ldap::new(server));
        if let Some(dn) = &written.group {
            let (directory, dn) = (Arc::clone(&directory), dn.clone());
            let group = Kept::new(LdapGroup { directory, dn }, ages);
            gathered.members.push(Arc::new(group));
        }
        gathered.sources.push(Arc::new(Kept::new(directory, ages)));
        Ok(())
    }

    #[cfg(feature = "ldap")]
    fn password(
        &self,
        bind: &Spanned<String>,
        file: Option<&Spanned<PathBuf>>,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, ConfigError> {
        let key = "directory.ldap.password-file";
        // RFC 4513 §5.1.2: a name without a password is nobody, and the server may not say so
        let file = file.ok_or_else(|| {
            let remedy = "name a file with the password of bind";
            self.error(bind.span(), key, "a password is missing", remedy)
        })?;
        let octets = zeroize::Zeroizing::new(self.read(key, file)?);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(self.path(file.get_ref()))
                .map_or(0o777, |found| found.permissions().mode());
            if mode & 0o077 != 0 {
                let text = "others may read the password";
                return Err(self.error(file.span(), key, text, "chmod 600"));
            }
        }
        let password = zeroize::Zeroizing::new(octets.trim_ascii_end().to_vec());
        match password.is_empty() {
            true => Err(self.error(file.span(), key, "the file is empty", "write the password")),
            false => Ok(password),
        }
    }
}
