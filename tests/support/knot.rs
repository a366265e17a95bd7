//! Knot DNS on loopback: the zone `example.`, which it signs itself, and `elm.example.`, which it does
//! not. Nobody of ours has made its signatures and denials.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::dns::Entry;

/// How it denies.
#[derive(Clone, Copy, Debug)]
pub enum Denial {
    /// ECDSA P-256, one key.
    Nsec,
    /// RSA, one key.
    Nsec3,
}

/// A running server. Dropped, it ends.
pub struct Knot {
    /// The zone's key as a file of trust anchors.
    pub anchors: String,
    child: Child,
}

impl Drop for Knot {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this machine has it.
pub fn is_there() -> bool {
    ["knotd", "keymgr"].iter().all(|program| {
        let mut command = Command::new(program);
        let asked = command.arg("--version").stdout(Stdio::null());
        asked.stderr(Stdio::null()).status().is_ok()
    })
}

impl Knot {
    pub fn open(dir: &Path, address: SocketAddr, records: &[Entry], denial: Denial) -> Self {
        let dir = dir.join("knot");
        for folder in ["db", "run"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let (policy, here) = (
            match denial {
                Denial::Nsec => "algorithm: ecdsap256sha256\n    single-type-signing: on",
                Denial::Nsec3 => {
                    "algorithm: rsasha256\n    single-type-signing: on\n    nsec3: on\n    nsec3-iterations: 0"
                }
            },
            dir.display(),
        );
        let config = format!(
            "server:\n    rundir: {here}/run\n    listen: {}@{}\n\
             database:\n    storage: {here}/db\n\
             log:\n  - target: stderr\n    any: info\n\
             policy:\n  - id: signed\n    {policy}\n\
             zone:\n\
             \x20 - domain: example.\n    storage: {here}\n    file: example.zone\n    \
             zonefile-sync: -1\n    zonefile-load: difference-no-serial\n    \
             journal-content: all\n    dnssec-signing: on\n    dnssec-policy: signed\n\
             \x20 - domain: elm.example.\n    storage: {here}\n    file: elm.zone\n",
            address.ip(),
            address.port()
        );
        std::fs::write(dir.join("knot.conf"), config).unwrap();
        let zone = |apex: &str, more: &str| {
            format!(
                "{apex}. 60 SOA ns.example. root.example. 1 3600 600 86400 60\n{apex}. 60 NS ns.example.\n{more}"
            )
        };
        let mut signed = zone(
            "example",
            "ns.example. 60 A 127.0.0.1\nelm.example. 60 NS ns.example.\n",
        );
        let mut unsigned = zone("elm.example", "");
        for (name, data) in records {
            let is_unsigned = name.ends_with("elm.example");
            let zone = if is_unsigned {
                &mut unsigned
            } else {
                &mut signed
            };
            writeln!(zone, "{name}. 60 {} {data}", data.record_type()).unwrap();
        }
        std::fs::write(dir.join("example.zone"), signed).unwrap();
        std::fs::write(dir.join("elm.zone"), unsigned).unwrap();
        let config = dir.join("knot.conf");
        let mut child = Command::new("knotd")
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains("server started") {
            assert_ne!(said.read_line(&mut log).unwrap(), 0, "knotd: {log}");
        }
        // What it says later is read by nobody, and must not stop it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let key = Command::new("keymgr")
            .arg("-c")
            .arg(&config)
            .args(["example.", "dnskey"])
            .output();
        let key = String::from_utf8(key.unwrap().stdout).unwrap();
        assert!(key.contains(" DNSKEY "), "{key} {log}");
        Self {
            anchors: key.replace(" DNSKEY ", " IN DNSKEY "),
            child,
        }
    }
}
