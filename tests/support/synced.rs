//! The power goes: only what was synced survives. `synced.c` says how that is known.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the machine does beside what it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Nothing.
    Honest,
    /// Syncs do nothing.
    Lies,
    /// What a failed sync forgot is not kept when it is written again, either.
    Forgets,
}

/// The shim, and where its copies lie.
pub struct Synced {
    shim: PathBuf,
    /// A file that has the next sync fail.
    fail: PathBuf,
    copies: PathBuf,
    root: PathBuf,
}

impl Synced {
    /// Builds the shim; `None`, said aloud, where there is no C compiler.
    pub fn watch(root: &Path, scratch: &Path) -> Option<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/synced.c");
        let shim = scratch.join("synced.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(&shim)
            .arg(source)
            .args(["-lpthread", "-ldl"])
            .status();
        match built {
            Ok(status) => assert!(status.success(), "synced.c does not compile"),
            Err(error) => {
                eprintln!("SKIPPED: no C compiler ({error})");
                return None;
            }
        }
        let copies = scratch.join("copies");
        for folder in ["files", "names"] {
            fs::create_dir_all(copies.join(folder)).unwrap();
        }
        fs::create_dir_all(root).unwrap();
        Some(Self {
            shim,
            fail: scratch.join("fail"),
            copies,
            root: root.canonicalize().unwrap(),
        })
    }

    /// What a process needs in its environment to be watched. Where it makes a file of the name in
    /// `SYNCED_FAIL`, the next sync of a file fails.
    pub fn environment(&self, manner: Manner) -> [(&'static str, PathBuf); 6] {
        let yes = |is_so: bool| PathBuf::from(if is_so { "1" } else { "0" });
        [
            ("LD_PRELOAD", self.shim.clone()),
            ("SYNCED_ROOT", self.root.clone()),
            ("SYNCED_COPY", self.copies.clone()),
            ("SYNCED_LIES", yes(manner == Manner::Lies)),
            ("SYNCED_FORGETS", yes(manner == Manner::Forgets)),
            ("SYNCED_FAIL", self.fail.clone()),
        ]
    }

    /// The machine starts again: the folder is as it was synced, and that is all that there is.
    pub fn start_again(&self) {
        // A failure that nobody met any more: the next process opens its store before it asks for one.
        let _ = fs::remove_file(&self.fail);
        fs::remove_dir_all(&self.root).unwrap();
        fs::create_dir_all(&self.root).unwrap();
        let mut folders: Vec<_> = fs::read_dir(self.copies.join("names"))
            .unwrap()
            .map(|found| found.unwrap().path())
            .filter(|path| path.extension().is_none_or(|end| end != "part"))
            .collect();
        folders.sort();
        let files = self.copies.join("files");
        for folder in folders {
            let below = folder.file_name().unwrap().to_str().unwrap();
            let place = self.root.join(below.replace('!', "/").trim_matches('/'));
            // A folder whose own name was not synced is gone with all in it.
            if !place.is_dir() {
                continue;
            }
            for line in fs::read_to_string(&folder).unwrap().lines() {
                let mut parts = line.splitn(3, ' ');
                let [inode, kind, name] = [(); 3].map(|()| parts.next().unwrap());
                let kept = files.join(inode);
                let copied = match (kind == "d", kept.exists()) {
                    (true, _) => fs::create_dir(place.join(name)),
                    (false, true) => fs::copy(kept, place.join(name)).map(drop),
                    // The name was synced, and nothing that was written.
                    (false, false) => fs::write(place.join(name), b""),
                };
                copied.unwrap();
            }
        }
        self.all_is_synced();
    }

    /// What is there now counts as synced.
    pub fn all_is_synced(&self) {
        for folder in ["files", "names"].map(|name| self.copies.join(name)) {
            fs::remove_dir_all(&folder).unwrap();
            fs::create_dir_all(&folder).unwrap();
        }
        self.keep(&self.root, "!");
    }

    fn keep(&self, folder: &Path, below: &str) {
        use std::os::unix::fs::MetadataExt as _;
        let mut lines = String::new();
        for found in fs::read_dir(folder).unwrap() {
            let path = found.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let inode = fs::metadata(&path).unwrap().ino();
            let kind = if path.is_dir() { "d" } else { "f" };
            lines.push_str(&format!("{inode} {kind} {name}\n"));
            if path.is_dir() {
                self.keep(&path, &format!("{below}!{name}"));
            } else {
                fs::copy(&path, self.copies.join("files").join(inode.to_string())).unwrap();
            }
        }
        fs::write(self.copies.join("names").join(below), lines).unwrap();
    }
}
