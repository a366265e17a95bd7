//! How much the switch carries: `cargo bench --bench relay [-- --messages N --sessions 1,10]`.
//!
//! - `plain`: the least that it does: verify, check, keep, pass on over SMTP in the clear to a sink.
//!   Every message is checked; there is no path without.
//! - `border`: verify, check, relabel, triple wrap, keep, pass on over SMTP with TLS to a sink.
//!
//! `--postfix` (benches/vs-postfix/run) alternates with Postfix: the same messages, from sources in the
//! clear, to the same sink in the clear.
//!
//! The switch is the real binary in a process of its own, with its store, its audit chain and
//! export on disk; messages are clear-signed (P-384), labelled, made beforehand, and submitted over
//! TLS connections that stay open. Sources and sinks run in this process on the same machine and
//! take their share of its cores: `cpu` alone is of the server. Latency is from DATA to 250, so it
//! holds verification, judgement, sealing and the sync. For people a table; one JSON line a figure.
//! Of several rounds each figure is the median.
#![allow(missing_docs, reason = "a program")]

mod postfix;
#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use postfix::Postfix;
use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::{Trouble, World};
use ravelin::clock::Clock;
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use ravelin::smtp::dialogue::Outcome;
use support::process::{self, Start};
use support::sink::{Keep, Sink};
use support::source::Source;

#[derive(Parser)]
struct Asked {
    /// How many messages each case carries
    #[arg(long, default_value_t = 2000)]
    messages: usize,
    /// How many sessions submit at once; one run for each
    #[arg(long, value_delimiter = ',', default_value = "1,10")]
    sessions: Vec<usize>,
    /// How large the text of a message is, in octets
    #[arg(long, default_value_t = 10_240)]
    size: usize,
    /// The cases to run
    #[arg(long, value_delimiter = ',', default_value = "plain,border")]
    cases: Vec<String>,
    /// How often each is run
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Alternate with Postfix
    #[arg(long)]
    postfix: bool,
    /// Said by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Carried before anything is measured: connections, tables and caches are there then.
const WARM_UP: usize = 50;
/// A server that delivers nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(60);

/// Which way the messages take through the switch.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Border,
    Plain,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Border => "border",
            Self::Plain => "plain",
        }
    }
}

/// What a run came to, in the order of [`FIGURES`]. What is not measured is not a number.
type Figures = [f64; FIGURES.len()];

/// The figures of a run: name, unit.
const FIGURES: [(&str, &str); 6] = [
    ("accepted", "1/s"),
    ("relayed", "1/s"),
    ("p50", "ms"),
    ("p99", "ms"),
    ("cpu", "ms"),
    ("memory", "MiB"),
];

/// All rounds of one case with one server.
struct Line {
    case: String,
    server: &'static str,
    rounds: Vec<Figures>,
}

impl Line {
    /// The median of each figure.
    fn figures(&self) -> Figures {
        std::array::from_fn(|of| {
            let mut all: Vec<f64> = self.rounds.iter().map(|round| round[of]).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        })
    }
}

fn main() -> Result<(), Trouble> {
    let asked = Asked::parse();
    tokio::runtime::Runtime::new()?.block_on(run(&asked))
}

async fn run(asked: &Asked) -> Result<(), Trouble> {
    let dir = tempfile::tempdir()?;
    // Nothing is held here: the rules of review are left out.
    let world = World::found(dir.path(), Clock::system(), "").await?;
    let border = Sink::open(&world.birch_config, world.birch.ports.relay, Keep::Count).await?;
    let plain = Sink::in_the_clear("127.0.0.1:0".parse()?).await?;
    let config = process::with_any_ports(&world.alder, dir.path())?;
    let bench = Bench {
        config: with_next_hop(&config, &world, &plain)?,
        world,
        border,
        plain,
    };
    let mut lines = Vec::new();
    for case in &asked.cases {
        let way = match case.as_str() {
            "border" => Way::Border,
            "plain" => Way::Plain,
            other => {
                return Err(format!("there is no case {other}; there are plain, border").into());
            }
        };
        for &sessions in &asked.sessions {
            lines.extend(bench.rounds(way, asked, sessions).await?);
        }
    }
    show(&lines);
    if asked.postfix {
        compare(&lines)?;
    }
    Ok(())
}

