//! How long a queue may be: `cargo bench --bench queue [-- --entries 1000000]`.
//!
//! - `start`: a fresh process opens the store and puts its entries in order; time, and memory an entry
//!   beyond that of an empty store, afterwards and at its peak; `unclean`: the same after a stop that
//!   was not in order, when the engine reads its whole file. Beside it `spool`: a folder with a file for each message, as
//!   queues often are, whose heads are read and sorted in memory.
//! - `claim`: choose the next entry and read it, at several lengths; `choose`: the choice alone.
//! - `put`: durable entries a second from 32 threads, one commit each, while so many are there.
//! - `flash`: from the beginning of a submission to the last octet at the next hop, over the real line
//!   (TLS, verify, check, triple wrap, keep, deliver), with nothing queued and with so many ROUTINE
//!   entries being delivered to the same next hop.
//!
//! Stores are made by `queue::put` in large commits: one sealed message of the switch itself, many
//! times. For people a table; one JSON line a figure.
#![allow(missing_docs, reason = "a program")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::{Trouble, World};
use ravelin::clock::{Clock, Timestamp};
use ravelin::message::address::Address;
use ravelin::message::{MessageId, Precedence};
use ravelin::queue::{self, Limits, NextHops, Queue, Schedule};
use ravelin::seal::{self, OwnMessage, Sealed};
use ravelin::smtp::dialogue::Outcome;
use ravelin::store::{Assurance, Change, EngineKind, Settings, Store, StoreKey};
use support::process::{self, Start};
use support::sink::{Keep, Sink};
use support::source::Source;

#[derive(Parser)]
struct Asked {
    /// How many entries the longest queue has
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
    /// How many files the spool has
    #[arg(long, default_value_t = 100_000)]
    files: usize,
    /// How many ROUTINE entries a FLASH passes
    #[arg(long, default_value_t = 100_000)]
    routine: usize,
    /// How many FLASH messages are sent
    #[arg(long, default_value_t = 200)]
    flash: usize,
    /// The cases to run
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "start,unclean,spool,claim,put,flash"
    )]
    cases: Vec<String>,
    /// Opens the store there, says time and memory, and ends
    #[arg(long, hide = true)]
    open: Option<PathBuf>,
    /// Said by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// So many entries are put in one commit when a store is made.
const TOGETHER: usize = 2000;
/// A switch that delivers nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(60);

fn main() -> Result<(), Trouble> {
    let asked = Asked::parse();
    if let Some(dir) = &asked.open {
        return opened(dir);
    }
    tokio::runtime::Runtime::new()?.block_on(run(&asked))
}

