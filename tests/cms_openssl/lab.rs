//! Keys, certificates and messages made by the `openssl` program in a folder of their own.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::keys::Identity;

/// A MIME part, long enough to come in several pieces when it is streamed.
pub const CONTENT: &[u8] = &content();

const LINE: &[u8; 40] = b"Content of the lab, forty octets long.\r\n";

const fn content() -> [u8; 40_000] {
    let mut out = [0; 40_000];
    let mut at = 0;
    while at < out.len() {
        out[at] = LINE[at % LINE.len()];
        // The first line is like no other, so that a test can find it and damage it.
        if at < 20 {
            out[at] = b'A' + (at as u8);
        }
        at += 1;
    }
    out
}

pub struct Lab {
    folder: tempfile::TempDir,
    next: AtomicUsize,
}

/// The one lab of this run, or none where there is no `openssl`.
pub fn lab() -> Option<&'static Lab> {
    static LAB: OnceLock<Option<Lab>> = OnceLock::new();
    let lab = LAB.get_or_init(|| {
        let there = Command::new("openssl").arg("version").output().is_ok();
        there.then(Lab::new)
    });
    if lab.is_none() {
        eprintln!("skipped: no openssl program here");
    }
    lab.as_ref()
}

const EXTENSIONS: &str = "[sign]\nkeyUsage=critical,digitalSignature\n\
    extendedKeyUsage=emailProtection\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n\
    subjectAltName=email:someone@lab.example\n\
    [agree]\nkeyUsage=critical,keyAgreement\nextendedKeyUsage=emailProtection\n\
    subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n\
    [transport]\nkeyUsage=critical,keyEncipherment\nextendedKeyUsage=emailProtection\n\
    subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";

