//! People with keys in files, the program, and the `openssl` command.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ravelin::clock::Clock;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::lab::{Authority, Request, Usage};
use ravelin::crypto::pkcs12;
use serde_json::Value;

/// What the tests seal.
pub const LETTER: &str = "From: Ann Drafter <ann@alder.example>\r\nTo: bob@birch.example\r\n\
    Subject: Convoy 17\r\nDate: Sat, 21 Nov 2026 08:30:00 +0000\r\n\
    Message-ID: <17@alder.example>\r\nKeywords: ships\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=us-ascii\r\n\r\nSails at dawn.\r\n";

/// The word that only those who open the message may see.
pub const WORD: &str = "Sails at dawn.";

pub struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// `ann`, `cat` and `officer` sign; `bob` and `eve` decrypt; `switch` signs outside.
    pub fn new() -> Self {
        let at = Clock::system().now();
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let authority = Authority::new("CN=Lab CA,O=Lab", at).unwrap();
        bench.put("ca.crt", authority.certificate().to_pem());
        bench.put("ca.crl", authority.crl_pem(&[], at).unwrap());
        let stranger = Authority::new("CN=Other CA,O=Elsewhere", at).unwrap();
        bench.put("other.crt", stranger.certificate().to_pem());
        for (name, usage) in [
            ("ann", Usage::Sign),
            ("cat", Usage::Sign),
            ("officer", Usage::Sign),
            ("switch", Usage::Sign),
            ("bob", Usage::Encrypt),
            ("eve", Usage::Encrypt),
        ] {
            let address = format!("{name}@alder.example");
            let request = Request::new(&format!("CN={name},O=Lab"), usage, at).email(&address);
            bench.keep(name, &authority.issue(request).unwrap());
        }
        bench.put("letter.eml", LETTER);
        bench.put("pw", "secret\n");
        bench
    }

    fn keep(&self, name: &str, identity: &Identity) {
        let key = identity.key_to_pem().unwrap();
        let certificate = identity.certificate().to_pem();
        self.put(&format!("{name}.pem"), format!("{}{certificate}", *key));
        self.put(&format!("{name}.crt"), certificate);
        let p12 = pkcs12::write(identity, "secret").unwrap();
        fs::write(self.path(&format!("{name}.p12")), p12).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn is_there(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Runs `ravelin` in the folder.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_ravelin"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("RAVELIN_PASSWORD")
            .env_remove("RAVELIN_LOG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }

    /// Runs `ravelin`, which must say yes.
    pub fn yes(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}\n{err}");
        out
    }

    /// Runs `ravelin`, which must say no, and gives what it says about it.
    pub fn no(&self, arguments: &[&str]) -> String {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 1, "{arguments:?}\n{out}\n{err}");
        err
    }

    /// `ravelin seal letter.eml --out NAME` and these options.
    pub fn seal(&self, name: &str, options: &str) {
        let mut arguments = vec!["seal", "letter.eml", "--out", name];
        arguments.extend(options.split_whitespace());
        self.yes(&arguments);
    }

    /// What `ravelin inspect` says under the lab's authority, and its exit code.
    pub fn inspect(&self, name: &str, options: &str) -> (i32, Value) {
        let mut arguments = vec![
            "inspect", name, "--trust", "ca.crt", "--crl", "ca.crl", "--format", "json",
        ];
        arguments.extend(options.split_whitespace());
        let (code, out, err) = self.run(&arguments);
        assert!(code < 2, "{err}");
        (code, serde_json::from_str(&out).unwrap())
    }

    /// Whether `openssl` says yes; `None` where there is none.
    pub fn openssl(&self, arguments: &str) -> Option<bool> {
        let ran = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .status();
        match ran {
            Ok(status) => Some(status.success()),
            Err(_) => {
                eprintln!("skipped: no openssl program here");
                None
            }
        }
    }

    /// Brings the lines of a mail that `openssl` wrote into the form of the wire.
    pub fn wire(&self, name: &str) {
        let text = self.read(name);
        if text.starts_with(b"MIME") {
            let text = String::from_utf8(text).unwrap();
            self.put(name, text.replace("\r\n", "\n").replace('\n', "\r\n"));
        }
    }

    /// A copy of `from` in which the first `old` is `new`.
    pub fn change(&self, from: &str, to: &str, old: &str, new: &str) {
        let text = String::from_utf8(self.read(from)).unwrap();
        assert!(text.contains(old), "{old:?} is not in {from}");
        self.put(to, text.replacen(old, new, 1));
    }

    /// A copy of `from` with one character of its last long base64 block changed.
    pub fn damage(&self, from: &str, to: &str) {
        let mut octets = self.read(from);
        let body = octets.windows(4).rposition(|w| w == b"\r\n\r\n").unwrap() + 4;
        let at = body + (octets.len() - body) / 2;
        let at = (at..octets.len())
            .find(|i| octets[*i].is_ascii_alphanumeric())
            .unwrap();
        octets[at] = if octets[at] == b'A' { b'B' } else { b'A' };
        self.put(to, octets);
    }
}
