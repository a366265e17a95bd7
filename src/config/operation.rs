//! What the switch does for those who run it: checkpoints, forwarding, head-room, metrics, stopping.
//!
//! Refuses: bounds in the wrong order, an urgent precedence shed before a less urgent one, metrics
//! for anybody but this machine, a collector over TLS without a name to look for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::ConfigError;
use super::resolve::Place;
use super::units::{ByteSize, Life, Percent, Wait};
use super::written::Written;
use crate::audit::render::Form;
use crate::crypto::trust::TrustStore;
use crate::message::Precedence;

/// `[audit]`: where the chain is written for others to read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AuditSection {
    /// A file that grows by one JSON line for each event.
    pub file: Option<Spanned<PathBuf>>,
    /// A file that grows by one line for each checkpoint; best on another machine's disk.
    pub witness: Option<Spanned<PathBuf>>,
    /// A checkpoint is made at the latest after so many events.
    #[serde(default = "thousand")]
    pub checkpoint_events: u64,
    /// And at the latest so long after an event.
    #[serde(default = "ten_minutes")]
    pub checkpoint_after: Life,
    /// Collectors that every event is sent to.
    #[serde(default)]
    pub forward: Vec<ForwardSection>,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            file: None,
            witness: None,
            checkpoint_events: thousand(),
            checkpoint_after: ten_minutes(),
            forward: Vec::new(),
        }
    }
}

const fn thousand() -> u64 {
    1000
}

const fn ten_minutes() -> Life {
    Life(Duration::from_secs(600))
}

/// `[[audit.forward]]`: a collector.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ForwardSection {
    pub name: Spanned<String>,
    /// Host and port.
    pub address: String,
    #[serde(default)]
    pub tls: ForwardTls,
    /// The DNS name in the collector's certificate.
    pub peer: Option<String>,
    #[serde(default)]
    pub format: ForwardFormat,
}

/// Whether the way to a collector is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ForwardTls {
    /// RFC 6587: inside one machine or one protected network only.
    Never,
    /// RFC 5425: both sides with certificates.
    #[default]
    Required,
}

/// The form in which a collector gets events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ForwardFormat {
    /// CEF as the text of a syslog message.
    Cef,
    /// RFC 5424.
    #[default]
    Syslog,
}

/// `[head-room]`: from where to where each measure goes from nothing to all, and who is shed when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HeadRoomSection {
    /// Free space on the disk of the store.
    #[serde(default = "disk")]
    pub disk: (ByteSize, ByteSize),
    /// Free files on the disk of the store.
    #[serde(default = "inodes")]
    pub inodes: (Percent, Percent),
    /// Memory that is at hand.
    #[serde(default = "memory")]
    pub memory: (Percent, Percent),
    /// How long a commit takes.
    #[serde(default = "commit")]
    pub commit: (Wait, Wait),
    /// Entries in the queue.
    #[serde(default = "queue")]
    pub queue: (u64, u64),
    /// Below which head-room a precedence is not taken; what is not named has its default.
    pub shed: Option<Spanned<Vec<(Precedence, Percent)>>>,
}

impl Default for HeadRoomSection {
    fn default() -> Self {
        Self {
            disk: disk(),
            inodes: inodes(),
            memory: memory(),
            commit: commit(),
            queue: queue(),
            shed: None,
        }
    }
}

// Not a share: what a switch needs does not grow with its disk.
const fn disk() -> (ByteSize, ByteSize) {
    (ByteSize(256 << 20), ByteSize(2 << 30))
}

const fn inodes() -> (Percent, Percent) {
    (Percent(1), Percent(5))
}

const fn memory() -> (Percent, Percent) {
    (Percent(2), Percent(8))
}

const fn commit() -> (Wait, Wait) {
    (Wait(Duration::from_secs(20)), Wait(Duration::from_secs(2)))
}

const fn queue() -> (u64, u64) {
    (2_000_000, 1_000_000)
}

/// Who goes first: DEFERRED and ROUTINE; who goes last: OVERRIDE, with the last hundredth.
const SHED: [(Precedence, u8); 6] = [
    (Precedence::Deferred, 50),
    (Precedence::Routine, 40),
    (Precedence::Priority, 25),
    (Precedence::Immediate, 15),
    (Precedence::Flash, 5),
    (Precedence::Override, 1),
];

