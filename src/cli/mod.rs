//! WINDOW: the command line; one file for each group of commands.
//!
//! Promises: exit codes are 0 yes, 1 no, 2 usage or configuration, 3 fault; every list and show has
//! `--format table|json`; the log goes to the error output and tells nothing of what messages say.

mod answer;
mod audit;
mod check_config;
pub mod compose;
mod core_dumps;
mod countersigned;
pub mod demo;
pub mod desk;
mod directory;
mod init;
mod inspect;
mod key;
mod label;
mod label_answers;
mod label_history;
mod listing;
mod log;
mod material;
mod messages;
mod minimize;
pub mod notify;
mod officer;
mod onion;
mod opened;
mod password;
mod pki;
mod policy;
mod print;
mod queue;
mod receipts;
mod release;
mod reports;
mod sealed;
pub mod serve;
mod stopped;
mod store;
mod subject;
mod trust;
mod trust_show;
mod view;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use self::answer::{Answer, Trouble};
use self::notify::Notify;
use self::print::Format;
use crate::admin::metrics::readiness;
use crate::clock::Clock;
use crate::config;

/// How often the service manager hears how things stand, at least.
const BEAT: Duration = Duration::from_secs(10);

#[derive(Debug, Parser)]
#[command(
    name = "ravelin",
    version,
    about = "A store-and-forward message switch for classified enclaves",
    arg_required_else_help = true,
    after_help = "Exit codes: 0 yes; 1 no (refused, invalid, not cleared); 2 usage or \
        configuration; 3 fault.\nRAVELIN_LOG sets what is logged on the error output, such as \
        warn or ravelin=debug; RAVELIN_LOG_FORMAT how: text, journal or json.\n\nExample:\n  ravelin init first && ravelin serve --config \
        first/ravelin.toml"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify, show or export an audit chain
    #[command(after_help = "Example:\n  ravelin audit verify audit.jsonl")]
    Audit(audit::Audit),
    /// Check a configuration and say what it means
    #[command(after_help = "Example:\n  ravelin check-config --config ravelin.toml --format json")]
    CheckConfig {
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Sign a signature of a message, as who releases it
    Countersign(countersigned::Countersign),
    /// Run the story of two nations on this machine, every step and every refusal
    Demo(demo::Demo),
    /// See what is on record of a name; accept or remove certificates that signed mail brought
    #[command(after_help = "Example:\n  ravelin directory list --config ravelin.toml")]
    Directory(directory::Directory),
    /// Have a running switch stop in order: nothing new is accepted, what is in hand may end
    #[command(
        after_help = "Example:\n  ravelin drain --desk operator.toml --reason \"a new disk\""
    )]
    Drain {
        /// The operator's settings, as officer.toml; the key is of a subject with the role operator
        #[arg(long, value_name = "FILE")]
        desk: PathBuf,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Make a switch of one domain that starts at once: configuration, keys, people
    Init(init::Init),
    /// Take a message apart: every layer, signer, countersigner, label and weakness
    Inspect(inspect::Inspect),
    /// Make, request, import, export, list and archive keys; say what expires
    Key(key::Key),
    /// Show, decide, translate, convert and mark security labels
    Label(label::Command),
    /// Hold or refuse less urgent traffic into an area, for a time
    #[command(after_help = "Example:\n  ravelin minimize list --desk operator.toml")]
    Minimize(minimize::Minimize),
    /// Take a message out of its layers
    Open(opened::Open),
    /// Say who may log in with a password
    Password(password::Password),
    /// A laboratory of authorities for exercises and tests: issue, revoke, CRL, OCSP
    Pki(pki::Pki),
    /// Examine label policies (SPIF): lint, explain, diff, test
    Policy(policy::Command),
    /// See, hold, resume, retry, redirect or remove what waits for its next hop
    #[command(after_help = "Example:\n  ravelin queue list --config ravelin.toml")]
    Queue(queue::Queue),
    /// Make signed receipts, and hold them against what was sent
    Receipt(receipts::Receipt),
    /// See, release or return held drafts, as a releasing officer
    Release(release::Release),
    /// See what is awaited of what was sent: reports of delivery, of reading, signed receipts
    #[command(after_help = "Example:\n  ravelin reports list --overdue --desk operator.toml")]
    Reports(reports::Reports),
    /// Put a message into layers: signed, encrypted, triple-wrapped
    Seal(sealed::Seal),
    /// Run a switch until SIGTERM or SIGINT
    #[command(
        after_help = "Example:\n  RAVELIN_LOG=ravelin=debug ravelin serve --config ravelin.toml"
    )]
    Serve {
        /// The configuration of the switch
        #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
        config: PathBuf,
        /// A label policy that may be older than the one that was in force; an event says so
        #[arg(long, value_name = "POLICY")]
        accept_older: Vec<String>,
        /// The audit chain may be an older one than its witness saw; an event says so
        #[arg(long)]
        accept_rollback: bool,
    },
    /// Check, compact, rekey, back up or restore what a switch keeps
    #[command(after_help = "Example:\n  ravelin store check --config ravelin.toml")]
    Store(store::Store),
    /// Say who takes part, what each is cleared for, and on whose word
    Subject(subject::Command),
    /// Show who is believed; look for the path from a certificate to a trust anchor
    Trust(trust::Trust),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command;
    // Before anything is read: every command may come to hold a key or a plaintext.
    if let Err(trouble) = core_dumps::forbid() {
        return answer::exit(Err(trouble));
    }
    let logging = log::begin(match command {
        Command::Serve { .. } => "info",
        _ => "warn",
    });
    if let Err(text) = logging {
        return answer::exit(Err(Trouble::Usage(text)));
    }
    let outcome = match &command {
        Command::Audit(audit) => audit::run(audit),
        Command::CheckConfig { config, format } => check_config::run(config, *format),
        Command::Countersign(countersign) => countersigned::run(countersign),
        Command::Demo(demo) => {
            return block_on(async { Ok(demo::run(demo).await) })
                .unwrap_or_else(|trouble| answer::exit(Err(trouble)));
        }
        Command::Directory(directory) => block_on(directory::run(directory)),
        Command::Drain { desk, reason } => block_on(drain(desk, reason)),
        Command::Init(init) => init::run(init),
        Command::Inspect(inspect) => inspect::run(inspect),
        Command::Key(key) => key::run(key),
        Command::Label(label) => label::run(label),
        Command::Minimize(minimize) => block_on(minimize::run(minimize)),
        Command::Open(open) => opened::run(open),
        Command::Password(password) => password::run(password),
        Command::Pki(pki) => pki::run(pki),
        Command::Policy(policy) => policy::run(policy),
        Command::Queue(queue) => block_on(queue::run(queue)),
        Command::Receipt(receipt) => receipts::run(receipt),
        Command::Reports(reports) => block_on(reports::run(reports)),
        Command::Seal(seal) => sealed::run(seal),
        Command::Release(release) => block_on(release::run(release)),
        Command::Serve {
            config,
            accept_older,
            accept_rollback,
        } => block_on(serve_until_told(
            config,
            serve::Start {
                accept_older,
                accept_rollback: *accept_rollback,
                ..serve::Start::default()
            },
        )),
        Command::Store(store) => store::run(store),
        Command::Subject(subject) => subject::run(subject),
        Command::Trust(trust) => trust::run(trust),
    };
    answer::exit(outcome)
}

