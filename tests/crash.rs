//! Invariant 2: nothing acknowledged is lost, whenever the switch is killed.
//!
//! The real binary serves ALDER, over TLS, on one store that goes on from round to round. Each round
//! three mail programs submit signed and labelled messages and an officer releases drafts, until the
//! switch is killed (-9) at a random moment or dies at a point of `ravelin::store::crash`. Every few
//! rounds it runs undisturbed: then every message that got its 250 must have come to its mailbox,
//! whole, or be held as a draft, and the audit chain, its export and the store must agree.
//! Duplicates are counted and printed: RFC 5321 cannot exclude them (RFC 1047). The mailboxes and
//! BIRCH's switch are in this process. A kill leaves the page cache: this says nothing of power loss.
//!
//! `RAVELIN_CRASH_ROUNDS=5000 cargo test --release --test crash -- --nocapture` runs longer.

#[path = "crash/ledger.rs"]
mod ledger;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ledger::{Act, Course, Ledger, Size};
use ravelin::audit::{Head, verify, verify_after};
use ravelin::cli::demo::{RELEASE_RULE, Trouble, World};
use ravelin::cli::desk::Desk;
use ravelin::clock::Clock;
use ravelin::label::Policies;
use ravelin::message::mime::Limits;
use ravelin::message::{DraftId, Precedence};
use ravelin::open::{self, Opener, Piece};
use ravelin::smtp::dialogue::Outcome;
use ravelin::store::crash::Point;
use ravelin::store::{Settings, Store};
use support::process::{self, Start};
use support::sink::{Keep, Sink};
use support::source::Source;

/// Rounds, unless `RAVELIN_CRASH_ROUNDS` says how many.
const ROUNDS: usize = 200;
/// After so many rounds everything is checked.
const UNDISTURBED: usize = 5;
/// A switch that does nothing for so long hangs: no measure of speed.
const HANGS: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_switch_is_killed() {
    let rounds = std::env::var("RAVELIN_CRASH_ROUNDS")
        .map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let dir = tempfile::tempdir().unwrap();
    let world = World::found(dir.path(), Clock::system(), RELEASE_RULE)
        .await
        .unwrap();
    let config = process::with_any_ports(&world.alder, dir.path()).unwrap();
    let sink = Sink::open(&world.birch_config, world.birch.ports.relay, Keep::Whole)
        .await
        .unwrap();
    let mut test = Test {
        world,
        config,
        sink,
        ledger: Mutex::default(),
        seen: 0,
        head: Head::before_first(),
        told: BTreeSet::new(),
    };
    let began = Instant::now();
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for round in 1..=rounds {
        let plan = Plan::of(round);
        let end = test.disturbed(round, plan).await;
        *ends.entry(end).or_default() += 1;
        if round.is_multiple_of(UNDISTURBED) || round == rounds {
            let stop = [Stop::Killed, Stop::Told][round / UNDISTURBED % 2];
            test.undisturbed(round, stop).await;
        }
    }
    test.until_the_queue_is_empty().await;

    let (acknowledged, held, twice) = test.ledger.lock().unwrap().counts();
    eprintln!(
        "{rounds} rounds in {:.0?}: {acknowledged} messages acknowledged, none lost; {held} drafts \
         held; {twice} delivered twice; {} audit records",
        began.elapsed(),
        test.head.sequence
    );
    for (end, count) in &ends {
        eprintln!("{count:6} {end}");
    }
    if rounds >= ROUNDS {
        for point in Point::ALL {
            let name = format!("crashed at {}", point.name());
            assert!(
                ends.contains_key(&name),
                "{} was never reached",
                point.name()
            );
        }
    }
}

/// What stops the switch.
#[derive(Clone, Copy)]
enum Plan {
    /// The point, at this passing.
    Crash(Point, u32),
    /// `kill -9` after so long.
    Kill(Duration),
}

impl Plan {
    /// The points in turn, and as many kills at random moments.
    fn of(round: usize) -> Self {
        if round.is_multiple_of(2) {
            return Self::Kill(Duration::from_millis(u64::from(random() % 700)));
        }
        let point = Point::ALL[round / 2 % Point::ALL.len()];
        let passings = match point {
            Point::Opening => 1,
            Point::ApprovalJudged
            | Point::ApprovalKept
            | Point::BodyUnfinished
            | Point::BodyWritten => 1 + random() % 2,
            Point::BeforeReply | Point::Delivered => 1 + random() % 6,
            Point::BeforeCommit | Point::Committed | Point::Exported => 1 + random() % 12,
        };
        Self::Crash(point, passings)
    }

    /// What a message is like, so that the point is reached.
    fn message(self) -> (Course, Size) {
        let (mut course, mut size) = (Course::Home, Size::Small);
        if random().is_multiple_of(4) {
            course = Course::Abroad;
        }
        if random().is_multiple_of(6) {
            size = Size::Large;
        }
        match self {
            Self::Crash(Point::ApprovalJudged | Point::ApprovalKept, _) => course = Course::Abroad,
            Self::Crash(Point::BodyUnfinished | Point::BodyWritten, _) => size = Size::Large,
            _ => {}
        }
        (course, size)
    }
}

