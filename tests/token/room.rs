//! A folder with tokens of SoftHSM, and a process that sees them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian, Fedora and others put the module.
const MODULES: [&str; 4] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];

/// Set in the process that does the work of a test.
const INSIDE: &str = "RAVELIN_TOKEN_ROOM";

pub const PIN: &str = "2718 2818";

/// The tokens of one test.
pub struct Room {
    pub dir: PathBuf,
    pub module: &'static str,
}

impl Room {
    /// Inside the process of the test `name`: its room. Outside: runs that process, and nothing.
    pub fn enter(name: &str) -> Option<Self> {
        let Some(module) = MODULES.into_iter().find(|path| Path::new(path).exists()) else {
            eprintln!("skipped: SoftHSM is not installed (package softhsm2)");
            return None;
        };
        if let Some(dir) = std::env::var_os(INSIDE) {
            let dir = dir.into();
            return Some(Self { dir, module });
        }
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        std::fs::create_dir(dir.join("tokens")).unwrap();
        let settings = dir.join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            dir.join("tokens").display()
        );
        std::fs::write(&settings, text).unwrap();
        let said = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture"])
            .env(INSIDE, dir)
            .env("SOFTHSM2_CONF", &settings)
            .output()
            .unwrap();
        let (out, err) = (
            String::from_utf8_lossy(&said.stdout),
            String::from_utf8_lossy(&said.stderr),
        );
        assert!(said.status.success(), "{out}{err}");
        assert!(out.contains("1 passed"), "{name} is not a test: {out}");
        for line in err.lines().filter(|line| line.starts_with("measured:")) {
            eprintln!("{line}");
        }
        None
    }

    /// Makes a token with this label.
    pub fn token(&self, label: &str) {
        let said = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", label])
            .args(["--so-pin", "3141 5926", "--pin", PIN])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{text}");
    }

    /// Takes every token away, as when the wire is pulled.
    pub fn pull(&self) {
        std::fs::rename(self.dir.join("tokens"), self.dir.join("away")).unwrap();
        std::fs::create_dir(self.dir.join("tokens")).unwrap();
    }

    /// Puts them back.
    pub fn plug(&self) {
        std::fs::remove_dir_all(self.dir.join("tokens")).unwrap();
        std::fs::rename(self.dir.join("away"), self.dir.join("tokens")).unwrap();
    }

    /// The name of a key.
    pub fn uri(&self, token: &str, object: &str) -> String {
        format!(
            "pkcs11:token={token};object={object}?module-path={}",
            self.module
        )
    }

    /// Puts a P-384 key in PEM on the token, as `object`.
    #[cfg(feature = "pkcs11")]
    pub fn import(&self, token: &str, object: &str, id: u8, pem: &Path) {
        use cryptoki::object::{Attribute, KeyType, ObjectClass};
        use p384::pkcs8::{AssociatedOid, DecodePrivateKey};

        let key = p384::SecretKey::from_pkcs8_pem(&std::fs::read_to_string(pem).unwrap()).unwrap();
        let curve = der::Encode::to_der(&p384::NistP384::OID).unwrap();
        let point = key.public_key().to_sec1_bytes();
        let point = der::asn1::OctetString::new(point).unwrap();
        let both = [
            Attribute::Token(true),
            Attribute::KeyType(KeyType::EC),
            Attribute::EcParams(curve),
            Attribute::Label(object.as_bytes().to_vec()),
            Attribute::Id(vec![id]),
        ];
        let mut private = both.to_vec();
        private.extend([
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            Attribute::Derive(true),
            Attribute::Value(key.to_bytes().to_vec()),
        ]);
        let mut public = both.to_vec();
        public.extend([
            Attribute::Class(ObjectClass::PUBLIC_KEY),
            Attribute::Verify(true),
            Attribute::EcPoint(der::Encode::to_der(&point).unwrap()),
        ]);
        self.put(token, &[private, public]);
    }

    /// Puts a certificate on the token.
    #[cfg(feature = "pkcs11")]
    pub fn put_certificate(&self, token: &str, id: u8, der: &[u8], subject: &[u8]) {
        use cryptoki::object::{Attribute, CertificateType, ObjectClass};
        let certificate = vec![
            Attribute::Token(true),
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Id(vec![id]),
            Attribute::Subject(subject.to_vec()),
            Attribute::Value(der.to_vec()),
        ];
        self.put(token, &[certificate]);
    }

    #[cfg(feature = "pkcs11")]
    fn put(&self, token: &str, objects: &[Vec<cryptoki::object::Attribute>]) {
        use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
        let module = Pkcs11::new(self.module).unwrap();
        // This process may have started it already.
        let _ = module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK));
        let slots = module.get_slots_with_initialized_token().unwrap();
        let wanted = |slot: &cryptoki::slot::Slot| {
            module.get_token_info(*slot).unwrap().label().trim_end() == token
        };
        let slot = slots.into_iter().find(wanted).unwrap();
        let session = module.open_rw_session(slot).unwrap();
        let pin = cryptoki::types::AuthPin::from(PIN);
        session
            .login(cryptoki::session::UserType::User, Some(&pin))
            .unwrap();
        for object in objects {
            session.create_object(object).unwrap();
        }
    }

    /// A file that only its owner reads.
    pub fn secret(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }
}
