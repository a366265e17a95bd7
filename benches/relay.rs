//! How much the switch carries: `cargo bench --bench relay [-- --messages N --sessions 1,10]`.
//!
//! - `local`: the least that it does: verify, check, keep, deliver over LMTP without TLS, on to a
//!   mailbox that writes files. Every message is checked; there is no path without.
//! - `border`: verify, check, relabel, triple wrap, keep, deliver over SMTP with TLS to a sink.
//!
//! The switch is the real binary in a process of its own, with its store, its audit chain and
//! export on disk; messages are clear-signed (P-384), labelled, made beforehand, and submitted over
//! TLS connections that stay open. Sources and sinks run in this process on the same machine and
//! take their share of its cores: `cpu` alone is of the switch. Latency is from DATA to 250, so it
//! holds verification, judgement, sealing and the sync. For people a table; one JSON line a figure.
#![allow(missing_docs, reason = "a program")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::{Trouble, World};
use ravelin::clock::Clock;
use ravelin::message::Precedence;
use ravelin::message::address::Address;
use ravelin::smtp::dialogue::Outcome;
use support::process::{self, Start, Switch};
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
    #[arg(long, value_delimiter = ',', default_value = "local,border")]
    cases: Vec<String>,
    /// Said by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// Carried before anything is measured: connections, tables and caches are there then.
const WARM_UP: usize = 50;
/// A switch that delivers nothing for so long hangs.
const HANGS: Duration = Duration::from_secs(60);

/// Which way the messages take.
#[derive(Clone, Copy)]
enum Way {
    Border,
    Local,
}

/// What one run came to.
struct Figures {
    accepted: f64,
    delivered: f64,
    p50: Duration,
    p99: Duration,
    /// Of the switch, for one message.
    cpu: Duration,
    memory: u64,
}

fn main() -> Result<(), Trouble> {
    let asked = Asked::parse();
    tokio::runtime::Runtime::new()?.block_on(run(&asked))
}

async fn run(asked: &Asked) -> Result<(), Trouble> {
    let dir = tempfile::tempdir()?;
    // Nothing is held here: the rules of review are left out.
    let world = World::found(dir.path(), Clock::system(), "").await?;
    let config = process::with_any_ports(&world.alder, dir.path())?;
    let sink = Sink::open(&world.birch_config, world.birch.ports.relay, Keep::Count).await?;
    let bench = Bench {
        world,
        config: &config,
        sink,
    };
    println!(
        "{:<22}{:>12}{:>12}{:>10}{:>10}{:>12}{:>10}",
        "case", "accepted/s", "delivered/s", "p50 ms", "p99 ms", "cpu ms/msg", "peak MiB"
    );
    let mut lines = Vec::new();
    for case in &asked.cases {
        let way = match case.as_str() {
            "border" => Way::Border,
            "local" => Way::Local,
            other => {
                return Err(format!("there is no case {other}; there are local, border").into());
            }
        };
        for sessions in &asked.sessions {
            let name = format!("{case}/{}/s{sessions}", size(asked.size));
            let figures = bench.case(way, asked, *sessions).await?;
            println!(
                "{name:<22}{:>12.1}{:>12.1}{:>10.2}{:>10.2}{:>12.2}{:>10.1}",
                figures.accepted,
                figures.delivered,
                milliseconds(figures.p50),
                milliseconds(figures.p99),
                milliseconds(figures.cpu),
                mebibytes(figures.memory),
            );
            lines.extend(json(&name, &figures));
        }
    }
    println!();
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

struct Bench<'a> {
    world: World,
    config: &'a Path,
    sink: Sink,
}

impl Bench<'_> {
    /// One run on an empty store.
    async fn case(&self, way: Way, asked: &Asked, sessions: usize) -> Result<Figures, Trouble> {
        for part in ["store", "audit"] {
            let _ = std::fs::remove_dir_all(self.world.dir.join(part));
        }
        let mut messages = self.messages(way, WARM_UP + asked.messages, asked.size)?;
        let measured = messages.split_off(WARM_UP);
        let switch = match process::start(self.config, None).await? {
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
        let (sources, _) = self.carry(&switch, way, sources, messages).await?;

        let cpu = switch.processor_time()?;
        let count = measured.len();
        let began = Instant::now();
        let (sources, mut run) = self.carry(&switch, way, sources, measured).await?;
        let delivered = began.elapsed();
        let cpu = switch.processor_time()?.saturating_sub(cpu);
        let memory = switch.peak_memory()?;
        drop(sources);
        let (status, log) = switch.stop(HANGS).await?;
        if !status.success() {
            return Err(format!("the switch did not stop in good order:\n{log}").into());
        }
        run.latencies.sort_unstable();
        let rank = |of: usize| {
            run.latencies
                .get(count * of / 100)
                .copied()
                .unwrap_or_default()
        };
        Ok(Figures {
            accepted: rate(count, run.accepted),
            delivered: rate(count, delivered),
            p50: rank(50),
            p99: rank(99),
            cpu: cpu / u32::try_from(count)?,
            memory,
        })
    }

    /// Submits all messages and waits until all have come out.
    async fn carry(
        &self,
        switch: &Switch,
        way: Way,
        sources: Vec<Source>,
        messages: Vec<Arc<[u8]>>,
    ) -> Result<(Vec<Source>, Run), Trouble> {
        let out = || match way {
            Way::Border => self.sink.count(),
            Way::Local => self.world.alder_mail.count(),
        };
        let all = out() + messages.len();
        let began = Instant::now();
        let share = messages.len().div_ceil(sources.len());
        let mut messages = messages.into_iter();
        let mut tasks = Vec::new();
        for mut source in sources {
            let mine: Vec<_> = messages.by_ref().take(share).collect();
            let to = recipient(way)?;
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
        let (mut last, mut since) = (out(), Instant::now());
        while last < all {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if out() > last {
                (last, since) = (out(), Instant::now());
            } else if since.elapsed() > HANGS {
                let address = switch.submission;
                return Err(format!("{} of {all} came out of {address}", out()).into());
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

    /// Signed and labelled messages, each of its own.
    fn messages(&self, way: Way, count: usize, size: usize) -> Result<Vec<Arc<[u8]>>, Trouble> {
        let categories: &[_] = match way {
            Way::Border => &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
            Way::Local => &[("Releasable To", "ALDER")],
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

fn recipient(way: Way) -> Result<Address, Trouble> {
    Ok(Address::parse(match way {
        Way::Border => "reader@birch.example",
        Way::Local => "reader@alder.example",
    })?)
}

fn json(name: &str, figures: &Figures) -> Vec<String> {
    [
        (name.to_owned(), figures.accepted, "1/s"),
        (format!("{name}/delivered"), figures.delivered, "1/s"),
        (format!("{name}/p50"), milliseconds(figures.p50), "ms"),
        (format!("{name}/p99"), milliseconds(figures.p99), "ms"),
        (format!("{name}/cpu"), milliseconds(figures.cpu), "ms"),
        (format!("{name}/memory"), mebibytes(figures.memory), "MiB"),
    ]
    .into_iter()
    .map(|(case, value, unit)| {
        format!(r#"{{"bench":"relay","case":"{case}","value":{value:.3},"unit":"{unit}"}}"#)
    })
    .collect()
}

fn size(octets: usize) -> String {
    match octets {
        octets if octets.is_multiple_of(1 << 20) => format!("{}MiB", octets >> 20),
        octets if octets.is_multiple_of(1 << 10) => format!("{}KiB", octets >> 10),
        octets => format!("{octets}B"),
    }
}

fn rate(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mebibytes(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}