async fn run(asked: &Asked) -> Result<(), Trouble> {
    let has = |case: &str| asked.cases.iter().any(|asked| asked == case);
    let dir = tempfile::tempdir()?;
    let world = World::found(dir.path(), Clock::system(), "").await?;
    let mut said = Said(Vec::new());
    let sealed = own(&world, "reader@alder.example")?;
    if has("start") {
        let none = start(&made(dir.path(), &sealed, 0)?)?;
        said.line("start/0", none.seconds * 1000.0, "ms");
        said.line("start/0/memory", none.memory / 1e6, "MB");
        let store = made(dir.path(), &sealed, asked.entries)?;
        let all = start(&store)?;
        let name = format!("start/{}", asked.entries);
        said.line(&name, all.seconds, "s");
        let each = |all: f64, none: f64| (all - none) / asked.entries as f64;
        let (memory, peak) = (each(all.memory, none.memory), each(all.peak, none.peak));
        said.line(&format!("{name}/memory"), memory, "octets an entry");
        said.line(&format!("{name}/peak"), peak, "octets an entry");
        if has("unclean") {
            // As a process leaves it that was killed.
            std::fs::write(store.join("open"), b"")?;
            let octets = std::fs::metadata(store.join("ravelin.redb"))?.len();
            let name = format!("unclean/{}", asked.entries);
            said.line(&format!("{name}/file"), octets as f64 / 1e6, "MB");
            said.line(&name, start(&store)?.seconds, "s");
        }
    }
    if has("spool") {
        let (scan, files) = spool(&dir.path().join("spool"), asked.files)?;
        said.line(&format!("spool/{files}"), scan, "s");
    }
    for length in [1_000, 100_000, asked.entries] {
        let store = made(dir.path(), &sealed, length)?;
        if has("claim") {
            claims(&mut said, &store, length)?;
        }
        if has("put") {
            said.line(&format!("put/{length}"), puts(&store, &sealed)?, "1/s");
        }
    }
    if has("flash") {
        flash(&mut said, asked, world).await?;
    }
    println!();
    said.0.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// A message of the switch itself, sealed.
fn own(world: &World, to: &str) -> Result<Sealed, Trouble> {
    let message = OwnMessage {
        to: Address::parse(to)?,
        subject: "Weather".into(),
        fields: vec![("Content-Type".into(), "text/plain".into())],
        body: "Wind north, 4; sea slight; good visibility.\r\n".repeat(8),
        precedence: Precedence::Routine,
        label: None,
        terms: Default::default(),
    };
    let id = MessageId::new(world.clock.fresh_id());
    let sealed = seal::own(&world.alder_config, world.clock.now(), id, message);
    let sealed = sealed.map_err(|stop| format!("{stop:?}"))?;
    sealed.ok_or_else(|| "no link leads there".into())
}

fn settings(dir: &Path) -> Settings {
    Settings {
        dir: dir.to_owned(),
        key: StoreKey::new([7; 32]),
        export: None,
        engine: EngineKind::default(),
        assurance: Assurance::Standard,
    }
}

/// A store with so many entries; made once.
fn made(dir: &Path, sealed: &Sealed, count: usize) -> Result<PathBuf, Trouble> {
    let dir = dir.join(format!("store-{count}"));
    if !dir.exists() {
        let store = Store::open(settings(&dir), Clock::system())?;
        fill(&store, sealed, count)?;
    }
    Ok(dir)
}

fn fill(store: &Store, sealed: &Sealed, count: usize) -> Result<(), Trouble> {
    let (schedule, clock) = (Schedule::default(), Clock::system());
    let mut left = count;
    while left > 0 {
        let mut change = Change::new();
        for _ in 0..left.min(TOGETHER) {
            queue::put(&mut change, sealed.clone(), &schedule, &clock);
        }
        store.commit_blocking(change)?;
        left = left.saturating_sub(TOGETHER);
    }
    Ok(())
}

fn open(dir: &Path, limits: Limits) -> Result<(Store, Queue), Trouble> {
    let store = Store::open(settings(dir), Clock::system())?;
    let queue = Queue::open(store.clone(), Schedule::default(), limits, Clock::system())?;
    Ok((store, queue))
}

/// In a process of its own: what opening takes.
fn opened(dir: &Path) -> Result<(), Trouble> {
    let began = Instant::now();
    let (_store, queue) = open(dir, Limits::default())?;
    let first = queue.claim(Timestamp::now(), NextHops::Any)?;
    let time = began.elapsed();
    assert_eq!(first.is_some(), !queue.is_empty());
    let (now, peak) = (resident("VmRSS:")?, resident("VmHWM:")?);
    println!("{} {now} {peak}", time.as_secs_f64());
    Ok(())
}

/// How much memory this process holds, in octets.
fn resident(which: &str) -> Result<f64, Trouble> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(which));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kilobytes
        .ok_or("an odd line in /proc")?
        .trim()
        .parse::<f64>()?
        * 1024.0)
}

/// What a start took.
struct Started {
    seconds: f64,
    /// Octets, afterwards.
    memory: f64,
    /// Octets, at most.
    peak: f64,
}

fn start(store: &Path) -> Result<Started, Trouble> {
    let me = std::env::current_exe()?;
    let output = Command::new(me).arg("--open").arg(store).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse);
    let mut number = || numbers.next().ok_or("no answer");
    Ok(Started {
        seconds: number()??,
        memory: number()??,
        peak: number()??,
    })
}

/// What a file in a folder for each message takes: read every head, put it in order.
fn spool(dir: &Path, count: usize) -> Result<(f64, usize), Trouble> {
    let text = "Wind north, 4; sea slight; good visibility.\r\n".repeat(24);
    for n in 0..count {
        let folder = dir.join(format!("{:02x}", n % 256));
        if n < 256 {
            std::fs::create_dir_all(&folder)?;
        }
        let head = format!("1 {} reader@alder.example\n", 1_795_000_000 + n);
        std::fs::write(folder.join(format!("{n:08x}")), head + &text)?;
    }
    let began = Instant::now();
    let mut order = BinaryHeap::with_capacity(count);
    for folder in std::fs::read_dir(dir)? {
        for file in std::fs::read_dir(folder?.path())? {
            let path = file?.path();
            let message = std::fs::read(&path)?;
            let end = message
                .iter()
                .position(|octet| *octet == b'\n')
                .unwrap_or(0);
            let head = std::str::from_utf8(&message[..end])?;
            let mut parts = head.split(' ');
            let precedence: u8 = parts.next().ok_or("no precedence")?.parse()?;
            let arrived: u64 = parts.next().ok_or("no time")?.parse()?;
            order.push((precedence, std::cmp::Reverse(arrived), path));
        }
    }
    assert_eq!(order.len(), count);
    Ok((began.elapsed().as_secs_f64(), count))
}

