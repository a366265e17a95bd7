//! What the service manager is told: ready, reloading, stopping, alive, and how things stand.
//!
//! The protocol is one datagram to the socket that `NOTIFY_SOCKET` names; without that variable nothing
//! is said. Written here: a crate for it would be larger, and this needs no unsafe code.
//! Standards: sd_notify(3), systemd.service(5) `Type=notify-reload`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Whom to tell.
pub struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// What the environment of this process says.
    pub fn from_environment() -> Self {
        let variable = |name: &str| std::env::var_os(name);
        let own = |pid: &OsStr| pid.to_str() == Some(&std::process::id().to_string());
        // The variable may be another process's, which started us.
        let is_ours = variable("WATCHDOG_PID").is_none_or(|pid| own(&pid));
        let watchdog = variable("WATCHDOG_USEC").filter(|_| is_ours);
        Self::to(
            variable("NOTIFY_SOCKET").as_deref(),
            watchdog.and_then(|time| time.to_str()?.parse().ok()),
        )
    }

    /// Tells the socket of this name; the watchdog waits so many microseconds.
    pub fn to(socket: Option<&OsStr>, watchdog: Option<u64>) -> Self {
        let open = |name: &OsStr| {
            let address = address(name).ok()?;
            Some((UnixDatagram::unbound().ok()?, address))
        };
        Self {
            to: socket.and_then(open),
            watchdog: watchdog.filter(|time| *time > 0).map(Duration::from_micros),
        }
    }

    /// How often it wants to hear that we live: twice in its patience.
    pub fn interval(&self) -> Option<Duration> {
        self.to.as_ref()?;
        self.watchdog.map(|patience| patience / 2)
    }

    /// Everything serves.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// The configuration is being read again; say [`Notify::ready`] after it.
    pub fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// No more is accepted; it may take so long.
    pub fn stopping(&self, patience: Duration) {
        let time = patience.as_micros();
        self.say(&format!(
            "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC={time}"
        ));
    }

    /// We live, and so things stand.
    pub fn alive(&self, status: &str) {
        self.say(&format!("WATCHDOG=1\nSTATUS={}", line(status)));
    }

    fn say(&self, text: &str) {
        if let Some((socket, to)) = &self.to
            && let Err(error) = socket.send_to_addr(text.as_bytes(), to)
        {
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

/// One line: a second one would be another message.
fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn address(name: &OsStr) -> std::io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let [b'@', rest @ ..] = name.as_bytes() {
        use std::os::linux::net::SocketAddrExt;
        return SocketAddr::from_abstract_name(rest);
    }
    SocketAddr::from_pathname(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(socket: &UnixDatagram) -> String {
        let mut octets = [0; 512];
        let length = socket.recv(&mut octets).unwrap();
        String::from_utf8(octets[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_service_manager_hears_each_word_and_nothing_that_a_status_adds() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::to(Some(path.as_os_str()), Some(4_000_000));
        assert_eq!(notify.interval(), Some(Duration::from_secs(2)));
        notify.ready("serving\nSTOPPING=1");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=serving STOPPING=1");
        notify.reloading();
        let text = heard(&socket);
        let time = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
        notify.alive("ok");
        assert_eq!(heard(&socket), "WATCHDOG=1\nSTATUS=ok");
        notify.stopping(Duration::from_secs(1));
        assert!(heard(&socket).ends_with("EXTEND_TIMEOUT_USEC=1000000"));
        drop(socket);
        // Nobody listens any more, or ever did: nothing happens.
        notify.alive("ok");
        let nobody = Notify::to(None, Some(1));
        nobody.ready("serving");
        assert_eq!(nobody.interval(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_without_a_file_is_reached() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("ravelin-test-{}", std::process::id());
        let own = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&own).unwrap();
        Notify::to(Some(OsStr::new(&format!("@{name}"))), None).ready("x");
        assert_eq!(heard(&socket), "READY=1\nSTATUS=x");
    }
}
