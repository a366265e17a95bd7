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
}
