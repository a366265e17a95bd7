//! The story of README, step by step.

use std::path::{Path, PathBuf};

use super::{Trouble, World, check_md};
use crate::audit;
use crate::crypto::cms::countersign;
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::trust::TrustStore;
use crate::label::marking::{Location, marking};
use crate::label::{Categories, Kind, Label, ObjectIdentifier};
use crate::message::DraftId;
use crate::message::address::Address;
use crate::message::mime::Limits;
use crate::open::{self, Carried, Facts, Opener, Piece};
use crate::review;
use crate::smtp::dialogue::Outcome;

/// One step, as it came out.
pub struct Told {
    /// What was to happen.
    pub step: &'static str,
    /// What happened, or what went wrong.
    pub outcome: Result<String, String>,
    /// The file to look at, under the demo's folder.
    pub file: Option<&'static str>,
}

/// Tells the whole story in `world`. `each` hears every step; after a step that others need and
/// that went wrong, the story ends. Yes only if all came out as told.
pub async fn tell(world: &mut World, mut each: impl FnMut(&Told)) -> bool {
    let mut story = Story {
        submitted: Vec::new(),
        draft: None,
    };
    let mut all = true;
    let mut hear = |step, file, outcome: Result<String, Trouble>| {
        let outcome = outcome.map_err(|error| error.to_string());
        let good = outcome.is_ok();
        all &= good;
        each(&Told {
            step,
            outcome,
            file,
        });
        good
    };
    macro_rules! step {
        ($step:literal, $file:expr, $future:expr) => {
            if !hear($step, $file, $future.await) {
                return false;
            }
        };
    }
    step!(
        "ALDER's drafter submits",
        Some("messages/01-submitted.eml"),
        story.submit(world)
    );
    step!(
        "the officer gets a notice",
        Some("mailboxes/alder/0001.eml"),
        story.notice(world)
    );
    step!("the officer lists and shows", None, story.show(world));
    step!(
        "the officer approves",
        Some("messages/02-released.eml"),
        story.approve(world)
    );
    step!(
        "ALDER's reader has it",
        Some("messages/05-delivered-alder.eml"),
        story.at_alder(world)
    );
    step!(
        "it waits, wrapped, for BIRCH",
        Some("messages/03-border.eml"),
        story.at_the_border(world)
    );
    step!(
        "BIRCH's reader has it",
        Some("messages/04-delivered-birch.eml"),
        story.at_birch(world)
    );
    for (step, refusal) in REFUSALS {
        hear(step, None, refuse(world, *refusal).await);
    }
    hear(
        "refused: a release by the drafter, at the desk",
        None,
        own_release(world).await,
    );
    hear(
        "ALDER's audit chain verifies",
        Some("audit/alder.jsonl"),
        chain(world, "alder"),
    );
    hear(
        "BIRCH's audit chain verifies",
        Some("audit/birch.jsonl"),
        chain(world, "birch"),
    );
    hear(
        "a chain with one byte changed does not",
        None,
        damaged_chain(world),
    );
    hear(
        "how to check all this is written down",
        Some("CHECK.md"),
        check_md::write(&world.dir),
    );
    all
}

struct Story {
    submitted: Vec<u8>,
    draft: Option<DraftId>,
}

impl Story {
    /// SECRET, releasable to BIRCH, one recipient in each nation: taken, and held.
    async fn submit(&mut self, world: &World) -> Result<String, Trouble> {
        let drafter = world.alder.person("drafter")?;
        let to = both_readers()?;
        let label = abroad(world)?;
        self.submitted = world.compose(&drafter.address, &to, Some(&label), &drafter.sign)?;
        write(world, "01-submitted.eml", &self.submitted)?;
        match world.submit(drafter, &to, &self.submitted).await? {
            Outcome::Delivered(reply) => Ok(format!(
                "{} {}, {}, held for a releasing officer",
                reply.code,
                reply.text(),
                marking(world.alder_config.policy(), &label, Location::PageTop, None),
            )),
            other => Err(format!("the switch said {}", other.reply().text()).into()),
        }
    }

