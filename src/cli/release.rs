//! `ravelin release`: the releasing officer's program.
//!
//! Duty: shows what waits, takes a draft apart again on this machine, and signs or returns it; for
//! who drafted it, takes it back.
//! Promises: the officer's key does not leave this process; nothing is signed that does not verify
//! here, whatever the switch says of it; the signature is over the very octets that were shown.
//! Refuses: to sign without a yes, from a terminal or by `--yes`.
//! Standards: RFC 5652 section 11.4 (countersignature).

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;
use zeroize::Zeroizing;

use super::answer::{Answer, Trouble};
use super::desk::{DeskError, refused};
use super::messages::grounds;
use super::officer::{Officer, Settings};
use super::onion;
use super::print::{self, Format, line};
use super::view::View;
use crate::crypto::cms::verify::SignerReport;
use crate::decision::Stop;
use crate::label::marking::{self, Location};
use crate::message::DraftId;
use crate::message::address::Address;
use crate::message::military::Military;
use crate::message::mime::Limits;
use crate::open::{self, Carried, Facts, Opener, Piece, SignerFacts};
use crate::review::Need;
use crate::switch::DraftView;

/// The options of `ravelin release`.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ravelin release list --config officer.toml\n  \
    ravelin release approve ID --server desk.alder.example:8443 --name switch.alder.example \
    --trust ca.pem --crl ca.crl --key officer.p12 --password-file officer.password \
    --policy alder.xml\n\n\
    officer.toml has the keys server, name, trust, crls, key, password-file, policies, revocation."
)]
pub(super) struct Release {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Verify a draft here, show it, ask, sign it and send the signature
    #[command(
        after_help = "Example:\n  ravelin release approve ID --config officer.toml\n\n\
        Exit code 0: the switch took the signature; 1: it did not, or the draft does not verify \
        here, or the answer was no."
    )]
    Approve {
        /// The draft, as `release list` names it
        id: DraftId,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// List the drafts that wait for this officer, most urgent first
    #[command(after_help = "Example:\n  ravelin release list --config officer.toml --format json")]
    List {
        /// Those that you drafted, in place of those that wait for you
        #[arg(long)]
        own: bool,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Send a draft back to its drafter
    #[command(
        after_help = "Example:\n  ravelin release return ID --reason \"wrong recipients\" \
        --config officer.toml"
    )]
    Return {
        /// The draft, as `release list` names it
        id: DraftId,
        /// What the drafter is told
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Verify a draft here and show what would be released
    #[command(
        after_help = "Example:\n  ravelin release show ID --config officer.toml\n\n\
        Exit code 1: the draft does not verify here."
    )]
    Show {
        /// The draft, as `release list` names it
        id: DraftId,
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Take back a draft of your own that was not released yet
    #[command(
        after_help = "Example:\n  ravelin release withdraw ID --reason \"overtaken by events\" \
        --config anna.toml"
    )]
    Withdraw {
        /// The draft, as `release list --own` names it
        id: DraftId,
        /// Why, for the audit
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) async fn run(release: &Release) -> Result<Answer, Trouble> {
    let officer = release.settings.officer()?;
    match &release.act {
        Act::Approve { id, yes } => approve(&officer, *id, *yes).await,
        Act::List { own, format } => list(&officer, *own, *format).await,
        Act::Return { id, reason } => send_back(&officer, *id, reason).await,
        Act::Show { id, format } => {
            let examined = match examine(&officer, *id).await {
                Ok(examined) => examined,
                Err(error) => return refused(error),
            };
            match format {
                Format::Json => print::json(&examined)?,
                Format::Table => print::out(&drawn(&examined))?,
            }
            Ok(examined.answer())
        }
        Act::Withdraw { id, reason } => match officer.desk.withdraw(*id, reason).await {
            Ok(()) => {
                print::out(&format!("Draft {id} was withdrawn.\n"))?;
                Ok(Answer::Yes)
            }
            Err(error) => refused(error),
        },
    }
}