/// `[metrics]`: where this machine's own programs see how the switch does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MetricsSection {
    pub address: Spanned<SocketAddr>,
}

/// How the switch is run.
#[derive(Clone)]
pub struct Operation {
    /// When the head of the audit chain is signed, and who else is told.
    pub checkpoints: Checkpoints,
    /// Collectors of events.
    pub forwards: Vec<Forward>,
    /// When less is taken.
    pub head_room: HeadRoomRules,
    /// Where metrics, health and readiness are to be had.
    pub metrics: Option<SocketAddr>,
    /// How long sessions and deliveries may go on when the switch stops.
    pub drain: Duration,
}

/// When the head of the audit chain is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// At the latest after so many events.
    pub events: u64,
    /// At the latest so long after an event.
    pub after: Duration,
    /// A file that remembers every head.
    pub witness: Option<PathBuf>,
}

/// A collector of events.
#[derive(Clone)]
pub struct Forward {
    /// Its name in the log.
    pub name: String,
    /// Host and port.
    pub address: String,
    /// The DNS name in its certificate and who vouches for it; nothing: not encrypted.
    pub tls: Option<(String, Arc<TrustStore>)>,
    /// How events are written for it.
    pub form: Form,
}

/// From nothing to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Here there is no room left.
    pub nothing: u64,
    /// From here on there is as much as can be.
    pub all: u64,
}

/// When less is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRoomRules {
    /// Octets of the disk that are free.
    pub disk: Span,
    /// Hundredths of its files that are free.
    pub inodes: Span,
    /// Hundredths of the memory that are at hand.
    pub memory: Span,
    /// Milliseconds that a commit takes.
    pub commit: Span,
    /// Entries in the queue.
    pub queue: Span,
    /// Below which head-room a precedence is not taken.
    pub shed: BTreeMap<Precedence, u8>,
}

impl Default for HeadRoomRules {
    fn default() -> Self {
        let span = |(nothing, all): (u64, u64)| Span { nothing, all };
        let percent = |(a, b): (Percent, Percent)| span((a.0.into(), b.0.into()));
        Self {
            disk: span((disk().0.0, disk().1.0)),
            inodes: percent(inodes()),
            memory: percent(memory()),
            commit: span((commit().0.milliseconds(), commit().1.milliseconds())),
            queue: span(queue()),
            shed: SHED.into(),
        }
    }
}

impl Operation {
    /// The keys that differ and cannot change while the switch runs.
    pub(super) fn fixed_differences(&self, next: &Self) -> [(&'static str, bool); 3] {
        let same = |a: &Forward, b: &Forward| {
            let peer = |forward: &Forward| forward.tls.as_ref().map(|(peer, _)| peer.clone());
            (&a.name, &a.address, a.form, peer(a)) == (&b.name, &b.address, b.form, peer(b))
        };
        let forwards = self.forwards.len() == next.forwards.len()
            && self
                .forwards
                .iter()
                .zip(&next.forwards)
                .all(|(a, b)| same(a, b));
        [
            ("metrics.address", self.metrics == next.metrics),
            ("audit.forward", forwards),
            (
                "audit.witness",
                self.checkpoints.witness == next.checkpoints.witness,
            ),
        ]
    }
}

impl Place<'_> {
    /// `trust` vouches for collectors.
    pub(super) fn operation(
        &self,
        written: &Written,
        trust: &Arc<TrustStore>,
    ) -> Result<Operation, ConfigError> {
        let audit = &written.audit;
        if audit.checkpoint_events == 0 || audit.checkpoint_after.0.is_zero() {
            return Err(self.whole(
                "audit.checkpoint-events",
                "a checkpoint after nothing",
                "name a number of events and a time that are not 0",
            ));
        }
        let forwards = audit
            .forward
            .iter()
            .map(|forward| self.forward(forward, trust));
        let metrics = written.metrics.as_ref().map(|metrics| &metrics.address);
        if let Some(address) = metrics.filter(|address| !address.get_ref().ip().is_loopback()) {
            return Err(self.error(
                address.span(),
                "metrics.address",
                "it is not encrypted and asks nobody who they are",
                "name a loopback address; a collector on another machine asks through a proxy of yours",
            ));
        }
        Ok(Operation {
            checkpoints: Checkpoints {
                events: audit.checkpoint_events,
                after: audit.checkpoint_after.0,
                witness: audit.witness.as_ref().map(|path| self.path(path.get_ref())),
            },
            forwards: forwards.collect::<Result<_, _>>()?,
            head_room: self.head_room(&written.head_room)?,
            metrics: metrics.map(|address| *address.get_ref()),
            drain: written.switch.drain.0,
        })
    }