    async fn notice(&mut self, world: &mut World) -> Result<String, Trouble> {
        let is_notice = |octets: &[u8]| contains(octets, b"waits for release");
        let (_, octets) = world.alder_mail.wait_for(is_notice).await?;
        if contains(&octets, b"SECRET") || contains(&octets, b"convoy") {
            return Err("the notice tells what is in the draft".into());
        }
        Ok("it names the draft and its precedence, not its label or text".into())
    }

    async fn show(&mut self, world: &World) -> Result<String, Trouble> {
        let desk = world.desk("officer")?;
        let drafts = desk.drafts().await?;
        let [draft] = drafts.as_slice() else {
            return Err(format!("{} drafts wait, not one", drafts.len()).into());
        };
        let octets = desk.message(draft.id).await?;
        if octets.as_ref() != self.submitted {
            return Err("the desk shows other octets than were submitted".into());
        }
        let facts = facts(world, &octets, &[], &world.alder_config.trust)?;
        drafted_well(&facts, 0)?;
        self.draft = Some(draft.id);
        Ok(format!(
            "{} {}, {} recipients; the drafter's signature verifies on the officer's machine",
            draft.precedence,
            draft.marking,
            draft.recipients.len()
        ))
    }

    async fn approve(&mut self, world: &World) -> Result<String, Trouble> {
        let desk = world.desk("officer")?;
        let id = self.draft.ok_or("no draft was listed")?;
        let octets = desk.message(id).await?;
        let facts = facts(world, &octets, &[], &world.alder_config.trust)?;
        let drafter = drafted_well(&facts, 0)?;
        let release = desk.sign(0, &facts.layers[drafter].signers()[0].report)?;
        let released = review::approve(
            &octets,
            release.signer,
            &release.signature,
            std::slice::from_ref(desk.officer.certificate()),
        )
        .map_err(|refusal| refusal.to_string())?;
        write(world, "02-released.eml", &released)?;
        let approved = desk.approve(id, &release).await?;
        if approved.state != "released" {
            return Err(format!("the draft is {}", approved.state).into());
        }
        Ok("countersigned with officer.p12, which stayed here; the switch released it".into())
    }

    /// The drafter's signature and the officer's countersignature arrive as they were made.
    async fn at_alder(&mut self, world: &mut World) -> Result<String, Trouble> {
        let is_it = |octets: &[u8]| contains(octets, b"northern strait");
        let (_, octets) = world.alder_mail.wait_for(is_it).await?;
        write(world, "05-delivered-alder.eml", &octets)?;
        let facts = facts(world, &octets, &[], &world.alder_config.trust)?;
        drafted_well(&facts, 1)?;
        Ok("by LMTP, the drafter's signature and the officer's countersignature verify".into())
    }

    /// BIRCH's switch is down: the entry waits in the queue, sealed as it will cross the wire.
    async fn at_the_border(&mut self, world: &mut World) -> Result<String, Trouble> {
        let store = &world.running()?.store;
        let entry = store
            .entries()?
            .into_iter()
            .find(|entry| entry.next_hop == "birch")
            .ok_or("no entry waits for BIRCH")?;
        let octets = store.entry_body(entry.id)?.ok_or("the entry has no body")?;
        write(world, "03-border.eml", &octets)?;
        for secret in [&b"northern strait"[..], b"convoy"] {
            if contains(&octets, secret) {
                return Err("what crosses the wire can be read".into());
            }
        }
        let facts = facts(
            world,
            &octets,
            &world.birch_config.keys.decrypt,
            &world.alder_config.trust,
        )?;
        if facts.layers.len() != 4 {
            return Err(format!("{} layers, not four", facts.layers.len()).into());
        }
        drafted_well(&facts, 1)?;
        let Carried::Present(label) = &facts.layers[2].signers()[0].label else {
            return Err("the domain signature carries no label".into());
        };
        let label = marking(world.birch_config.policy(), label, Location::PageTop, None);
        let id = entry.id;
        world.wake_birch().await?;
        let queue = &world.running()?.queue;
        // BIRCH is up: the operator need not wait for the next attempt.
        let _ = queue.retry_now(id, "operator", "BIRCH is up").await;
        Ok(format!(
            "{} for {label}",
            "signed, enveloped, signed: relabelled"
        ))
    }

