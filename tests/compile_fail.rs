//! Invariant 1, nothing leaves unchecked: code that sends what was not checked does not compile; nor
//! does code that prints a secret.
//!
//! Each file in `tests/compile_fail` is compiled against the library. Its first line says which
//! error of the compiler it must meet; `twin.rs` is the one that must compile, so that a broken
//! set-up does not pass for a proof.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

#[test]
fn nothing_leaves_unchecked() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compile_fail");
    let mut seen = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let wanted = text.lines().next().unwrap().strip_prefix("//~ ").unwrap();
        let (compiles, said) = compile(&file);
        if wanted == "compiles" {
            assert!(compiles, "{}: {said}", file.display());
        } else {
            assert!(!compiles, "{} compiles", file.display());
            assert!(
                said.contains(wanted),
                "{}: not {wanted} but\n{said}",
                file.display()
            );
        }
        seen += 1;
    }
    assert_eq!(seen, 9);
}

fn compile(file: &Path) -> (bool, String) {
    let deps = deps();
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()))
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
        ])
        .arg("--out-dir")
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", deps.display()))
        .arg("--extern")
        .arg(format!("ravelin={}", library(&deps).display()))
        .arg(file)
        .output()
        .unwrap();
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// Where cargo put the library that this test was linked with.
fn deps() -> PathBuf {
    std::env::current_exe()
        .unwrap()
        .parent()
        .unwrap()
        .to_owned()
}

/// The newest build of the library.
fn library(deps: &Path) -> PathBuf {
    let made = |path: &PathBuf| -> SystemTime { path.metadata().unwrap().modified().unwrap() };
    std::fs::read_dir(deps)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libravelin-") && name.ends_with(".rlib")
        })
        .max_by_key(made)
        .expect("cargo built the library before this test")
}
