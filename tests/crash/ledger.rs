//! What the test knows of every message: what it sent, what it was told, and what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use memchr::memmem;
use ravelin::cli::compose::{Composition, compose};
use ravelin::cli::demo::World;
use ravelin::message::address::Address;
use ravelin::message::mime::Limits;
use ravelin::message::{DraftId, Precedence};
use ravelin::open::{self, Opener, Piece};

use crate::support::header;

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// A reader of both nations: it is held until an officer releases it.
    Abroad,
    /// A reader at home.
    Home,
}

/// How far an act came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// It was not begun.
    Untouched,
    /// It was begun, and nobody said how it ended.
    Tried,
    /// It was acknowledged.
    Acknowledged,
}

/// One message.
pub struct Known {
    /// In which round, and what stopped the switch in that round.
    pub round: String,
    pub course: Course,
    pub octets: Arc<[u8]>,
    pub submission: Act,
    /// The switch's own name of it, from its 250.
    pub kept_as: Option<String>,
    pub release: Act,
    pub draft: Option<DraftId>,
    text: String,
    at_alder: usize,
    at_birch: usize,
}

/// All messages, by Message-ID.
#[derive(Default)]
pub struct Ledger(BTreeMap<String, Known>);

/// How large a message is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// It gets a file of its own.
    Large,
    /// It stands in the commit.
    Small,
}

impl Course {
    pub fn recipients(self) -> Vec<Address> {
        let all = match self {
            Self::Abroad => &["reader@alder.example", "reader@birch.example"][..],
            Self::Home => &["reader@alder.example"][..],
        };
        all.iter()
            .map(|address| Address::parse(address).unwrap())
            .collect()
    }
}

impl Ledger {
    /// Writes and signs a message that is not sent yet. Gives back its Message-ID.
    pub fn draft(&mut self, world: &World, round: &str, course: Course, size: Size) -> String {
        let categories: &[_] = match course {
            Course::Abroad => &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
            Course::Home => &[("Releasable To", "ALDER")],
        };
        let label = world.label("SECRET", categories).unwrap();
        let label = ravelin::label::ess::encode(&label).unwrap();
        let drafter = world.alder.person("drafter").unwrap();
        let number = self.0.len();
        let lines = match size {
            Size::Large => 1_300,
            Size::Small => 12,
        };
        // Every line is of this message alone: a mixture of two would not pass for whole.
        let text: String = (0..lines)
            .map(|line| {
                format!("message {number:06}, line {line:04}: .the convoy passes the strait\r\n")
            })
            .collect();
        let message = compose(
            &Composition {
                from: &drafter.address,
                to: &course.recipients(),
                subject: "Passage",
                text: &text,
                precedence: [Precedence::Routine, Precedence::Immediate][number % 2],
                label: Some(&label),
            },
            &drafter.sign,
            &world.clock,
        )
        .unwrap();
        let id = header(&message, "Message-ID").expect("a composed message has a Message-ID");
        let known = Known {
            round: round.to_owned(),
            course,
            octets: message.into(),
            submission: Act::Untouched,
            kept_as: None,
            release: Act::Untouched,
            draft: None,
            text,
            at_alder: 0,
            at_birch: 0,
        };
        self.0.insert(id.clone(), known);
        id
    }

    pub fn known(&mut self, id: &str) -> &mut Known {
        self.0.get_mut(id).expect("a message of this test")
    }

    pub fn all(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.0.iter()
    }

    /// A message came to ALDER's mailboxes: it is whole, and it was free to go.
    pub fn came_to_alder(&mut self, octets: &[u8]) {
        let subject = header(octets, "Subject").unwrap_or_default();
        let Some(known) = header(octets, "Message-ID").and_then(|id| self.0.get_mut(&id)) else {
            // What the switch says to officers and drafters.
            assert!(subject.contains("raft"), "ALDER got {subject:?}");
            return;
        };
        known.at_alder += 1;
        match known.course {
            // Untouched but for the trace that stands before it.
            Course::Home => assert!(octets.ends_with(&known.octets), "{}", known.tale()),
            Course::Abroad => {
                assert!(
                    known.release > Act::Untouched,
                    "unreleased: {}",
                    known.tale()
                );
                assert!(known.is_in(octets), "{}", known.tale());
            }
        }
    }