    /// Re-encrypted for the reader's own certificate; every signature below still verifies.
    async fn at_birch(&mut self, world: &mut World) -> Result<String, Trouble> {
        let is_it = |octets: &[u8]| contains(octets, b"pkcs7-mime");
        let (_, octets) = world.birch_mail.wait_for(is_it).await?;
        write(world, "04-delivered-birch.eml", &octets)?;
        let reader = world.birch.person("reader")?;
        let facts = facts(
            world,
            &octets,
            std::slice::from_ref(&reader.encrypt),
            &world.alder_config.trust,
        )?;
        drafted_well(&facts, 1)?;
        let users = facts.field("MMHS-Authorizing-Users").unwrap_or_default();
        if users != "officer@alder.example" {
            return Err(format!("MMHS-Authorizing-Users says {users:?}").into());
        }
        if facts.payload.bytes() != submitted_part(world, &self.submitted)?.bytes() {
            return Err("the text is not the one that was submitted".into());
        }
        Ok(format!(
            "re-encrypted for {}; released by {users}; the signed text is octet for octet the same",
            reader.address
        ))
    }
}

/// What is refused in session, and why.
#[derive(Clone, Copy)]
enum Wrong {
    ChangedByte,
    NoEquivalent,
    NoLabel,
    NotCleared,
    OwnRelease,
    Stranger,
    UnknownCategory,
}

const REFUSALS: &[(&str, Wrong)] = &[
    (
        "refused: a recipient without the clearance",
        Wrong::NotCleared,
    ),
    ("refused: no label", Wrong::NoLabel),
    ("refused: an unknown category", Wrong::UnknownCategory),
    ("refused: a changed byte", Wrong::ChangedByte),
    ("refused: a release by the drafter", Wrong::OwnRelease),
    ("refused: a message signed by a stranger", Wrong::Stranger),
    (
        "refused: a label without equivalent at the border",
        Wrong::NoEquivalent,
    ),
];

impl Wrong {
    const fn reason(self) -> &'static str {
        match self {
            Self::ChangedByte => "signature.invalid",
            Self::NoEquivalent => "label.no-equivalent",
            Self::NoLabel => "label.missing",
            Self::NotCleared => "clearance.insufficient",
            Self::OwnRelease => "release.by-drafter",
            Self::Stranger => "signer.untrusted",
            Self::UnknownCategory => "label.invalid",
        }
    }
}

/// Hands a wrong message in; the reply is 550 5.7.x with its reason, and an event tells of it.
async fn refuse(world: &World, wrong: Wrong) -> Result<String, Trouble> {
    let drafter = world.alder.person("drafter")?;
    let officer = world.alder.person("officer")?;
    let home = [Address::parse("reader@alder.example")?];
    let label = world.label("SECRET", &[])?;
    let compose = |to: &[Address], label: Option<&Label>, signer: &Identity| {
        world.compose(&drafter.address, to, label, signer)
    };
    let (person, to, message) = match wrong {
        Wrong::NotCleared => {
            let to = vec![Address::parse("clerk@alder.example")?];
            let message = compose(&to, Some(&label), &drafter.sign)?;
            (drafter, to, message)
        }
        Wrong::NoLabel => (drafter, home.to_vec(), compose(&home, None, &drafter.sign)?),
        Wrong::UnknownCategory => {
            let label = with_unknown_category(world)?;
            (
                drafter,
                home.to_vec(),
                compose(&home, Some(&label), &drafter.sign)?,
            )
        }
        Wrong::ChangedByte => {
            let mut message = compose(&home, Some(&label), &drafter.sign)?;
            let place = find(&message, b"first light").ok_or("the text is not in the message")?;
            message[place] = b'F';
            (drafter, home.to_vec(), message)
        }
        Wrong::OwnRelease => {
            let to = both_readers()?;
            let message =
                world.compose(&officer.address, &to, Some(&abroad(world)?), &officer.sign)?;
            let message = countersigned(world, &message, &officer.sign)?;
            (officer, to, message)
        }
        Wrong::Stranger => {
            let now = world.clock.now();
            let nobody = Authority::new("CN=Somebody Else", now)?.issue(
                Request::new("CN=drafter,O=ALDER", Usage::Sign, now)
                    .email(&drafter.address.to_string()),
            )?;
            (
                drafter,
                home.to_vec(),
                compose(&home, Some(&label), &nobody)?,
            )
        }
        Wrong::NoEquivalent => {
            let to = vec![Address::parse("reader@birch.example")?];
            let label = world.label(
                "SECRET",
                &[
                    ("Releasable To", "BIRCH"),
                    ("Releasable To", "ALDER"),
                    ("Codeword", "BEACON"),
                ],
            )?;
            let message = compose(&to, Some(&label), &drafter.sign)?;
            (drafter, to, message)
        }
    };
    let outcome = world.submit(person, &to, &message).await?;
    let reply = outcome.reply();
    let (class, subject, _) = reply.status();
    let text = reply.text();
    let wanted = format!("({})", wrong.reason());
    if reply.code != 550 || (class, subject) != (5, 7) || !text.contains(&wanted) {
        return Err(format!(
            "wanted 550 5.7.x {wanted}, the switch said {} {text}",
            reply.code
        )
        .into());
    }
    recorded(world, "refused", wrong.reason())?;
    Ok(format!("{} {text}", reply.code))
}

