//! `ravelin password`: who may log in with a password, and what the switch keeps of it.
//!
//! Promises: a password comes from the terminal (it is not shown), a file or the standard input,
//! never from the command line; what is written nobody logs in with; the file is whole, or the one
//! before, and only its owner reads it.
//! Refuses: passwords under 12 characters, or two that differ at the terminal.

use std::fs::OpenOptions;
use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use rustix::termios::{self, LocalModes, OptionalActions};
use zeroize::Zeroizing;

use super::answer::{Answer, Trouble};
use super::print::{self, Format};
use crate::message::address::Address;
use crate::smtp::sasl::Passwords;

/// The shortest password that is set.
const SHORTEST: usize = 12;
/// The longest.
const LONGEST: u64 = 1024;

/// The commands of `ravelin password`.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin password set anna@alder.example --file passwords\n\n\
    The switch reads the file named by trust.passwords, at start and at reload."
)]
pub(super) struct Password {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Say who has a password
    #[command(after_help = "Example:\n  ravelin password list --file passwords")]
    List {
        /// The file of passwords
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Take somebody's password away
    #[command(
        after_help = "Example:\n  ravelin password remove anna@alder.example --file passwords"
    )]
    Remove {
        /// Whose
        #[arg(value_name = "ADDRESS")]
        user: String,
        /// The file of passwords
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Give somebody a password, in place of the one before
    #[command(
        after_help = "Example:\n  ravelin password set anna@alder.example --file passwords\n\n\
        Asks at the terminal; without one, the standard input has the password as its first line."
    )]
    Set {
        /// Whose: the address of a [[subject]]
        #[arg(value_name = "ADDRESS")]
        user: String,
        /// The file of passwords; it is made if it is not there
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// A file with the password as its first line
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
}

pub(super) fn run(password: &Password) -> Result<Answer, Trouble> {
    match &password.act {
        Act::List { file, format } => list(&read(file)?, *format),
        Act::Remove { user, file } => {
            let mut passwords = read(file)?;
            if passwords.remove(&address(user)?).is_none() {
                print::out(&format!("{user} has no password\n"))?;
                return Ok(Answer::No);
            }
            write(file, &passwords)?;
            Ok(Answer::Yes)
        }
        Act::Set {
            user,
            file,
            password_file,
        } => {
            let user = address(user)?;
            let mut passwords = match file.exists() {
                true => read(file)?,
                false => Passwords::new().map_err(|error| Trouble::Fault(error.to_string()))?,
            };
            let password = match password_file {
                Some(path) => first_line(open(path)?)?,
                None if std::io::stdin().is_terminal() => asked(&user)?,
                None => first_line(std::io::stdin().lock())?,
            };
            if password.chars().count() < SHORTEST {
                return Err(Trouble::usage(
                    "the password is too short",
                    format!("use {SHORTEST} characters or more"),
                ));
            }
            passwords
                .set(user, &password)
                .map_err(|error| Trouble::usage(error, "use letters, digits, signs and spaces"))?;
            write(file, &passwords)?;
            Ok(Answer::Yes)
        }
    }
}

fn list(passwords: &Passwords, format: Format) -> Result<Answer, Trouble> {
    let users: Vec<String> = passwords.users().map(ToString::to_string).collect();
    match format {
        Format::Json => print::json(&users)?,
        Format::Table => {
            let rows: Vec<Vec<String>> = users.into_iter().map(|user| vec![user]).collect();
            print::out(&print::columns(&["ADDRESS"], &rows))?;
        }
    }
    Ok(Answer::Yes)
}

fn address(text: &str) -> Result<Address, Trouble> {
    Address::parse(text).map_err(|error| Trouble::usage(error, "name the address of a [[subject]]"))
}

fn read(file: &Path) -> Result<Passwords, Trouble> {
    let wrong = |text: String| {
        let text = format!("{}: {text}", file.display());
        Trouble::usage(text, "`ravelin password set` makes such a file")
    };
    let octets = std::fs::read(file).map(Zeroizing::new);
    let octets = octets.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let text = std::str::from_utf8(&octets).map_err(|error| wrong(error.to_string()))?;
    Passwords::parse(text).map_err(|error| wrong(error.to_string()))
}

/// Puts the new file in the place of the old one, whole.
fn write(file: &Path, passwords: &Passwords) -> Result<(), Trouble> {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = file.with_file_name(name);
    let written = || {
        let mut out = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        out.write_all(passwords.written().as_bytes())?;
        out.sync_all()?;
        std::fs::rename(&new, file)
    };
    written().map_err(|error| {
        // What is half written is of no use; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(&new);
        Trouble::usage(
            format!("{}: cannot be written: {error}", file.display()),
            "name a file in a folder that you may write to",
        )
    })
}

fn open(path: &Path) -> Result<impl BufRead, Trouble> {
    std::fs::File::open(path)
        .map(std::io::BufReader::new)
        .map_err(|error| {
            Trouble::usage(
                format!("--password-file: {}: {error}", path.display()),
                "check the name and the permissions",
            )
        })
}

/// The first line, without its end.
fn first_line(from: impl BufRead) -> Result<Zeroizing<String>, Trouble> {
    let mut line = Zeroizing::new(String::new());
    from.take(LONGEST).read_line(&mut line).map_err(|error| {
        Trouble::usage(
            format!("the password cannot be read: {error}"),
            "give it as one line in UTF-8",
        )
    })?;
    let bare = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(bare);
    Ok(line)
}

/// Asks twice, and shows nothing of it.
fn asked(user: &Address) -> Result<Zeroizing<String>, Trouble> {
    let one = unseen(&format!("New password of {user}: "))?;
    let other = unseen("The same again: ")?;
    match *one == *other {
        true => Ok(one),
        false => Err(Trouble::usage("the two differ", "try again")),
    }
}

fn unseen(question: &str) -> Result<Zeroizing<String>, Trouble> {
    let fault = |error: std::io::Error| Trouble::Fault(format!("ask at the terminal: {error}"));
    let terminal = std::io::stdin();
    let before = termios::tcgetattr(&terminal).map_err(|error| fault(error.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    let mut out = std::io::stderr();
    out.write_all(question.as_bytes())
        .and_then(|()| out.flush())
        .map_err(fault)?;
    termios::tcsetattr(&terminal, OptionalActions::Flush, &silent)
        .map_err(|error| fault(error.into()))?;
    let line = first_line(terminal.lock());
    termios::tcsetattr(&terminal, OptionalActions::Now, &before)
        .map_err(|error| fault(error.into()))?;
    line
}