async fn list(officer: &Officer, own: bool, format: Format) -> Result<Answer, Trouble> {
    let asked = match own {
        true => officer.desk.own_drafts().await,
        false => officer.desk.drafts().await,
    };
    let drafts = match asked {
        Ok(drafts) => drafts,
        Err(error) => return refused(error),
    };
    match format {
        Format::Json => print::json(&drafts)?,
        Format::Table => {
            let rows: Vec<Vec<String>> = drafts
                .iter()
                .map(|draft| {
                    vec![
                        draft.id.to_string(),
                        draft.precedence.to_string(),
                        draft.marking.clone(),
                        draft.drafter.clone(),
                        print::time(draft.expires),
                        draft.recipients.join(", "),
                    ]
                })
                .collect();
            let head = [
                "DRAFT",
                "PRECEDENCE",
                "MARKING",
                "DRAFTER",
                "EXPIRES",
                "RECIPIENTS",
            ];
            print::out(&print::columns(&head, &rows))?;
        }
    }
    Ok(Answer::Yes)
}

async fn approve(officer: &Officer, id: DraftId, yes: bool) -> Result<Answer, Trouble> {
    let examined = match examine(officer, id).await {
        Ok(examined) => examined,
        Err(error) => return refused(error),
    };
    print::out(&drawn(&examined))?;
    let (Answer::Yes, Some((index, drafter))) = (examined.answer(), &examined.drafter) else {
        print::out("Not signed: the draft does not verify here.\n")?;
        return Ok(Answer::No);
    };
    if let Some(hindrance) = &examined.hindrance {
        print::out(&format!("Not signed: {}.\n", print::clean(hindrance)))?;
        return Ok(Answer::No);
    }
    if !yes && !asked(id)? {
        print::out("Not signed.\n")?;
        return Ok(Answer::No);
    }
    let signature = match officer.desk.sign(*index, drafter) {
        Ok(signature) => signature,
        Err(error) => return refused(error),
    };
    match officer.desk.approve(id, &signature).await {
        Ok(approved) if approved.needs.is_empty() => {
            print::out(&format!(
                "Signed, and the switch says: {}.\n",
                approved.state
            ))?;
        }
        Ok(approved) => print::out(&format!(
            "Signed, and the switch says: {}.\n{}",
            print::clean(&approved.state),
            needed(&approved.needs)
        ))?,
        Err(error) => return refused(error),
    }
    Ok(Answer::Yes)
}

async fn send_back(officer: &Officer, id: DraftId, reason: &str) -> Result<Answer, Trouble> {
    match officer.desk.send_back(id, reason).await {
        Ok(()) => {
            print::out(&format!("Draft {id} went back to its drafter.\n"))?;
            Ok(Answer::Yes)
        }
        Err(error) => refused(error),
    }
}

/// What the desk refuses is a no; all else is a fault.
fn asked(id: DraftId) -> Result<bool, Trouble> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Trouble::usage(
            "nobody can be asked: the standard input is not a terminal",
            "use --yes after a look at `ravelin release show`",
        ));
    }
    let fault = |error: std::io::Error| Trouble::Fault(format!("ask: {error}"));
    let mut prompt = std::io::stderr();
    write!(prompt, "Release draft {id}? Type yes to sign: ").map_err(fault)?;
    prompt.flush().map_err(fault)?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer).map_err(fault)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

/// A draft as the switch tells of it, and as it was found here.
#[derive(Serialize)]
struct Examined {
    draft: DraftView,
    /// Whether it verifies here, so that it may be signed.
    verified: bool,
    /// Why it does not.
    problems: Vec<String>,
    /// Why this officer may not sign it, though it verifies.
    hindrance: Option<String>,
    /// What is worth a look.
    notes: Vec<String>,
    /// The marking by the policies of this machine.
    marking: Option<String>,
    /// The message, taken apart here.
    message: Option<View>,
    /// Which signature is the drafter's.
    #[serde(skip)]
    drafter: Option<(usize, SignerReport)>,
}

