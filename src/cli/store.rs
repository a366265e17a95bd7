//! `ravelin store`: the operator's work on what a switch keeps. The switch is stopped, but for
//! `backup --desk`, which asks a running one.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::answer::{Answer, Trouble};
use super::print::{self, Format, line};
use super::{officer, stopped};
use crate::clock::Clock;
use crate::config;
use crate::store::backup::{self, Copied};
use crate::store::examine::{self, Examination};
use crate::store::{StoreKey, upkeep};

/// The options of `ravelin store`.
#[derive(Args, Debug)]
pub(super) struct Store {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Copy a store into one new file; with --desk, of a switch that runs
    #[command(
        after_help = "Examples:\n  ravelin store backup --config ravelin.toml --out monday.backup\n  \
        ravelin store backup --desk operator.toml\n\n\
        operator.toml is as officer.toml of `ravelin release`; its key is of a subject with the role \
        operator. A running switch writes into the folder that [store] backups names, on its own \
        machine. The file is sealed under the key of the store: keep a copy of that too, elsewhere."
    )]
    Backup {
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        /// The new file
        #[arg(long, value_name = "FILE", required_unless_present = "desk")]
        out: Option<PathBuf>,
        /// The operator's settings, to ask a running switch
        #[arg(long, value_name = "FILE", conflicts_with = "out")]
        desk: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Look through everything in a store and say what is wrong; changes nothing
    #[command(
        after_help = "Example:\n  ravelin store check --config ravelin.toml --format json\n\n\
        Exit code 1: something is wrong; each finding is named."
    )]
    Check {
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Give free space of the database back to the file system
    #[command(after_help = "Example:\n  ravelin store compact --config ravelin.toml")]
    Compact {
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Seal everything in a store under another key
    #[command(
        after_help = "Example:\n  ravelin store rekey --config ravelin.toml --new-key store-2.key\n\n\
        The file is made with a random key if it is not there. Afterwards name it as store.key in the \
        configuration. Backups stay under the key that they were made with."
    )]
    Rekey {
        /// The configuration of the switch, with the present key
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        /// The file of the new key
        #[arg(long, value_name = "FILE")]
        new_key: PathBuf,
    },
    /// Make a store from a backup; the folder of the store must be empty
    #[command(
        after_help = "Example:\n  ravelin store restore monday.backup --config ravelin.toml\n\n\
        What was delivered after the backup was made is in its queue again: look at the list, and \
        remove what went out, before you start the switch."
    )]
    Restore {
        /// The backup
        file: PathBuf,
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

pub(super) fn run(store: &Store) -> Result<Answer, Trouble> {
    match &store.act {
        Act::Backup {
            config,
            out,
            desk,
            format,
        } => match (out, desk) {
            (Some(out), _) => {
                let store = stopped::store(config)?;
                let copied = store.backup(out, "operator", &Clock::system());
                let copied = copied.map_err(|error| stopped::fault("back up", out, &error))?;
                told(&copied, *format)
            }
            (None, Some(desk)) => super::block_on(ask(desk, *format)),
            (None, None) => Err(Trouble::usage("no target", "give --out or --desk")),
        },
        Act::Check { config, format } => check(config, *format),
        Act::Compact { config, format } => {
            let settings = stopped::settings(config)?;
            let sizes = upkeep::compact(&settings)
                .map_err(|error| stopped::fault("compact", &settings.dir, &error))?;
            match format {
                Format::Json => print::json(&sizes)?,
                Format::Table => print::out(&format!(
                    "{} octets before, {} after\n",
                    sizes.before, sizes.after
                ))?,
            }
            Ok(Answer::Yes)
        }
        Act::Rekey { config, new_key } => rekey(config, new_key),
        Act::Restore {
            file,
            config,
            format,
        } => {
            let settings = config::load(config)?.store_settings();
            let copied = backup::restore(file, &settings, &Clock::system())
                .map_err(|error| Trouble::Fault(super::answer::chain(&error)))?;
            told(&copied, *format)
        }
    }
}

async fn ask(settings: &Path, format: Format) -> Result<Answer, Trouble> {
    let officer = officer::Settings::of(settings).officer()?;
    match officer.desk.backup().await {
        Ok(copied) => told(&copied, format),
        Err(error) => super::desk::refused(error),
    }
}

fn told(copied: &Copied, format: Format) -> Result<Answer, Trouble> {
    match format {
        Format::Json => print::json(copied)?,
        Format::Table => print::out(&format!(
            "{}: {} values, {} body files, audit records up to {}\n",
            copied.file.display(),
            copied.values,
            copied.bodies,
            copied.records
        ))?,
    }
    Ok(Answer::Yes)
}

fn check(config: &Path, format: Format) -> Result<Answer, Trouble> {
    let settings = stopped::settings(config)?;
    let found = examine::examine(&settings)
        .map_err(|error| stopped::fault("check", &settings.dir, &error))?;
    match format {
        Format::Json => print::json(&found)?,
        Format::Table => print::out(&drawn(&found))?,
    }
    Ok(if found.findings.is_empty() {
        Answer::Yes
    } else {
        Answer::No
    })
}

fn drawn(found: &Examination) -> String {
    let stop = if found.closed_cleanly { "yes" } else { "no" };
    let mut text = [
        line(0, "entries", &found.entries.to_string()),
        line(0, "drafts", &found.drafts.to_string()),
        line(0, "awaited", &found.awaited.to_string()),
        line(0, "audit records", &found.records.to_string()),
        line(0, "head", &found.head),
        line(0, "set aside", &found.set_aside.to_string()),
        line(0, "orphans", &found.orphans.to_string()),
        line(0, "closed cleanly", stop),
    ]
    .concat();
    for finding in &found.findings {
        text.push_str(&line(0, &finding.what, &finding.text));
    }
    text
}

fn rekey(config: &Path, new_key: &Path) -> Result<Answer, Trouble> {
    let settings = stopped::settings(config)?;
    let key = if new_key.exists() {
        StoreKey::read(new_key)
    } else {
        StoreKey::create(new_key)
    };
    let key = key.map_err(|error| {
        Trouble::usage(
            error,
            "name a new file, or one with 32 octets that only its owner may read",
        )
    })?;
    if key.is(&settings.key) {
        return Err(Trouble::usage(
            "the new key is the present one",
            "name another file with --new-key",
        ));
    }
    let moved = upkeep::rekey(&settings, key, &Clock::system())
        .map_err(|error| stopped::fault("rekey", &settings.dir, &error))?;
    print::out(&format!(
        "{moved} values sealed anew\nname {} as store.key in {} before the next start\n",
        new_key.display(),
        config.display()
    ))?;
    Ok(Answer::Yes)
}