    /// A message came to BIRCH's switch: it opens, is released, and holds the text.
    pub fn came_to_birch(&mut self, world: &World, octets: Vec<u8>) {
        let id = header(&octets, "Message-ID").expect("what crosses the border has a Message-ID");
        let known = self.known(&id);
        known.at_birch += 1;
        assert!(
            known.release > Act::Untouched,
            "unreleased: {}",
            known.tale()
        );
        let opener = Opener {
            keys: (&world.birch_config.keys.decrypt).into(),
            trust: &world.alder_config.trust,
            policies: &world.birch_config.policies,
            at: world.clock.now(),
            limits: Limits::default(),
        };
        let facts = open::facts(&opener, Piece::whole(Arc::new(octets))).unwrap();
        assert!(known.is_in(facts.payload.bytes()), "{}", known.tale());
        let users = facts.field("MMHS-Authorizing-Users");
        assert_eq!(users.as_deref(), Some("officer@alder.example"));
    }

    /// The first message that must have come out and has not, when `held` are the drafts that wait.
    pub fn missing(&self, held: &BTreeSet<DraftId>) -> Option<String> {
        let is_missing = |known: &&Known| match known.course {
            Course::Home => known.submission == Act::Acknowledged && known.at_alder == 0,
            Course::Abroad => {
                let is_released = match known.release {
                    Act::Untouched => false,
                    // Nobody said how it ended: a draft that waits no more was released.
                    Act::Tried => known.draft.is_some_and(|draft| !held.contains(&draft)),
                    Act::Acknowledged => true,
                };
                is_released && (known.at_alder == 0 || known.at_birch == 0)
            }
        };
        self.0.values().find(is_missing).map(Known::tale)
    }

    /// Every draft in the store is whole and rightly there, and every one that must be there is.
    pub fn check_drafts(&self, drafts: impl Iterator<Item = (DraftId, Vec<u8>)>) {
        let mut held = BTreeSet::new();
        for (draft, octets) in drafts {
            let id = header(&octets, "Message-ID").expect("a draft has a Message-ID");
            let known = self.0.get(&id).expect("a draft of this test");
            assert!(octets == *known.octets, "changed: {}", known.tale());
            assert!(known.release < Act::Acknowledged, "back: {}", known.tale());
            assert!(
                known.draft.is_none_or(|own| own == draft),
                "{}",
                known.tale()
            );
            assert_eq!(known.at_alder + known.at_birch, 0, "{}", known.tale());
            assert!(held.insert(id), "twice: {}", known.tale());
        }
        for (id, known) in &self.0 {
            if known.course == Course::Abroad && known.submission == Act::Acknowledged {
                let is_out = known.at_alder > 0 && known.at_birch > 0;
                assert!(held.contains(id) != is_out, "lost: {}", known.tale());
            }
        }
    }

    /// Messages that were acknowledged; drafts that wait; deliveries beyond the first.
    pub fn counts(&self) -> (usize, usize, usize) {
        let acknowledged = |known: &&Known| known.submission == Act::Acknowledged;
        let waits = |known: &&Known| {
            acknowledged(known) && known.course == Course::Abroad && known.at_alder == 0
        };
        let twice =
            |known: &Known| known.at_alder.saturating_sub(1) + known.at_birch.saturating_sub(1);
        (
            self.0.values().filter(acknowledged).count(),
            self.0.values().filter(waits).count(),
            self.0.values().map(twice).sum(),
        )
    }
}

impl Known {
    fn is_in(&self, octets: &[u8]) -> bool {
        memmem::find(octets, self.text.as_bytes()).is_some()
    }

    /// For the one who reads a failure.
    fn tale(&self) -> String {
        format!(
            "{:?}, {} octets, sent in {}; submission {:?} as {:?}, release {:?} of {:?}, came {} \
             times to ALDER and {} to BIRCH",
            self.course,
            self.octets.len(),
            self.round,
            self.submission,
            self.kept_as,
            self.release,
            self.draft,
            self.at_alder,
            self.at_birch
        )
    }
}