impl Examined {
    fn answer(&self) -> Answer {
        if self.verified {
            Answer::Yes
        } else {
            Answer::No
        }
    }
}

async fn examine(officer: &Officer, id: DraftId) -> Result<Examined, DeskError> {
    let draft = officer.desk.draft(id).await?;
    let octets = Zeroizing::new(officer.desk.message(id).await?.to_vec());
    Ok(examined(officer, draft, octets))
}

fn examined(officer: &Officer, draft: DraftView, octets: Zeroizing<Vec<u8>>) -> Examined {
    let at = officer.desk.clock.now();
    let opener = Opener {
        keys: Default::default(),
        trust: &officer.desk.trust,
        policies: &officer.policies,
        at,
        limits: Limits::default(),
    };
    let mut examined = Examined {
        draft,
        verified: false,
        problems: Vec::new(),
        hindrance: None,
        notes: Vec::new(),
        marking: None,
        message: None,
        drafter: None,
    };
    match open::facts(&opener, Piece::whole(Arc::new(octets))) {
        Ok(facts) => {
            let view = View::of(&facts, &officer.policies, at, officer.revocation);
            examined
                .problems
                .extend(view.grave().map(|finding| finding.text.clone()));
            examined.message = Some(view);
            compare(officer, &facts, &mut examined);
        }
        Err(Stop::Refuse(refusal)) => examined.problems.push(grounds(&refusal)),
        Err(Stop::Fault(fault)) => examined.problems.push(fault.chain()),
    }
    examined.verified = examined.problems.is_empty();
    examined
}

/// Holds what the switch says against what the message says.
fn compare(officer: &Officer, facts: &Facts, examined: &mut Examined) {
    let problems = &mut examined.problems;
    let Ok(named) = Address::parse(&examined.draft.drafter) else {
        problems.push("the switch names a drafter that is not an address".into());
        return;
    };
    let from = facts
        .field("From")
        .and_then(|value| Address::parse_list(&value).ok())
        .unwrap_or_default();
    if from.len() != 1 || from.iter().any(|mailbox| mailbox.address != named) {
        problems.push(format!(
            "the message is not from {named}, whom the switch names"
        ));
    }
    let found = facts.drafted().and_then(|(layer, signed)| {
        let (index, signer) = signed
            .signers
            .iter()
            .enumerate()
            .find(|(_, signer)| signer.is(&named))?;
        (layer == 0).then_some((index, signer))
    });
    let Some((index, signer)) = found else {
        problems.push(format!("no signature of the outermost layer is by {named}"));
        return;
    };
    // Nobody releases alone what they drafted.
    let own = officer.desk.officer.certificate();
    if own
        .emails()
        .iter()
        .any(|email| Address::parse(email).is_ok_and(|own| own == named))
    {
        examined.hindrance = Some(format!(
            "you drafted it ({named}); nobody releases own drafts"
        ));
    }
    match marked(officer, signer) {
        Ok(marking) => {
            if marking != examined.draft.marking {
                problems.push(format!(
                    "the switch calls it {:?}, the drafter's label says {marking:?}",
                    examined.draft.marking
                ));
            }
            examined.marking = Some(marking);
        }
        Err(text) => problems.push(text),
    }
    examined.drafter = Some((index, signer.report.clone()));
    let said = Military::read(facts.headers())
        .ok()
        .and_then(|military| military.primary_precedence);
    if let Some(said) = said.filter(|said| *said != examined.draft.precedence) {
        examined.notes.push(format!(
            "the message says {said}, the switch handles it as {}",
            examined.draft.precedence
        ));
    }
    let addressed: Vec<Address> = ["To", "Cc"]
        .into_iter()
        .filter_map(|name| facts.field(name))
        .filter_map(|value| Address::parse_list(&value).ok())
        .flatten()
        .map(|mailbox| mailbox.address)
        .collect();
    for recipient in &examined.draft.recipients {
        if !Address::parse(recipient).is_ok_and(|recipient| addressed.contains(&recipient)) {
            examined.notes.push(format!(
                "{recipient} gets it and stands in no To or Cc field (a blind copy)"
            ));
        }
    }
}