/// How an undisturbed run ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    Killed,
    Told,
}

struct Test {
    world: World,
    config: PathBuf,
    sink: Sink,
    ledger: Mutex<Ledger>,
    /// So many messages in ALDER's mailboxes have been looked at.
    seen: usize,
    /// So far the audit chain is checked.
    head: Head,
    /// The messages that it tells were taken over.
    told: BTreeSet<String>,
}

impl Test {
    /// A round that ends with the death of the switch; tells how it died.
    async fn disturbed(&mut self, round: usize, plan: Plan) -> String {
        let crash_at = match plan {
            Plan::Crash(point, passings) => Some(format!("{}:{passings}", point.name())),
            Plan::Kill(_) => None,
        };
        let name = format!(
            "round {round} ({})",
            crash_at.as_deref().unwrap_or("killed")
        );
        let drafts: Vec<Vec<String>> = {
            let mut ledger = self.ledger.lock().unwrap();
            let mut draft = || {
                let (course, size) = plan.message();
                ledger.draft(&self.world, &name, course, size)
            };
            (0..3).map(|_| (0..3).map(|_| draft()).collect()).collect()
        };
        let start = process::start(&self.config, crash_at.as_deref());
        let start = tokio::time::timeout(HANGS, start).await.expect(&name);
        let mut switch = match start.unwrap() {
            Start::Up(switch) => switch,
            Start::Ended(_, log) => return end_of(&log, &name),
        };
        let (submission, desk) = (switch.submission, switch.desk);
        let work = async {
            tokio::join!(
                self.submit(submission, &drafts[0]),
                self.submit(submission, &drafts[1]),
                self.submit(submission, &drafts[2]),
                self.release(desk),
            )
        };
        let work = tokio::time::timeout(HANGS, work);
        let log = match plan {
            Plan::Crash(..) => {
                work.await.expect(&name);
                // What is left to do is delivery.
                switch.is_gone_within(Duration::from_millis(300)).await;
                switch.kill()
            }
            Plan::Kill(after) => {
                let kill = async {
                    tokio::time::sleep(after).await;
                    switch.kill()
                };
                let (work, log) = tokio::join!(work, kill);
                work.expect(&name);
                log
            }
        };
        end_of(&log.unwrap(), &name)
    }

    /// One mail program: one message after the other, until the connection breaks.
    async fn submit(&self, to: SocketAddr, drafts: &[String]) {
        let drafter = self.world.alder.person("drafter").unwrap();
        let trust = Arc::clone(&self.world.alder_config.trust);
        let host = self.world.alder.host();
        let mut source = Source::new(to, host, trust, drafter).unwrap();
        for id in drafts {
            let (octets, recipients) = {
                let mut ledger = self.ledger.lock().unwrap();
                let known = ledger.known(id);
                known.submission = Act::Tried;
                (Arc::clone(&known.octets), known.course.recipients())
            };
            let said = source.submit(&recipients, Precedence::Routine, octets);
            match said.await.map(|said| said.outcome) {
                Ok(Outcome::Delivered(reply)) => {
                    let mut ledger = self.ledger.lock().unwrap();
                    let known = ledger.known(id);
                    known.submission = Act::Acknowledged;
                    known.kept_as = reply.text().split(' ').next().map(str::to_owned);
                }
                Ok(other) => panic!("a good message was not taken: {other:?}"),
                Err(_) => return,
            }
        }
    }

