//! `ravelin demo`: the story of README, told by two switches over real TCP and TLS.
//!
//! Every key is made at run time, for the demo alone. What it leaves in its folder can be checked by
//! anybody with other tools: CHECK.md says how.

mod check_md;
mod mailbox;
mod nation;
mod people;
mod story;
mod world;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use mailbox::Mailbox;
pub use nation::{Nation, Ports, Profile};
pub use people::{Person, submit};
pub use story::{Told, tell};
pub use world::{RELEASE_RULE, World};

use crate::clock::Clock;

/// What the demo is asked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  ravelin demo --dir /tmp/ravelin-demo --serve")]
pub struct Demo {
    /// The folder that the demo fills; what an earlier demo left there is replaced.
    #[arg(long, default_value = "demo")]
    dir: PathBuf,
    /// Keeps both switches up afterwards, and says what to try next.
    #[arg(long)]
    serve: bool,
}

/// Tells the story; yes only if every step and every refusal came out as told.
pub async fn run(demo: &Demo) -> ExitCode {
    let mut out = std::io::stdout();
    match run_all(demo, &mut out).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("ravelin demo: {error}");
            ExitCode::from(3)
        }
    }
}

/// Any trouble of the demo's own.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

async fn run_all(demo: &Demo, out: &mut impl Write) -> Result<bool, Trouble> {
    clear(&demo.dir)?;
    let mut world = World::raise(&demo.dir, Clock::system()).await?;
    let mut number = 0;
    let all = tell(&mut world, |told| {
        number += 1;
        let (mark, text) = match &told.outcome {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        // A pipe that nobody reads any more is no reason to stop the story.
        let _ = writeln!(out, "{number:2} {mark} {}: {text}", told.step);
        if let Some(file) = told.file {
            let _ = writeln!(out, "        see {}", demo.dir.join(file).display());
        }
    })
    .await;
    if all {
        let check = demo.dir.join("CHECK.md");
        writeln!(
            out,
            "\nEvery step and every refusal came out as told. To check with other tools: {}",
            check.display()
        )?;
    }
    if demo.serve {
        writeln!(out, "\n{}", story::try_next(&demo.dir, &world))?;
        tokio::signal::ctrl_c().await?;
    }
    world.end().await;
    Ok(all)
}

/// Removes what an earlier demo made, and nothing else.
fn clear(dir: &Path) -> std::io::Result<()> {
    for part in ["pki", "config", "messages", "audit", "store", "mailboxes"] {
        match std::fs::remove_dir_all(dir.join(part)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