    fn forward(
        &self,
        forward: &ForwardSection,
        trust: &Arc<TrustStore>,
    ) -> Result<Forward, ConfigError> {
        let name = forward.name.get_ref().clone();
        let tls = match (forward.tls, &forward.peer) {
            (ForwardTls::Never, _) => None,
            (ForwardTls::Required, Some(peer)) => Some((peer.clone(), Arc::clone(trust))),
            (ForwardTls::Required, None) => {
                return Err(self.error(
                    forward.name.span(),
                    "audit.forward.peer",
                    "a collector with TLS needs the name of its peer",
                    "set peer to the DNS name in its certificate, or tls = \"never\"",
                ));
            }
        };
        Ok(Forward {
            name,
            address: forward.address.clone(),
            tls,
            form: match forward.format {
                ForwardFormat::Cef => Form::Cef,
                ForwardFormat::Syslog => Form::Syslog,
            },
        })
    }

    fn head_room(&self, written: &HeadRoomSection) -> Result<HeadRoomRules, ConfigError> {
        let rising = |key: &str, nothing: u64, all: u64| match nothing < all {
            true => Ok(Span { nothing, all }),
            false => Err(self.whole(
                &format!("head-room.{key}"),
                "the first bound is where nothing is taken, the second where all is",
                "write the smaller one first",
            )),
        };
        let falling = |key: &str, nothing: u64, all: u64| match nothing > all {
            true => Ok(Span { nothing, all }),
            false => Err(self.whole(
                &format!("head-room.{key}"),
                "the first bound is where nothing is taken, the second where all is",
                "write the larger one first",
            )),
        };
        let mut shed: BTreeMap<Precedence, u8> = SHED.into();
        for (precedence, below) in written.shed.iter().flat_map(Spanned::get_ref) {
            shed.insert(*precedence, below.0);
        }
        let bounds: Vec<u8> = shed.values().copied().collect();
        if bounds.windows(2).any(|pair| pair[0] < pair[1]) {
            return Err(self.error(
                written.shed.as_ref().map_or(0..0, Spanned::span),
                "head-room.shed",
                "a more urgent precedence would be shed before a less urgent one",
                "the more urgent, the smaller the number",
            ));
        }
        let percent = |(a, b): (Percent, Percent)| (u64::from(a.0), u64::from(b.0));
        let (disk, inodes) = (written.disk, percent(written.inodes));
        let memory = percent(written.memory);
        let (slow, quick) = written.commit;
        Ok(HeadRoomRules {
            disk: rising("disk", disk.0.0, disk.1.0)?,
            inodes: rising("inodes", inodes.0, inodes.1)?,
            memory: rising("memory", memory.0, memory.1)?,
            commit: falling("commit", slow.milliseconds(), quick.milliseconds())?,
            queue: falling("queue", written.queue.0, written.queue.1)?,
            shed,
        })
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        text.strip_suffix('%')
            .and_then(|number| number.parse().ok())
            .filter(|number| *number <= 100)
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("{text:?} is not a share such as \"15%\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_short_waits_carry_their_unit() {
        #[derive(Deserialize)]
        struct Both {
            share: Percent,
            wait: Wait,
        }
        let both: Both = toml::from_str("share = \"15%\"\nwait = \"250ms\"").unwrap();
        assert_eq!((both.share.0, both.wait.milliseconds()), (15, 250));
        for bad in ["15", "101%", "-1%", "%", "1.5%"] {
            let text = format!("share = {bad:?}\nwait = \"1s\"");
            assert!(toml::from_str::<Both>(&text).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_more_urgent_is_shed_later() {
        let shed: Vec<u8> = HeadRoomRules::default().shed.values().copied().collect();
        assert!(shed.windows(2).all(|pair| pair[0] > pair[1]), "{shed:?}");
        assert_eq!(shed.len(), Precedence::ALL.len());
    }
}
