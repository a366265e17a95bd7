//! Postfix beside the switch: the same messages, the same sink, on the same machine.
//!
//! A plain relay in a folder of its own, on loopback, as its package makes it: one sync for each
//! message, no TLS, no checks, no limits that would slow it. It must be started by root.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ravelin::cli::demo::Trouble;

/// A running Postfix. Dropped, it stops.
pub struct Postfix {
    folder: tempfile::TempDir,
    /// Where it takes messages.
    pub address: SocketAddr,
}

impl Postfix {
    /// Starts it; everything that it takes goes to `sink`.
    pub fn start(sink: SocketAddr) -> Result<Self, Trouble> {
        // The port was free a moment ago; Postfix has no way to choose one itself.
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        // Not below the user's own folder: its programs run as other users.
        let folder = tempfile::Builder::new()
            .prefix("bench-postfix-")
            .tempdir()?;
        let postfix = Self { folder, address };
        let base = postfix.folder.path();
        run("chmod", &["755"], base)?;
        for name in ["etc", "queue", "data"] {
            fs::create_dir(base.join(name))?;
        }
        run("chown", &["postfix"], &base.join("data"))?;
        fs::write(base.join("etc/main.cf"), main_cf(base, sink))?;
        fs::write(base.join("etc/master.cf"), master_cf(address))?;
        postfix.command("check")?;
        postfix.command("start")?;
        Ok(postfix)
    }

    /// Its version.
    pub fn version() -> Result<String, Trouble> {
        let said = Command::new("postconf")
            .args(["-d", "-h", "mail_version"])
            .output()?;
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// The processor time of all its processes, those that ended included.
    pub fn processor_time(&self) -> Result<Duration, Trouble> {
        let master = fs::read_to_string(self.folder.path().join("queue/pid/master.pid"))?;
        let master = master.trim();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
        // Of the master also what it reaped; of the living ones what they took themselves.
        let mut ticks = ticks(master, 4)?;
        for child in children.split_ascii_whitespace() {
            // One that ended since is counted by its master.
            ticks += self::ticks(child, 2).unwrap_or(0);
        }
        Ok(Duration::from_millis(ticks * 10))
    }

    fn command(&self, verb: &str) -> Result<(), Trouble> {
        let etc = self.folder.path().join("etc");
        let said = Command::new("postfix")
            .arg("-c")
            .arg(etc)
            .arg(verb)
            .output()?;
        if said.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&said.stderr);
        Err(format!("postfix {verb}: {words} (it is started by root)").into())
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.command("stop");
    }
}

/// The first `count` of its own and its reaped children's times in user and kernel.
fn ticks(process: &str, count: usize) -> Result<u64, Trouble> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("an odd line in /proc")?;
    let fields = fields.split_ascii_whitespace().skip(11).take(count);
    Ok(fields.map(str::parse::<u64>).sum::<Result<_, _>>()?)
}

fn run(program: &str, arguments: &[&str], path: &Path) -> Result<(), Trouble> {
    let status = Command::new(program).args(arguments).arg(path).status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{program} {}: {status}", path.display()).into())
}

/// What `postconf` says of this machine's package.
fn place(name: &str) -> PathBuf {
    let said = Command::new("postconf").args(["-d", "-h", name]).output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    PathBuf::from(text.unwrap_or_default())
}

fn main_cf(base: &Path, sink: SocketAddr) -> String {
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {base}/queue\n\
         data_directory = {base}/data\n\
         daemon_directory = {daemons}\n\
         shlib_directory = {libraries}\n\
         meta_directory = {meta}\n\
         mail_owner = postfix\n\
         setgid_group = postdrop\n\
         myhostname = relay.bench.test\n\
         mydestination =\n\
         local_recipient_maps =\n\
         alias_maps =\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         mynetworks = 127.0.0.0/8\n\
         smtpd_relay_restrictions = permit_mynetworks, reject\n\
         relayhost = [{host}]:{port}\n\
         disable_dns_lookups = yes\n\
         smtp_host_lookup = native\n\
         smtpd_peername_lookup = no\n\
         smtpd_tls_security_level = none\n\
         smtp_tls_security_level = none\n\
         maillog_file = {base}/queue/maillog\n\
         maillog_file_prefixes = {base}\n\
         smtpd_client_connection_count_limit = 0\n\
         default_destination_concurrency_limit = 50\n\
         initial_destination_concurrency = 50\n\
         in_flow_delay = 0\n",
        base = base.display(),
        daemons = place("daemon_directory").display(),
        libraries = place("shlib_directory").display(),
        meta = place("meta_directory").display(),
        host = sink.ip(),
        port = sink.port(),
    )
}

fn master_cf(address: SocketAddr) -> String {
    let rows = [
        "pickup n 60 1 pickup",
        "qmgr n 300 1 qmgr",
        "cleanup n - 0 cleanup",
        "rewrite - - - trivial-rewrite",
        "showq n - - showq",
        "bounce - - 0 bounce",
        "defer - - 0 bounce",
        "trace - - 0 bounce",
        "smtp - - - smtp",
        "flush n 1000? 0 flush",
        "error - - - error",
        "retry - - - error",
        "proxymap - - - proxymap",
        "anvil - - 1 anvil",
        "scache - - 1 scache",
        "tlsmgr - 1000? 1 tlsmgr",
    ];
    let mut text = format!("{address} inet n - n - - smtpd\n");
    for row in rows {
        let mut parts = row.split(' ');
        let [name, private, wake, most, program] = [(); 5].map(|()| parts.next().unwrap_or("-"));
        text.push_str(&format!(
            "{name} unix {private} - n {wake} {most} {program}\n"
        ));
    }
    text.push_str("postlog unix-dgram n - n - 1 postlogd\n");
    text
}