fn block_on<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Trouble::Fault(format!("start the runtime: {error}")))?
        .block_on(work)
}

async fn serve_until_told(file: &Path, how: serve::Start<'_>) -> Result<Answer, Trouble> {
    let config = config::load(file)?;
    let told = |error| Trouble::Fault(format!("listen for signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(told)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(told)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(told)?;
    let names: Vec<String> = config
        .listeners
        .iter()
        .map(|listener| listener.name.clone())
        .collect();
    let running = serve::start_as(config, Clock::system(), how).await?;
    for (name, address) in names.iter().zip(&running.listeners) {
        tracing::info!(%address, "listener {name} is open");
    }
    if let Some(address) = running.admin {
        tracing::info!(%address, "the desk is open");
    }
    let notify = Notify::from_environment();
    let mut beat = tokio::time::interval(notify.interval().unwrap_or(BEAT).min(BEAT));
    notify.ready(&status(&running));
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = running.switch.stop_asked() => break,
            _ = hang_up.recv() => {
                notify.reloading();
                reload(&running).await;
                notify.ready(&status(&running));
            }
            _ = beat.tick() => notify.alive(&status(&running)),
        }
    }
    tracing::info!("told to stop");
    notify.stopping(running.patience.saturating_mul(2));
    let stopping = running.stop();
    tokio::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => return Ok(Answer::Yes),
            _ = beat.tick() => notify.alive("draining"),
        }
    }
}

/// One line for who looks at the service.
fn status(running: &serve::Running) -> String {
    let found = readiness(&running.switch);
    match found.ready {
        true => format!(
            "serving; {} entries in the queue; head-room {}",
            running.queue.len(),
            found.head_room
        ),
        false => format!("not ready: {}", found.why.join("; ")),
    }
}

async fn drain(desk: &Path, reason: &str) -> Result<Answer, Trouble> {
    let operator = officer::Settings::of(desk).officer()?;
    match operator.desk.drain(reason).await {
        Ok(()) => Ok(Answer::Yes),
        Err(error) => desk::refused(error),
    }
}

/// SIGHUP: the configuration is read again; if anything speaks against it, the one in force stays.
async fn reload(running: &serve::Running) {
    match running.switch.reload("signal").await {
        Ok(config) => tracing::info!(
            rules = config.judged_under(),
            "the configuration was reloaded"
        ),
        Err(error) => tracing::error!(%error, "the configuration in force stays"),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_with_an_example() {
        fn look(command: &clap::Command) {
            let help = command.get_after_help().map(ToString::to_string);
            assert!(
                help.is_some_and(|help| help.contains("Example")),
                "{} has no example",
                command.get_name()
            );
            command.get_subcommands().for_each(look);
        }
        look(&CommandLine::command());
    }
}