    /// The officer: looks a few times, and releases three of four drafts.
    async fn release(&self, at: SocketAddr) {
        let mut desk = self.world.desk("officer").unwrap();
        desk.address = at.to_string();
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let Ok(drafts) = desk.drafts().await else {
                return;
            };
            for draft in drafts {
                if draft.id.octets()[0].is_multiple_of(4) {
                    continue;
                }
                if self.release_one(&desk, draft.id).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn release_one(&self, desk: &Desk, draft: DraftId) -> Result<(), Trouble> {
        let octets = desk.message(draft).await?;
        let opener = Opener {
            keys: Default::default(),
            trust: &desk.trust,
            policies: &Policies::default(),
            at: desk.clock.now(),
            limits: Limits::default(),
        };
        let facts = open::facts(&opener, Piece::whole(Arc::new(octets.to_vec()))).unwrap();
        let (_, drafted) = facts.drafted().expect("a draft is signed");
        let release = desk.sign(0, &drafted.signers[0].report)?;
        let id = support::header(&octets, "Message-ID").expect("a draft has a Message-ID");
        {
            let mut ledger = self.ledger.lock().unwrap();
            let known = ledger.known(&id);
            assert_ne!(known.release, Act::Acknowledged, "draft {draft} came back");
            known.release = Act::Tried;
            known.draft = Some(draft);
        }
        let approved = desk.approve(draft, &release).await?;
        assert_eq!(approved.state, "released");
        self.ledger.lock().unwrap().known(&id).release = Act::Acknowledged;
        Ok(())
    }

    /// The switch runs until all that it owes has come out; then everything is checked.
    async fn undisturbed(&mut self, round: usize, stop: Stop) {
        let Start::Up(switch) = process::start(&self.config, None).await.unwrap() else {
            panic!("the switch does not start after round {round}");
        };
        let mut desk = self.world.desk("officer").unwrap();
        desk.address = switch.desk.to_string();
        let held: BTreeSet<DraftId> = desk
            .drafts()
            .await
            .unwrap()
            .into_iter()
            .map(|draft| draft.id)
            .collect();
        let began = Instant::now();
        loop {
            self.collect();
            let Some(missing) = self.ledger.lock().unwrap().missing(&held) else {
                break;
            };
            if began.elapsed() > HANGS {
                let log = switch.kill().unwrap();
                panic!("lost: {missing}\n{log}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let before = match stop {
            Stop::Killed => {
                switch.kill().unwrap();
                None
            }
            Stop::Told => {
                let (status, log) = switch.stop(HANGS).await.unwrap();
                assert!(status.success(), "{status}\n{log}");
                Some(self.export())
            }
        };
        self.collect();
        let store = self.open_store();
        self.check_audit(&store);
        if let Some(before) = before {
            assert!(
                before == self.export(),
                "a stop in good order left work to do"
            );
        }
        assert_eq!(store.quarantined().unwrap(), 0, "round {round}");
        let drafts = store.drafts().unwrap();
        let drafts = drafts.iter().map(|row| {
            let octets = store.draft_body(row.id).unwrap().unwrap();
            (row.id, octets.to_vec())
        });
        let ledger = self.ledger.lock().unwrap();
        ledger.check_drafts(drafts);
        // Every act leaves an event.
        for (_, known) in ledger.all() {
            let is_told = known
                .kept_as
                .as_ref()
                .is_none_or(|id| self.told.contains(id));
            assert!(is_told, "no event tells of a message of {}", known.round);
        }
    }

    /// Nothing is left behind: what is in the queue goes out, and then there is nothing in it.
    async fn until_the_queue_is_empty(&mut self) {
        let began = Instant::now();
        while !self.open_store().entries().unwrap().is_empty() {
            assert!(began.elapsed() < HANGS, "something stays in the queue");
            self.undisturbed(0, Stop::Told).await;
        }
    }

    /// Looks at what has come out since the last time.
    fn collect(&mut self) {
        let mut ledger = self.ledger.lock().unwrap();
        for file in self.world.alder_mail.after(self.seen) {
            ledger.came_to_alder(&std::fs::read(&file).unwrap());
            std::fs::remove_file(file).unwrap();
            self.seen += 1;
        }
        for message in self.sink.take() {
            ledger.came_to_birch(&self.world, message);
        }
    }

    fn open_store(&self) -> Store {
        let settings = Settings {
            engine: support::engine::under_test(),
            ..self.world.alder_config.store_settings()
        };
        Store::open(settings, Clock::system()).expect("the store opens after a crash")
    }

    fn export(&self) -> Vec<u8> {
        std::fs::read(self.world.dir.join("audit/alder.jsonl")).unwrap()
    }

    /// What is new in the export continues the chain and is, line by line, what the store holds.
    fn check_audit(&mut self, store: &Store) {
        let text = String::from_utf8(self.export()).unwrap();
        assert!(text.ends_with('\n'), "a torn line stayed");
        let done = usize::try_from(self.head.sequence).unwrap();
        let mut sequence = self.head.sequence;
        let mut new = String::new();
        for line in text.lines().skip(done) {
            sequence += 1;
            assert_eq!(store.record(sequence).unwrap().as_deref(), Some(line));
            new.push_str(line);
            new.push('\n');
            let json: serde_json::Value = serde_json::from_str(line).unwrap();
            match json["act"].as_str() {
                Some("accepted" | "held") => {
                    let id = json["message"]
                        .as_str()
                        .expect("an event names its message");
                    self.told.insert(id.to_owned());
                }
                Some(
                    wrong @ ("deferred" | "export-repaired" | "fault" | "quarantined" | "refused"
                    | "failed"),
                ) => {
                    panic!("the chain tells of {wrong}: {line}")
                }
                _ => {}
            }
        }
        let behind = store.record(sequence + 1).unwrap();
        assert_eq!(behind, None, "the export is behind the store");
        let summary = verify_after(self.head.clone(), new.as_bytes()).unwrap();
        self.head = Head {
            sequence,
            hash: summary.head_hash,
        };
        let whole = verify(text.as_bytes()).unwrap();
        assert_eq!(whole.records, sequence);
    }
}

/// How a switch died, in words that can be counted.
fn end_of(log: &str, name: &str) -> String {
    assert!(!log.contains("panicked"), "{name}:\n{log}");
    let crashed = log.lines().find_map(|line| {
        let (_, rest) = line.split_once("ravelin: crashed at ")?;
        Some(format!("crashed at {}", rest.split(',').next()?))
    });
    crashed.unwrap_or_else(|| "killed".into())
}

fn random() -> u32 {
    let [a, b, c, d, ..] = Clock::system().fresh_id();
    u32::from_be_bytes([a, b, c, d])
}