/// A configuration in which ALDER's own mail goes to the sink in the clear.
fn with_next_hop(config: &Path, world: &World, sink: &Sink) -> Result<PathBuf, Trouble> {
    let text = std::fs::read_to_string(config)?;
    let mailboxes = format!(
        "protocol = \"lmtp\"\naddress = \"{}\"",
        world.alder_mail.address
    );
    if !text.contains(&mailboxes) {
        return Err("the demo's configuration has another link to its mailboxes".into());
    }
    let next_hop = format!("address = \"{}\"", sink.address());
    // All sources are of one address here.
    let submission = "role = \"submission\"";
    let many =
        format!("{submission}\nconnections-per-source = 200\nconnections-per-minute = 10000");
    let text = text
        .replace(&mailboxes, &next_hop)
        .replace(submission, &many);
    let path = config.with_file_name("bench.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

struct Bench {
    world: World,
    config: PathBuf,
    border: Sink,
    plain: Sink,
}

impl Bench {
    /// All rounds of one case; with Postfix, one round of each in turn.
    async fn rounds(&self, way: Way, asked: &Asked, sessions: usize) -> Result<Vec<Line>, Trouble> {
        let case = format!("{}/s{sessions}", way.name());
        let (mut switch, mut postfix) = (Vec::new(), Vec::new());
        for round in 0..asked.rounds {
            // Whoever comes second finds the disk as the first left it: they take turns.
            for turn in [round % 2, (round + 1) % 2] {
                if turn == 0 {
                    switch.push(self.switch(way, asked, sessions).await?);
                } else if asked.postfix {
                    postfix.push(self.postfix(asked, sessions).await?);
                }
            }
            eprintln!("{case}: round {} of {}", round + 1, asked.rounds);
        }
        let lines = [("ravelin", switch), ("postfix", postfix)];
        let lines = lines.into_iter().filter(|(_, rounds)| !rounds.is_empty());
        Ok(lines
            .map(|(server, rounds)| Line {
                case: case.clone(),
                server,
                rounds,
            })
            .collect())
    }

    /// One run of the switch on an empty store.
    async fn switch(&self, way: Way, asked: &Asked, sessions: usize) -> Result<Figures, Trouble> {
        for part in ["store", "audit"] {
            let _ = std::fs::remove_dir_all(self.world.dir.join(part));
        }
        let switch = match process::start(&self.config, None).await? {
            Start::Up(switch) => switch,
            Start::Ended(_, log) => return Err(format!("the switch does not start:\n{log}").into()),
        };
        let mut sources = Vec::new();
        for _ in 0..sessions {
            sources.push(Source::new(
                switch.submission,
                self.world.alder.host(),
                Arc::clone(&self.world.alder_config.trust),
                self.world.alder.person("drafter")?,
            )?);
        }
        let sink = match way {
            Way::Border => &self.border,
            Way::Plain => &self.plain,
        };
        let mut figures = self
            .measured(way, asked, sources, sink, || switch.processor_time())
            .await?;
        figures[5] = switch.peak_memory()? as f64 / f64::from(1 << 20);
        let (status, log) = switch.stop(HANGS).await?;
        if !status.success() {
            return Err(format!("the switch did not stop in good order:\n{log}").into());
        }
        Ok(figures)
    }

    /// One run of Postfix on an empty queue: a plain relay, whatever the switch does meanwhile.
    async fn postfix(&self, asked: &Asked, sessions: usize) -> Result<Figures, Trouble> {
        let postfix = Postfix::start(self.plain.address())?;
        let from = &self.world.alder.person("drafter")?.address;
        let sources = (0..sessions).map(|_| Source::in_the_clear(postfix.address, from));
        let cpu = || postfix.processor_time();
        self.measured(Way::Plain, asked, sources.collect(), &self.plain, cpu)
            .await
    }

    async fn measured(
        &self,
        way: Way,
        asked: &Asked,
        sources: Vec<Source>,
        sink: &Sink,
        processor_time: impl Fn() -> Result<Duration, Trouble>,
    ) -> Result<Figures, Trouble> {
        let mut messages = self.messages(way, WARM_UP + asked.messages, asked.size)?;
        let measured = messages.split_off(WARM_UP);
        let to = recipient(way)?;
        let (sources, _) = carry(sources, &to, messages, sink).await?;
        let cpu = processor_time()?;
        let count = measured.len();
        let began = Instant::now();
        let (sources, mut run) = carry(sources, &to, measured, sink).await?;
        let relayed = began.elapsed();
        let cpu = processor_time()?.saturating_sub(cpu);
        drop(sources);
        run.latencies.sort_unstable();
        let rank = |of: usize| {
            let found = run.latencies.get(count * of / 100).copied();
            milliseconds(found.unwrap_or_default())
        };
        let rate = |time: Duration| count as f64 / time.as_secs_f64();
        Ok([
            rate(run.accepted),
            rate(relayed),
            rank(50),
            rank(99),
            milliseconds(cpu) / count as f64,
            f64::NAN,
        ])
    }

    /// Signed and labelled messages, each of its own.
    fn messages(&self, way: Way, count: usize, size: usize) -> Result<Vec<Arc<[u8]>>, Trouble> {
        let categories: &[_] = match way {
            Way::Border => &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
            Way::Plain => &[("Releasable To", "ALDER")],
        };
        let label = ravelin::label::ess::encode(&self.world.label("SECRET", categories)?)?;
        let drafter = self.world.alder.person("drafter")?;
        let to = [recipient(way)?];
        const LINE: &str = "The convoy passes the northern strait at first light; keep dark.\r\n";
        let text = LINE.repeat(size.div_ceil(LINE.len()));
        let composition = Composition {
            from: &drafter.address,
            to: &to,
            subject: "Passage of the northern strait",
            text: &text,
            precedence: Precedence::Routine,
            label: Some(&label),
        };
        (0..count)
            .map(|_| Ok(compose(&composition, &drafter.sign, &self.world.clock)?.into()))
            .collect()
    }
}

struct Run {
    accepted: Duration,
    latencies: Vec<Duration>,
}

/// Submits all messages and waits until all have come out.
async fn carry(
    sources: Vec<Source>,
    to: &Address,
    messages: Vec<Arc<[u8]>>,
    sink: &Sink,
) -> Result<(Vec<Source>, Run), Trouble> {
    let all = sink.count() + messages.len();
    let began = Instant::now();
    let share = messages.len().div_ceil(sources.len());
    let mut messages = messages.into_iter();
    let mut tasks = Vec::new();
    for mut source in sources {
        let mine: Vec<_> = messages.by_ref().take(share).collect();
        let to = to.clone();
        tasks.push(tokio::spawn(async move {
            let mut latencies = Vec::with_capacity(mine.len());
            for message in mine {
                let said = source
                    .submit(std::slice::from_ref(&to), Precedence::Routine, message)
                    .await?;
                let Outcome::Delivered(_) = said.outcome else {
                    return Err(format!("not taken: {:?}", said.outcome).into());
                };
                latencies.push(said.took);
            }
            Ok::<_, Trouble>((source, latencies))
        }));
    }
    let (mut sources, mut latencies) = (Vec::new(), Vec::new());
    for task in tasks {
        let (source, own) = task.await??;
        sources.push(source);
        latencies.extend(own);
    }
    let accepted = began.elapsed();
    let (mut last, mut since) = (sink.count(), Instant::now());
    while last < all {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if sink.count() > last {
            (last, since) = (sink.count(), Instant::now());
        } else if since.elapsed() > HANGS {
            return Err(format!("{} of {all} came out", sink.count()).into());
        }
    }
    Ok((
        sources,
        Run {
            accepted,
            latencies,
        },
    ))
}

fn recipient(way: Way) -> Result<Address, Trouble> {
    Ok(Address::parse(match way {
        Way::Border => "reader@birch.example",
        Way::Plain => "reader@alder.example",
    })?)
}

/// A table for people, and one JSON line for each figure.
fn show(lines: &[Line]) {
    print!("{:<14}{:<10}", "case", "server");
    for (name, unit) in FIGURES {
        print!("{:>16}", format!("{name} {unit}"));
    }
    println!();
    for line in lines {
        print!("{:<14}{:<10}", line.case, line.server);
        for value in line.figures() {
            match value.is_nan() {
                true => print!("{:>16}", "-"),
                false => print!("{value:>16.2}"),
            }
        }
        println!();
    }
    println!();
    for line in lines {
        for ((name, unit), value) in FIGURES.into_iter().zip(line.figures()) {
            if !value.is_nan() {
                let Line { case, server, .. } = line;
                println!(
                    r#"{{"bench":"relay","case":"{case}","server":"{server}","figure":"{name}","value":{value:.3},"unit":"{unit}"}}"#
                );
            }
        }
    }
}

/// How often the switch is as fast as Postfix, which always relays plainly.
fn compare(lines: &[Line]) -> Result<(), Trouble> {
    println!("\nof Postfix {}:", Postfix::version()?);
    for pair in lines.chunks_exact(2) {
        let (ours, theirs) = (pair[0].figures(), pair[1].figures());
        println!(
            "{:<14}accepted {:.2} times, relayed {:.2} times, cpu {:.2} times",
            pair[0].case,
            ours[0] / theirs[0],
            ours[1] / theirs[1],
            ours[4] / theirs[4],
        );
    }
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