/// The officer drafts, and then tries to release that draft.
async fn own_release(world: &World) -> Result<String, Trouble> {
    let officer = world.alder.person("officer")?;
    let to = both_readers()?;
    let message = world.compose(&officer.address, &to, Some(&abroad(world)?), &officer.sign)?;
    world.submit(officer, &to, &message).await?;
    let desk = world.desk("officer")?;
    let draft = desk
        .drafts()
        .await?
        .into_iter()
        .find(|draft| draft.drafter == officer.address.to_string())
        .ok_or("the officer's draft is not held")?;
    let facts = facts(world, &message, &[], &world.alder_config.trust)?;
    let drafter = drafted_well(&facts, 0)?;
    let release = desk.sign(0, &facts.layers[drafter].signers()[0].report)?;
    match desk.approve(draft.id, &release).await {
        Ok(_) => Err("the switch released it".into()),
        Err(error) if error.to_string().contains("(release.by-drafter)") => {
            recorded(world, "review-refused", "release.by-drafter")?;
            Ok(error.to_string())
        }
        Err(error) => Err(error.into()),
    }
}

/// The audit chain tells of the refusal, with its grounds.
fn recorded(world: &World, act: &str, reason: &str) -> Result<(), Trouble> {
    let chain = std::fs::read_to_string(world.dir.join("audit/alder.jsonl"))?;
    let told = chain.lines().rev().take(4).any(|line| {
        line.contains(&format!("\"act\":\"{act}\""))
            && line.contains(&format!("\"decision\":\"{reason}\""))
            && line.contains("\"ground-01\"")
    });
    if told {
        Ok(())
    } else {
        Err(format!("the audit chain does not tell of {act} {reason}").into())
    }
}

fn chain(world: &World, nation: &str) -> Result<String, Trouble> {
    let file = std::fs::File::open(world.dir.join(format!("audit/{nation}.jsonl")))?;
    let summary = audit::verify(std::io::BufReader::new(file))?;
    Ok(format!("{} records", summary.records))
}

fn damaged_chain(world: &World) -> Result<String, Trouble> {
    let mut octets = std::fs::read(world.dir.join("audit/alder.jsonl"))?;
    let middle = octets.len() / 2;
    octets[middle] ^= 1;
    match audit::verify(octets.as_slice()) {
        Ok(_) => Err("the damaged chain verifies".into()),
        Err(error) => Ok(error.to_string()),
    }
}

fn both_readers() -> Result<Vec<Address>, Trouble> {
    Ok(vec![
        Address::parse("reader@birch.example")?,
        Address::parse("reader@alder.example")?,
    ])
}

/// ALDER SECRET, releasable to BIRCH.
fn abroad(world: &World) -> Result<Label, Trouble> {
    world.label(
        "SECRET",
        &[("Releasable To", "ALDER"), ("Releasable To", "BIRCH")],
    )
}