/// The marking of the drafter's label.
fn marked(officer: &Officer, signer: &SignerFacts) -> Result<String, String> {
    let Carried::Present(label) = &signer.label else {
        return Err("the drafter's signature carries no label that can be read".into());
    };
    let oid = label.policy.ok_or("the drafter's label names no policy")?;
    let policy = officer.policies.get(&oid).ok_or_else(|| {
        format!("the label belongs to policy {oid}, which was not given; name it with --policy")
    })?;
    Ok(marking::marking(policy, label, Location::PageTop, None))
}

fn drawn(examined: &Examined) -> String {
    let draft = &examined.draft;
    let marking = examined.marking.as_deref().unwrap_or("(not verified)");
    let mut text = String::new();
    text.push_str(&format!("{}\n\n", print::clean(marking)));
    text.push_str(&line(0, "draft", &draft.id.to_string()));
    text.push_str(&line(0, "precedence", &draft.precedence.to_string()));
    text.push_str(&line(0, "drafter", &draft.drafter));
    text.push_str(&line(0, "submitted", &print::time(draft.submitted)));
    text.push_str(&line(0, "expires", &print::time(draft.expires)));
    for recipient in &draft.recipients {
        text.push_str(&line(0, "recipient", recipient));
    }
    text.push('\n');
    if let Some(view) = &examined.message {
        text.push_str(&onion::layers(view));
        text.push_str(&onion::message(view));
    }
    let verdict = if examined.verified {
        "good: every signature verifies on this machine"
    } else {
        "NOT GOOD"
    };
    text.push_str(&line(0, "verdict", verdict));
    for problem in &examined.problems {
        text.push_str(&line(0, "problem", problem));
    }
    if let Some(hindrance) = &examined.hindrance {
        text.push_str(&line(0, "not by you", hindrance));
    }
    for note in &examined.notes {
        text.push_str(&line(0, "note", note));
    }
    text.push_str(&needed(&draft.needs));
    text.push_str(&effect(draft));
    text.push_str(&format!("\n{}\n", print::clean(marking)));
    text
}

fn needed(needs: &[Need]) -> String {
    let mut text = String::new();
    for need in needs {
        let signed = if need.signed.is_empty() {
            "nobody yet".to_owned()
        } else {
            need.signed.join(", ")
        };
        let value = format!(
            "{} x {} (rule {}), signed by {signed}",
            need.officers, need.role, need.rule
        );
        text.push_str(&line(0, "needs", &value));
    }
    text
}

/// What a signature will do.
fn effect(draft: &DraftView) -> String {
    let missing: usize = draft
        .needs
        .iter()
        .map(|need| need.officers.saturating_sub(need.signed.len()))
        .sum();
    let mut domains: Vec<&str> = draft
        .recipients
        .iter()
        .filter_map(|recipient| recipient.rsplit_once('@'))
        .map(|(_, domain)| domain)
        .collect();
    domains.sort_unstable();
    domains.dedup();
    let then = if missing > 1 {
        format!("it then waits for {} more", missing - 1)
    } else {
        format!(
            "the switch judges it again and sends it to {} in {}",
            match draft.recipients.len() {
                1 => "1 recipient".to_owned(),
                count => format!("{count} recipients"),
            },
            domains.join(", ")
        )
    };
    line(
        0,
        "approval",
        &format!("puts your signature on the drafter's; {then}"),
    )
}
