//! `[[listen]]`: where it listens, to whom, how many, and how long they may take.
//!
//! Refuses: logins by password without a file of passwords, or where other switches speak; more
//! reserved connections than there are; numbers and times outside their bounds.
//! Standards: RFC 5321 §4.5.3.2 (times; a switch that is attacked keeps to shorter ones).

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use super::ConfigError;
use super::resolve::Place;
use super::units::{ByteSize, Wait};
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
    /// The most connections at one time; by itself 500.
    pub connections: Option<Spanned<usize>>,
    /// Of these, so many are kept for peers that hand in IMMEDIATE and above; by itself a tenth.
    pub reserved: Option<Spanned<usize>>,
    /// The most connections of one address at one time (of one /64 of IPv6); by itself 20.
    pub connections_per_source: Option<Spanned<usize>>,
    /// The most new connections of one address in a minute; by itself 300.
    pub connections_per_minute: Option<Spanned<usize>>,
    /// How long a peer may be silent, or be busy with one command; by itself 60 s.
    pub idle: Option<Spanned<Wait>>,
    /// The same, when nine tenths of the connections are taken; by itself 10 s.
    pub idle_when_crowded: Option<Spanned<Wait>>,
    /// How long a TLS handshake, or the word of a proxy, may take; by itself 15 s.
    pub handshake: Option<Spanned<Wait>>,
    /// The longest session; by itself 30 min.
    pub session: Option<Spanned<Wait>>,
    /// The least that must come of a message in a second; by itself 1 KiB.
    pub least_rate: Option<Spanned<ByteSize>>,
}

fn external() -> Vec<Mechanism> {
    vec![Mechanism::External]
}

/// The most connections that a listener may have.
const CONNECTIONS: usize = 100_000;

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
    /// How long peers may take.
    pub timers: Timers,
}

/// How long the peers of a listener may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// To be silent, or busy with one command.
    pub idle: Duration,
    /// The same, when nine tenths of the connections are taken.
    pub idle_when_crowded: Duration,
    /// For a TLS handshake, or the word of a proxy.
    pub handshake: Duration,
    /// For the whole session.
    pub session: Duration,
    /// The least octets of content that must come in a second.
    pub least_rate: u64,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            idle_when_crowded: Duration::from_secs(10),
            handshake: Duration::from_secs(15),
            session: Duration::from_secs(30 * 60),
            least_rate: 1024,
        }
    }
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
        let count = |part: &str, written: &Option<Spanned<usize>>, usual: usize| {
            self.within(&key(part), written.as_ref(), usual, 1..=CONNECTIONS)
        };
        let connections = count("connections", &listen.connections, 500)?;
        let listener = Listener {
            name: listen.name.clone(),
            address: listen.address,
            role: listen.role,
            tls: listen.tls,
            proxies: listen.proxies.clone(),
            xclient: listen.xclient.clone(),
            logins: listen.logins.clone(),
            connections,
            // Somebody who is not urgent must be able to connect, too.
            reserved: self.within(
                &key("reserved"),
                listen.reserved.as_ref(),
                connections / 10,
                0..=connections.saturating_sub(1),
            )?,
            connections_per_source: count(
                "connections-per-source",
                &listen.connections_per_source,
                20,
            )?,
            connections_per_minute: count(
                "connections-per-minute",
                &listen.connections_per_minute,
                300,
            )?,
            timers: self.timers(listen)?,
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
        Ok(listener)
    }

    fn timers(&self, listen: &Listen) -> Result<Timers, ConfigError> {
        let usual = Timers::default();
        let time = |part: &str, written: &Option<Spanned<Wait>>, usual: Duration, most: u64| {
            let Some(written) = written else {
                return Ok(usual);
            };
            let key = format!("listen.{}.{part}", listen.name);
            let bounds = Wait(Duration::from_secs(1))..=Wait(Duration::from_secs(most));
            self.bounded(&key, written, bounds).map(|wait| wait.0)
        };
        let (hour, day) = (3600, 86_400);
        Ok(Timers {
            idle: time("idle", &listen.idle, usual.idle, hour)?,
            idle_when_crowded: time(
                "idle-when-crowded",
                &listen.idle_when_crowded,
                usual.idle_when_crowded,
                hour,
            )?,
            handshake: time("handshake", &listen.handshake, usual.handshake, hour)?,
            session: time("session", &listen.session, usual.session, day)?,
            least_rate: match &listen.least_rate {
                None => usual.least_rate,
                Some(rate) => {
                    let key = format!("listen.{}.least-rate", listen.name);
                    self.bounded(&key, rate, ByteSize(1)..=ByteSize(1 << 20))?.0
                }
            },
        })
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