fn claims(said: &mut Said, dir: &Path, length: usize) -> Result<(), Trouble> {
    const CLAIMS: usize = 1000;
    let limits = Limits {
        slots: usize::MAX,
        window: usize::MAX,
        widest: usize::MAX,
        ..Limits::default()
    };
    let (_store, queue) = open(dir, limits)?;
    let now = Timestamp::now();
    let mut claimed = Vec::with_capacity(CLAIMS);
    let began = Instant::now();
    for _ in 0..CLAIMS {
        claimed.extend(queue.claim(now, NextHops::Any)?);
    }
    let rate = claimed.len() as f64 / began.elapsed().as_secs_f64();
    said.line(&format!("claim/{length}"), rate, "1/s");
    drop(claimed);
    let mut chosen = Vec::with_capacity(CLAIMS);
    let began = Instant::now();
    for _ in 0..CLAIMS {
        chosen.extend(queue.choose(now, NextHops::Any)?);
    }
    let rate = chosen.len() as f64 / began.elapsed().as_secs_f64();
    said.line(&format!("choose/{length}"), rate, "1/s");
    Ok(())
}

fn puts(dir: &Path, sealed: &Sealed) -> Result<f64, Trouble> {
    const THREADS: usize = 32;
    const EACH: usize = 100;
    let (store, queue) = open(dir, Limits::default())?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let mut change = Change::new();
                        let clock = Clock::system();
                        queue::put(&mut change, sealed.clone(), queue.schedule(), &clock);
                        store.commit_blocking(change)?;
                    }
                    Ok::<_, ravelin::store::Fault>(())
                })
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread failed")??;
        }
        Ok::<_, Trouble>(())
    })?;
    Ok((THREADS * EACH) as f64 / began.elapsed().as_secs_f64())
}

/// FLASH messages one after the other through a switch that delivers ROUTINE all the while.
async fn flash(said: &mut Said, asked: &Asked, world: World) -> Result<(), Trouble> {
    const MARK: &str = "MMHS-Primary-Precedence: 4";
    let config = process::with_any_ports(&world.alder, &world.dir)?;
    let relay = world.birch.ports.relay;
    let sink = Sink::open(&world.birch_config, relay, Keep::Marked(MARK)).await?;
    let sealed = own(&world, "reader@birch.example")?;
    let to = [Address::parse("reader@birch.example")?];
    let label = world.label(
        "SECRET",
        &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
    )?;
    let label = ravelin::label::ess::encode(&label)?;
    let drafter = world.alder.person("drafter")?;
    let composition = Composition {
        from: &drafter.address,
        to: &to,
        subject: "Contact",
        text: &"Contact bearing 040, closing.\r\n".repeat(30),
        precedence: Precedence::Flash,
        label: Some(&label),
    };
    for waiting in [0, asked.routine] {
        for part in ["store", "audit"] {
            let _ = std::fs::remove_dir_all(world.dir.join(part));
        }
        {
            let store = Store::open(world.alder_config.store_settings(), Clock::system())?;
            fill(&store, &sealed, waiting)?;
        }
        let before = sink.count();
        let switch = match process::start(&config, None).await? {
            Start::Up(switch) => switch,
            Start::Ended(_, log) => return Err(format!("the switch does not start:\n{log}").into()),
        };
        let mut source = Source::new(
            switch.submission,
            world.alder.host(),
            Arc::clone(&world.alder_config.trust),
            drafter,
        )?;
        let mut took = Vec::with_capacity(asked.flash);
        for n in 0..asked.flash + 5 {
            let message: Arc<[u8]> = compose(&composition, &drafter.sign, &world.clock)?.into();
            let began = Instant::now();
            let answer = source.submit(&to, Precedence::Flash, message).await?;
            let Outcome::Delivered(_) = answer.outcome else {
                return Err(format!("not taken: {:?}", answer.outcome).into());
            };
            while sink.take().is_empty() {
                tokio::time::sleep(Duration::from_micros(200)).await;
                if began.elapsed() > HANGS {
                    return Err("a FLASH message did not come out".into());
                }
            }
            // The first ones open connections.
            if n >= 5 {
                took.push(began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let passed = sink.count() - before;
        let left = (waiting + asked.flash + 5).saturating_sub(passed);
        took.sort_unstable();
        let rank = |of: usize| {
            let place = (took.len() * of / 100).min(took.len().saturating_sub(1));
            took.get(place).copied().unwrap_or_default().as_secs_f64() * 1000.0
        };
        let name = format!("flash/{waiting}");
        said.line(&format!("{name}/p50"), rank(50), "ms");
        said.line(&format!("{name}/p99"), rank(99), "ms");
        said.line(&format!("{name}/max"), rank(100), "ms");
        said.line(&format!("{name}/routine-left"), left as f64, "entries");
        drop(switch);
    }
    Ok(())
}

/// What was said, again for programs.
struct Said(Vec<String>);

impl Said {
    fn line(&mut self, name: &str, value: f64, unit: &str) {
        println!("{name:<28}{value:>14.2} {unit}");
        let line =
            format!(r#"{{"bench":"queue","case":"{name}","value":{value:.3},"unit":"{unit}"}}"#);
        self.0.push(line);
    }
}