/// A label with a value that the policy's tag set does not have.
fn with_unknown_category(world: &World) -> Result<Label, Trouble> {
    let mut label = abroad(world)?;
    let tag_set: ObjectIdentifier = label
        .categories
        .iter()
        .next()
        .map(|category| category.tag_set)
        .ok_or("the label has no category")?;
    label.categories = Categories::default();
    label
        .categories
        .insert(tag_set, Kind::EnumeratedPermissive, 99);
    Ok(label)
}

/// A message whose drafter's signature `officer` has countersigned.
fn countersigned(world: &World, message: &[u8], officer: &Identity) -> Result<Vec<u8>, Trouble> {
    let facts = facts(world, message, &[], &world.alder_config.trust)?;
    let drafter = drafted_well(&facts, 0)?;
    let signature = &facts.layers[drafter].signers()[0].report.signature;
    let countersignature = countersign::make(signature, officer, world.clock.now())?;
    review::approve(
        message,
        0,
        &countersignature,
        std::slice::from_ref(officer.certificate()),
    )
    .map_err(|refusal| refusal.to_string().into())
}

fn facts(
    world: &World,
    message: &[u8],
    keys: &[Identity],
    trust: &TrustStore,
) -> Result<Facts, Trouble> {
    let opener = Opener {
        keys: keys.into(),
        trust,
        policies: &world.alder_config.policies,
        at: world.clock.now(),
        limits: Limits::default(),
    };
    let message: std::sync::Arc<[u8]> = message.into();
    open::facts(&opener, Piece::whole(std::sync::Arc::new(message)))
        .map_err(|stop| format!("{stop:?}").into())
}

/// The index of the drafter's layer, when its one signature and its countersignatures are good.
fn drafted_well(facts: &Facts, countersigners: usize) -> Result<usize, Trouble> {
    let (index, drafted) = facts.drafted().ok_or("nobody signed")?;
    let [drafter] = drafted.signers.as_slice() else {
        return Err(format!("{} signers, not one", drafted.signers.len()).into());
    };
    for signer in std::iter::once(drafter).chain(&drafter.countersigners) {
        if !signer.is_good() {
            return Err(format!(
                "{}: {:?} {:?}",
                signer.name(),
                signer.report.problems,
                signer.trust
            )
            .into());
        }
    }
    if drafter.countersigners.len() != countersigners {
        return Err(format!("{} countersigners", drafter.countersigners.len()).into());
    }
    Ok(index)
}

/// What the drafter signed: the first part of the submitted message.
fn submitted_part(world: &World, submitted: &[u8]) -> Result<Piece, Trouble> {
    Ok(facts(world, submitted, &[], &world.alder_config.trust)?.payload)
}

fn write(world: &World, name: &str, octets: &[u8]) -> Result<PathBuf, Trouble> {
    let path = world.dir.join("messages").join(name);
    std::fs::write(&path, octets)?;
    Ok(path)
}

fn contains(octets: &[u8], needle: &[u8]) -> bool {
    find(octets, needle).is_some()
}

fn find(octets: &[u8], needle: &[u8]) -> Option<usize> {
    octets
        .windows(needle.len())
        .position(|window| window == needle)
}

/// What to try while both switches are up.
pub fn try_next(dir: &Path, world: &World) -> String {
    let dir = dir.display();
    format!(
        "Both switches are up; Ctrl-C ends them. Try next:\n  \
         ravelin inspect {dir}/messages/03-border.eml --trust {dir}/pki/alder/ca.pem --crl {dir}/pki/alder/ca.crl.pem \\\n    \
         --cert {dir}/pki/birch/border-encrypt.pem --key {dir}/pki/birch/border-encrypt.key.pem\n  \
         ravelin release list --server {desk} --name {host} --trust {dir}/pki/alder/ca.pem \\\n    \
         --crl {dir}/pki/alder/ca.crl.pem --key {dir}/pki/alder/officer.p12 --password-file {dir}/pki/alder/password.txt\n  \
         ravelin audit verify {dir}/audit/alder.jsonl",
        desk = world.alder.ports.desk,
        host = world.alder.host(),
    )
}
