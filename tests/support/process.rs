//! The real binary, `ravelin serve`, in a process of its own.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::engine;
use ravelin::cli::demo::{Nation, Trouble};
use ravelin::store::crash::VARIABLE;
use tokio::sync::oneshot;

/// How often a process is asked whether it is gone.
const LOOK: Duration = Duration::from_millis(2);

/// A running switch. Dropped, it is killed.
pub struct Switch {
    /// Where people submit.
    pub submission: SocketAddr,
    /// Where officers connect.
    pub desk: SocketAddr,
    process: Process,
}

/// How a start came out.
pub enum Start {
    /// It serves.
    Up(Switch),
    /// It ended before it served; with its log.
    Ended(ExitStatus, String),
}

struct Process {
    child: Child,
    /// Reads the log to its end: whoever does not read it stops the one who writes it.
    log: Option<JoinHandle<String>>,
}

/// A copy of a nation's configuration in which the system chooses the ports: a port that was free a
/// while ago may be taken when the switch starts for the hundredth time.
pub fn with_any_ports(nation: &Nation, dir: &Path) -> io::Result<PathBuf> {
    let config = dir.join("config");
    let mut text = fs::read_to_string(config.join(format!("{}.toml", nation.profile.name)))?;
    let ports = nation.ports;
    for address in [ports.submission, ports.relay, ports.desk] {
        text = text.replace(&address.to_string(), "127.0.0.1:0");
    }
    let engine = format!("[store]\nengine = \"{}\"\n", engine::under_test().name());
    let text = text.replacen("[store]\n", &engine, 1);
    let path = config.join(format!("{}-any-ports.toml", nation.profile.name));
    fs::write(&path, text)?;
    Ok(path)
}

/// Starts the switch; `crash_at` as `ravelin::store::crash` reads it.
pub async fn start(config: &Path, crash_at: Option<&str>) -> Result<Start, Trouble> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ravelin"));
    command
        .args(["serve", "--config"])
        .arg(config)
        .env("RAVELIN_LOG", "ravelin=info")
        .env_remove(VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(crash_at) = crash_at {
        command.env(VARIABLE, crash_at);
    }
    let mut child = command.spawn()?;
    let log = child.stderr.take().ok_or("no log")?;
    let (tell, up) = oneshot::channel();
    let mut process = Process {
        child,
        log: Some(std::thread::spawn(move || read_log(log, tell))),
    };
    match up.await {
        Ok((submission, desk)) => Ok(Start::Up(Switch {
            submission,
            desk,
            process,
        })),
        // The log ended: so has the process, or it will at once.
        Err(_) => Ok(Start::Ended(process.child.wait()?, process.log())),
    }
}

/// Reads the log; tells the addresses of submission and desk as soon as both stand in it.
fn read_log(log: ChildStderr, tell: oneshot::Sender<(SocketAddr, SocketAddr)>) -> String {
    let mut text = String::new();
    let mut tell = Some(tell);
    let (mut submission, mut desk) = (None, None);
    for line in BufReader::new(log).lines().map_while(Result::ok) {
        let address = || line.split_once("address=")?.1.trim().parse().ok();
        if line.contains("listener submission is open") {
            submission = address();
        } else if line.contains("the desk is open") {
            desk = address();
        }
        text.push_str(&line);
        text.push('\n');
        if let (Some(submission), Some(desk)) = (submission, desk)
            && let Some(tell) = tell.take()
        {
            // Whoever asked may have given up.
            let _ = tell.send((submission, desk));
        }
    }
    text
}

impl Switch {
    /// Its process number, for signals.
    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// `kill -9`, unless it is gone already. Gives back its log.
    pub fn kill(mut self) -> Result<String, Trouble> {
        self.process.child.kill()?;
        self.process.child.wait()?;
        Ok(self.process.log())
    }

    /// Waits until it is gone, but not longer than `patience`.
    pub async fn is_gone_within(&mut self, patience: Duration) -> bool {
        let began = Instant::now();
        while began.elapsed() < patience {
            if matches!(self.process.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    /// Asks it to stop, and waits until it has.
    pub async fn stop(mut self, patience: Duration) -> Result<(ExitStatus, String), Trouble> {
        let id = self.process.child.id().to_string();
        Command::new("kill").arg(id).status()?;
        if !self.is_gone_within(patience).await {
            return Err(format!("it does not stop:\n{}", self.kill()?).into());
        }
        let status = self.process.child.wait()?;
        Ok((status, self.process.log()))
    }

    /// The processor time that it took so far, in user and kernel, with all its threads.
    pub fn processor_time(&self) -> Result<Duration, Trouble> {
        let id = self.process.child.id();
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name, in parentheses, may hold blanks: fields are counted from behind it.
        let (_, fields) = stat.rsplit_once(')').ok_or("an odd line in /proc")?;
        let ticks: u64 = fields
            .split_ascii_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<_, _>>()?;
        // The kernel tells ticks of USER_HZ, which is 100 wherever Linux runs.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// The most memory that it ever held, in octets.
    pub fn peak_memory(&self) -> Result<u64, Trouble> {
        let id = self.process.child.id();
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"))
            .ok_or("an odd line in /proc")?;
        Ok(kilobytes.trim().parse::<u64>()? * 1024)
    }
}

impl Process {
    fn log(&mut self) -> String {
        self.log
            .take()
            .and_then(|log| log.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A test that fails leaves nothing running behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