impl Lab {
    fn new() -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
            next: AtomicUsize::new(0),
        };
        lab.write("extensions.cnf", EXTENSIONS.as_bytes());
        lab.write("m.txt", CONTENT);
        lab.key("ca", "P-384");
        assert!(lab.openssl(&[
            "req",
            "-new",
            "-x509",
            "-key",
            "ca.key",
            "-sha384",
            "-subj",
            "/O=Lab/CN=Lab CA",
            "-days",
            "30",
            "-out",
            "ca.crt"
        ]));
        for (name, kind, usage) in [
            ("alice", "P-384", "sign"),
            ("bob", "P-256", "sign"),
            ("carol", "P-521", "sign"),
            ("dave", "RSA", "sign"),
            ("erin", "Ed25519", "sign"),
            ("old", "RSA-1024", "sign"),
            ("enc-p256", "P-256", "agree"),
            ("enc-p384", "P-384", "agree"),
            ("enc-p384b", "P-384", "agree"),
            ("enc-p521", "P-521", "agree"),
            ("enc-rsa", "RSA", "transport"),
            ("enc-other", "P-384", "agree"),
        ] {
            lab.key(name, kind);
            lab.issue(name, name, usage, None);
        }
        // The same key and name in a second certificate.
        std::fs::copy(lab.path("alice.key"), lab.path("alice-twin.key")).unwrap();
        lab.issue("alice-twin", "alice", "sign", None);
        // Another key under the issuer and serial number of a recipient.
        lab.key("enc-p384-other-key", "P-384");
        let serial = lab.certificate("enc-p384").serial_hex();
        lab.issue(
            "enc-p384-other-key",
            "enc-p384",
            "agree",
            Some(&format!("0x{serial}")),
        );
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.path(name), octets).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs the program in the lab's folder: whether it was content.
    pub fn openssl(&self, arguments: &[&str]) -> bool {
        let run = Command::new("openssl")
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if !run.status.success() {
            println!(
                "openssl {arguments:?}: {}",
                String::from_utf8_lossy(&run.stderr)
            );
        }
        run.status.success()
    }

    fn key(&self, name: &str, kind: &str) {
        let curve = format!("ec_paramgen_curve:{kind}");
        let out = format!("{name}.key");
        let options: &[&str] = match kind {
            "RSA" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "RSA-1024" => &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
            "Ed25519" => &["-algorithm", "ED25519"],
            _ => &["-algorithm", "EC", "-pkeyopt", &curve],
        };
        let mut arguments = vec!["genpkey"];
        arguments.extend_from_slice(options);
        arguments.extend_from_slice(&["-out", &out]);
        assert!(self.openssl(&arguments));
    }

    fn issue(&self, file: &str, subject: &str, usage: &str, serial: Option<&str>) {
        let (key, request) = (format!("{file}.key"), format!("{file}.csr"));
        let (subject, out) = (format!("/O=Lab/CN={subject}"), format!("{file}.crt"));
        assert!(self.openssl(&[
            "req", "-new", "-key", &key, "-subj", &subject, "-out", &request
        ]));
        let mut arguments = vec![
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-sha384",
            "-days",
            "20",
            "-extfile",
            "extensions.cnf",
            "-extensions",
            usage,
            "-out",
            &out,
        ];
        match serial {
            Some(serial) => arguments.extend_from_slice(&["-set_serial", serial]),
            None => arguments.push("-CAcreateserial"),
        }
        assert!(self.openssl(&arguments));
    }

    pub fn certificate(&self, name: &str) -> Certificate {
        let pem = self.read(&format!("{name}.crt"));
        Certificate::from_pem_many(&pem).unwrap().remove(0)
    }

    pub fn identity(&self, name: &str) -> Identity {
        let certificate = self.read(&format!("{name}.crt"));
        Identity::from_pem(&certificate, &self.read(&format!("{name}.key")), None).unwrap()
    }

    fn fresh(&self, what: &str) -> String {
        format!("{what}-{}", self.next.fetch_add(1, Ordering::SeqCst))
    }

    /// The content signed by `signer`, with these options after its name.
    pub fn sign(&self, what: &str, signer: &str, options: &[&str]) -> Vec<u8> {
        let out = self.fresh(what);
        let (certificate, key) = (format!("{signer}.crt"), format!("{signer}.key"));
        let mut arguments = vec![
            "cms",
            "-sign",
            "-nodetach",
            "-binary",
            "-in",
            "m.txt",
            "-md",
            "sha384",
            "-outform",
            "DER",
            "-out",
            &out,
            "-signer",
            &certificate,
            "-inkey",
            &key,
        ];
        arguments.extend_from_slice(options);
        assert!(self.openssl(&arguments));
        self.read(&out)
    }

    /// Whether the program verifies this layer.
    pub fn verifies(&self, cms: &[u8], detached: Option<&[u8]>) -> bool {
        let (file, out, content) = (self.fresh("v"), self.fresh("out"), self.fresh("content"));
        self.write(&file, cms);
        let mut arguments = vec![
            "cms",
            "-verify",
            "-inform",
            "DER",
            "-in",
            &file,
            "-CAfile",
            "ca.crt",
            "-purpose",
            "smimesign",
            "-binary",
            "-out",
            &out,
        ];
        if let Some(detached) = detached {
            self.write(&content, detached);
            arguments.extend_from_slice(&["-content", &content]);
        }
        self.openssl(&arguments) && self.read(&out) == detached.unwrap_or(CONTENT)
    }

    /// The content encrypted for one recipient; `key_options` follow its name.
    pub fn encrypt(&self, recipient: &str, options: &[&str], key_options: &[&str]) -> Vec<u8> {
        let (out, certificate) = (self.fresh("e"), format!("{recipient}.crt"));
        let mut arguments = vec![
            "cms", "-encrypt", "-binary", "-in", "m.txt", "-outform", "DER", "-out", &out,
        ];
        arguments.extend_from_slice(options);
        arguments.extend_from_slice(&["-recip", &certificate]);
        arguments.extend_from_slice(key_options);
        assert!(self.openssl(&arguments));
        self.read(&out)
    }

    /// One layer for a P-384 key and an RSA key.
    pub fn encrypt_two(&self) -> Vec<u8> {
        self.encrypt(
            "enc-p384",
            &["-aes-256-cbc", "-aes256-wrap", "-keyid"],
            &[
                "-keyopt",
                "ecdh_kdf_md:sha384",
                "-recip",
                "enc-rsa.crt",
                "-keyopt",
                "rsa_padding_mode:oaep",
                "-keyopt",
                "rsa_oaep_md:sha384",
                "-keyopt",
                "rsa_mgf1_md:sha384",
            ],
        )
    }

    /// What the program decrypts with this recipient's key.
    pub fn decrypts(&self, cms: &[u8], name: &str) -> Option<Vec<u8>> {
        let (file, out) = (self.fresh("d"), self.fresh("out"));
        self.write(&file, cms);
        let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
        self.openssl(&[
            "cms",
            "-decrypt",
            "-inform",
            "DER",
            "-in",
            &file,
            "-recip",
            &certificate,
            "-inkey",
            &key,
            "-binary",
            "-out",
            &out,
        ])
        .then(|| self.read(&out))
    }
}
