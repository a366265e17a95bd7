//! `[[listen]]`: where it listens, to whom, and how many.
//!
//! Refuses: logins by password without a file of passwords, or where other switches speak; more
//! reserved connections than there are.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use super::ConfigError;
use super::resolve::Place;
use crate::smtp::sasl::Passwords;
use crate::smtp::session::Mechanism;

/// `[[listen]]`: where it listens, and to whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Listen {
    pub name: String,
    pub address: SocketAddr,
    pub role: ListenRole,
    #[serde(default)]
    pub tls: ListenTls,
    /// Load balancers that say with the PROXY protocol for whom they speak. From them nothing else
    /// is taken; from anybody else it is not understood.
    #[serde(default)]
    pub proxies: Vec<IpAddr>,
    /// Who may say with XCLIENT for whom they speak. Who they are themselves, their certificate says.
    #[serde(default)]
    pub xclient: Vec<IpAddr>,
    /// How a client may log in.
    #[serde(default = "external")]
    pub logins: Vec<Mechanism>,
    /// The most connections at one time.
    #[serde(default = "five_hundred")]
    pub connections: usize,
    /// Of these, so many are kept for peers that hand in IMMEDIATE and above.
    pub reserved: Option<usize>,
    /// The most connections of one address at one time (of one /64 of IPv6).
    #[serde(default = "twenty")]
    pub connections_per_source: usize,
    /// The most new connections of one address in a minute.
    #[serde(default = "three_hundred")]
    pub connections_per_minute: usize,
}

fn external() -> Vec<Mechanism> {
    vec![Mechanism::External]
}

const fn five_hundred() -> usize {
    500
}

const fn twenty() -> usize {
    20
}

const fn three_hundred() -> usize {
    300
}

/// How TLS begins on a listener. Without TLS nobody hands anything in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenTls {
    /// With the connection (RFC 8314).
    Implicit,
    /// With STARTTLS.
    #[default]
    Starttls,
}

/// Who speaks to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenRole {
    /// Other switches, with LMTP: a reply for each recipient.
    Lmtp,
    /// Other switches, each named by a link.
    Relay,
    /// The domain's own people.
    Submission,
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name in Received, log and audit.
    pub name: String,
    /// Address and port.
    pub address: SocketAddr,
    /// Who speaks to it.
    pub role: ListenRole,
    /// How TLS begins.
    pub tls: ListenTls,
    /// Load balancers that say for whom they speak.
    pub proxies: Vec<IpAddr>,
    /// Who may say so with XCLIENT.
    pub xclient: Vec<IpAddr>,
    /// How a client may log in.
    pub logins: Vec<Mechanism>,
    /// The most connections at one time.
    pub connections: usize,
    /// Of these, those that are kept for peers that hand in IMMEDIATE and above.
    pub reserved: usize,
    /// The most connections of one source at one time.
    pub connections_per_source: usize,
    /// The most new connections of one source in a minute.
    pub connections_per_minute: usize,
}

impl Listener {
    /// Whether somebody may log in with a password.
    pub fn takes_passwords(&self) -> bool {
        self.logins
            .iter()
            .any(|login| *login != Mechanism::External)
    }
}

impl Place<'_> {
    pub(super) fn listener(
        &self,
        written: &Spanned<Listen>,
        passwords: Option<&Arc<Passwords>>,
    ) -> Result<Listener, ConfigError> {
        let listen = written.get_ref();
        let key = |part: &str| format!("listen.{}.{part}", listen.name);
        let listener = Listener {
            name: listen.name.clone(),
            address: listen.address,
            role: listen.role,
            tls: listen.tls,
            proxies: listen.proxies.clone(),
            xclient: listen.xclient.clone(),
            logins: listen.logins.clone(),
            connections: listen.connections,
            reserved: listen.reserved.unwrap_or(listen.connections / 10),
            connections_per_source: listen.connections_per_source,
            connections_per_minute: listen.connections_per_minute,
        };
        if listener.takes_passwords() && listener.role != ListenRole::Submission {
            return Err(self.error(
                written.span(),
                &key("logins"),
                "only people log in with passwords; switches have certificates",
                "list these logins on a listener of the role submission",
            ));
        }
        if listener.takes_passwords() && passwords.is_none() {
            return Err(self.error(
                written.span(),
                &key("logins"),
                "no file of passwords is named",
                "make one with `ravelin password set` and name it with trust.passwords",
            ));
        }
        let limits = [
            listener.connections,
            listener.connections_per_source,
            listener.connections_per_minute,
        ];
        if limits.contains(&0) || listener.reserved >= listener.connections {
            return Err(self.error(
                written.span(),
                &key("connections"),
                "nobody, or nobody but the urgent, could connect",
                "let connections be more than reserved, and no limit 0",
            ));
        }
        Ok(listener)
    }

    /// The file of passwords.
    pub(super) fn passwords(
        &self,
        path: Option<&Spanned<PathBuf>>,
    ) -> Result<Option<Arc<Passwords>>, ConfigError> {
        let Some(path) = path else { return Ok(None) };
        let octets = Zeroizing::new(self.read("trust.passwords", path)?);
        let wrong = |text: String| {
            self.error(
                path.span(),
                "trust.passwords",
                text,
                "`ravelin password set` makes and changes the file",
            )
        };
        let text = std::str::from_utf8(&octets).map_err(|error| wrong(error.to_string()))?;
        Passwords::parse(text)
            .map(|passwords| Some(Arc::new(passwords)))
            .map_err(|error| wrong(error.to_string()))
    }
}
