//! STEP 7 of the line: SMTP or LMTP out; one outcome for each recipient.
//!
//! Duty: claims what is due, most urgent first, speaks to the next hop, and hands the outcomes to
//! the [`Outbox`]. Owns the sockets; `smtp::dialogue` owns the dialogue.
//! Promises: no link's trouble slows another (the queue keeps a window for each next hop, and slots
//! back for IMMEDIATE and above); a link that needs TLS never gets a message in clear; a next hop
//! is who its certificate says, under the link's own anchors and revocation lists; what was judged
//! under other rules than those in force is judged again before it goes; while the switch stops,
//! IMMEDIATE and above still leaves.

mod connection;
mod drain;
mod hops;
#[cfg(feature = "internet")]
mod internet;
mod marking;
mod permission;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Dscp, InForce, Link, LinkProtocol, TlsNeed};
use crate::crypto::keys::Identity;
use crate::crypto::trust::TrustStore;
use crate::decision::{Fault, Refusal, Stop};
use crate::message::address::Address;
use crate::queue::{Chosen, Claimed, NextHops, Outcome, Over, Queue};
use crate::smtp::Reply;
use crate::smtp::dialogue::{self, Cause, Onward, Transaction};
use crate::store::{EntryRow, ReplyRow};
use connection::{Connection, Conversed};
pub use drain::{Drain, Drained, Draining};
use hops::{Finder, NoHop};
pub use permission::again as judge_again;
use pool::Pool;

/// So many entries are given up or alarmed about at once: a long list of them holds up no delivery.
const ENDS: usize = 8;
/// How long to wait when the store does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// What keeps outcomes: queue state, reports and events, in one commit.
pub trait Outbox: Send + Sync + 'static {
    /// Keeps the outcomes of one attempt: one for each recipient, in the order of the row. `onward`
    /// says who reports, of those that were delivered.
    fn attempted(
        &self,
        claimed: Claimed,
        outcomes: Vec<Outcome>,
        onward: Onward,
    ) -> impl Future<Output = ()> + Send;

    /// Gives up an entry that may not go any more, by the rules that are in force now.
    fn forbidden(&self, claimed: Claimed, refusal: Refusal) -> impl Future<Output = ()> + Send;

    /// Gives up an entry whose life is over.
    fn expired(&self, claimed: Claimed) -> impl Future<Output = ()> + Send;

    /// Alarms about an entry that should have been delivered by now; it stays.
    fn overdue(&self, claimed: Claimed) -> impl Future<Output = ()> + Send;
}

/// Where and how a next hop is spoken to.
#[derive(Clone, Copy)]
pub struct NextHop<'a> {
    /// Host and port.
    pub address: &'a str,
    /// SMTP or LMTP.
    pub protocol: LinkProtocol,
    /// Whether it must be encrypted.
    pub tls: TlsNeed,
    /// The DNS name in its certificate.
    pub peer: Option<&'a str>,
    /// Who vouches for it.
    pub trust: &'a TrustStore,
    /// The longest line that it keeps whole, in octets without its end.
    pub longest_line: usize,
}

impl<'a> From<&'a Link> for NextHop<'a> {
    fn from(link: &'a Link) -> Self {
        Self {
            address: &link.address,
            protocol: link.protocol,
            tls: link.tls,
            peer: link.peer.as_deref(),
            trust: &link.trust,
            longest_line: link.longest_line,
        }
    }
}

/// Hands one message to a next hop, as people's programs do: nothing is queued.
///
/// # Errors
/// When the next hop cannot be reached, or is not who it should be.
pub async fn submit(
    next_hop: NextHop<'_>,
    identity: &Identity,
    name: &str,
    at: Timestamp,
    transaction: Transaction,
) -> std::io::Result<Vec<(Address, dialogue::Outcome)>> {
    let marked = (transaction, Dscp::default());
    let conversed = Connection::open((&next_hop, None), identity, name, at, marked).await?;
    let outcomes = conversed.outcomes;
    if let Some(open) = conversed.open {
        open.quit().await;
    }
    Ok(outcomes)
}

/// Delivers what the queue holds until it is told to stop, or the task is dropped. What is being
/// delivered then may be finished; what is urgent is begun as long as more of it may come.
pub async fn serve<O: Outbox>(
    in_force: InForce,
    clock: Clock,
    queue: Queue,
    outbox: Arc<O>,
    draining: Draining,
) {
    let reach = Arc::new(Reach {
        pool: Arc::default(),
        finder: Finder::new(clock.clone()),
    });
    let ends = Arc::new(Semaphore::new(ENDS));
    let begin = |chosen: Chosen| {
        let (in_force, queue) = (in_force.clone(), queue.clone());
        let (reach, outbox) = (Arc::clone(&reach), Arc::clone(&outbox));
        let at_work = draining.clone();
        tokio::spawn(async move {
            let _at_work = at_work;
            if let Some(claimed) = read(&queue, chosen).await {
                attempt(in_force.snapshot(), queue, reach, outbox, claimed).await;
            }
        });
    };
    while !draining.has_begun() {
        let now = clock.now();
        // One dispatcher: whatever wakes it, it looks at everything that is due. It only chooses;
        // whoever delivers reads from the disk, so that a large entry holds up no urgent one.
        let over = match Arc::clone(&ends).try_acquire_owned() {
            Ok(permit) => queue
                .choose_over(now)
                .map(|over| over.map(|over| (over, permit))),
            Err(_) => Ok(None),
        };
        match (over, queue.choose(now, NextHops::Any)) {
            (Ok(None), Ok(None)) => {
                tokio::select! {
                    () = queue.wait(now) => {}
                    () = draining.begun() => {}
                }
            }
            (Ok(over), Ok(due)) => {
                if let Some(((chosen, over), permit)) = over {
                    let (queue, outbox) = (queue.clone(), Arc::clone(&outbox));
                    let at_work = draining.clone();
                    tokio::spawn(async move {
                        let _at_work = at_work;
                        if let Some(claimed) = read(&queue, chosen).await {
                            match over {
                                Over::Expired => outbox.expired(claimed).await,
                                Over::Overdue => outbox.overdue(claimed).await,
                            }
                        }
                        drop(permit);
                        queue.wake();
                    });
                }
                // Looked at after the choice: what came since then may only be what is urgent.
                if let Some(chosen) = due.filter(|_| !draining.has_begun()) {
                    begin(chosen);
                }
            }
            (Err(fault), _) | (_, Err(fault)) => {
                tracing::error!(%fault, "the queue cannot be read");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    while let Ok(due) = queue.choose_urgent(clock.now()) {
        match due {
            Some(chosen) => begin(chosen),
            // What goes on makes room for what is urgent and has to wait for it.
            None if draining.is_last() && queue.in_flight() == 0 => return,
            None if draining.is_last() => queue.wait(clock.now()).await,
            None => tokio::select! {
                () = queue.wait(clock.now()) => {}
                () = draining.last() => {}
            },
        }
    }
}

/// Reads an entry on a thread that may wait, unless it is at hand. One that cannot be read now goes
/// back after a pause.
async fn read(queue: &Queue, chosen: Chosen) -> Option<Claimed> {
    let chosen = match queue.at_hand(chosen) {
        Ok(claimed) => return Some(claimed),
        Err(chosen) => chosen,
    };
    let reader = queue.clone();
    let read = tokio::task::spawn_blocking(move || reader.read(chosen)).await;
    match read {
        Ok(Ok(claimed)) => claimed,
        Ok(Err(unread)) => {
            tracing::error!(fault = %unread.fault, "an entry cannot be read");
            tokio::time::sleep(PAUSE).await;
            None
        }
        Err(error) => {
            tracing::error!(%error, "an entry was not read");
            None
        }
    }
}

/// How next hops are reached: where they are, and connections that are open already.
struct Reach {
    pool: Arc<Pool>,
    finder: Finder,
}

/// What a next hop made of a message.
struct Said {
    outcomes: Vec<(Address, dialogue::Outcome)>,
    onward: Onward,
    /// Its name.
    by: String,
}

impl Said {
    /// Keeps the connection for the next message.
    fn of(conversed: Conversed, pool: &Arc<Pool>, config: &Arc<Config>, link: &Link) -> Self {
        pool.keep(config, &link.name, conversed.open);
        Self {
            outcomes: conversed.outcomes,
            onward: conversed.onward,
            by: conversed.by,
        }
    }
}

/// One attempt at one entry.
async fn attempt<O: Outbox>(
    config: Arc<Config>,
    queue: Queue,
    reach: Arc<Reach>,
    outbox: Arc<O>,
    claimed: Claimed,
) {
    let (row, clock) = (claimed.row(), reach.finder.clock());
    let permitted = permitted(&config, clock.now(), row).await;
    if let Err(Stop::Refuse(refusal)) = permitted {
        outbox.forbidden(claimed, *refusal).await;
        return;
    }
    let minimize = queue.minimize();
    let against = minimize.against(row, clock.now());
    if against.iter().all(Option::is_some) && !against.is_empty() {
        queue.park(claimed, &minimize);
        return;
    }
    let link = config.links.iter().find(|link| link.name == row.next_hop);
    let transaction = transaction(&claimed, &against, clock.now());
    let said = match (permitted, link, transaction) {
        // Nobody can tell now whether it may go: it waits.
        (Err(stop), _, _) => Err(deferred(stop.to_string())),
        (Ok(()), Some(link), Ok(transaction)) => converse(&config, link, &reach, transaction).await,
        (Ok(()), None, _) => {
            let text = "the configuration has no link of this name any more";
            Err(deferred(text.to_owned()))
        }
        (Ok(()), _, Err(text)) => Err(deferred(text)),
    };
    let recipients = row.recipients.iter().zip(&against);
    let outcomes = recipients
        .map(|(recipient, against)| match (&said, against) {
            (_, Some(_)) => Outcome::HeldBack,
            (Err(outcome), None) => outcome.clone(),
            (Ok(said), None) => said
                .outcomes
                .iter()
                .find(|(address, _)| address.to_string() == recipient.address)
                .map_or_else(
                    || deferred("the next hop did not answer for this recipient".to_owned()),
                    |(_, outcome)| told(&said.by, outcome),
                ),
        })
        .collect();
    let onward = said.as_ref().map_or(Onward::Silent, |said| said.onward);
    outbox.attempted(claimed, outcomes, onward).await;
}

/// Whether the entry may still go. A directory may be asked: on a thread that may wait.
async fn permitted(config: &Arc<Config>, at: Timestamp, row: &EntryRow) -> Result<(), Stop> {
    if row.judged_under == config.judged_under() {
        return Ok(());
    }
    let (config, row) = (Arc::clone(config), row.clone());
    tokio::task::spawn_blocking(move || permission::again(&config, at, &row))
        .await
        .unwrap_or_else(|error| Err(Fault::new("judge an entry again", error).into()))
}

/// The entry as the dialogue wants it, for those of its recipients whom no order holds back.
fn transaction(
    claimed: &Claimed,
    against: &[Option<u64>],
    at: Timestamp,
) -> Result<Transaction, String> {
    let row = claimed.row();
    let free = row.recipients.iter().zip(against);
    Ok(Transaction {
        from: row.reverse_path().map_err(|error| error.to_string())?,
        recipients: free
            .filter(|(_, order)| order.is_none())
            .map(|(recipient, _)| recipient.mailbox())
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?,
        bytes: claimed.shared_body(),
        precedence: row.precedence,
        terms: row.terms.clone(),
        at,
    })
}

/// Speaks over a kept connection if there is one; if that turns out to be gone, over a new one.
///
/// # Errors
/// What becomes of every recipient when no next hop was spoken to.
async fn converse(
    config: &Arc<Config>,
    link: &Arc<Link>,
    reach: &Reach,
    transaction: Transaction,
) -> Result<Said, Outcome> {
    let (pool, finder) = (&reach.pool, &reach.finder);
    let dscp = config.dscp(transaction.precedence);
    if let Some(kept) = pool.take(config, &link.name)
        && let Some(conversed) = kept.again(transaction.clone(), dscp).await
    {
        let conversed = conversed.with_the_rest(&transaction, dscp).await;
        return Ok(Said::of(conversed, pool, config, link));
    }
    let mut unreached = Unreached::default();
    for address in std::iter::once(&link.address).chain(&link.alternatives) {
        let hops = match finder.hops(config, link, address).await {
            Ok(hops) => hops,
            Err(NoHop::Never(reply)) => {
                unreached.never = Some(reply);
                continue;
            }
            Err(NoHop::NotNow(status, text)) => {
                unreached.add(status, text);
                continue;
            }
        };
        for hop in &hops {
            let next_hop = NextHop {
                address: &hop.address,
                ..NextHop::from(&**link)
            };
            let (identity, name) = (&config.keys.tls, &config.name);
            let marked = (transaction.clone(), dscp);
            let now = finder.clock().now();
            let who = hop.expected.as_deref();
            match Connection::open((&next_hop, who), identity, name, now, marked).await {
                Ok(conversed) => {
                    let conversed = conversed.with_the_rest(&transaction, dscp).await;
                    return Ok(Said::of(conversed.with(&hop.name), pool, config, link));
                }
                // RFC 3463 §3.5: X.4.1, no answer from host
                Err(error) => unreached.add("4.4.1", format!("{}: {error}", hop.name)),
            }
        }
    }
    Err(unreached.outcome())
}

/// Why no next hop was spoken to: the words of each, the status of the last.
#[derive(Default)]
struct Unreached {
    status: &'static str,
    why: Vec<String>,
    /// What one of them said for good.
    never: Option<Reply>,
}

impl Unreached {
    fn add(&mut self, status: &'static str, why: String) {
        self.status = status;
        self.why.push(why);
    }

    /// It is over only when nobody can be asked again.
    fn outcome(self) -> Outcome {
        match (self.why.is_empty(), self.never) {
            (true, Some(reply)) => told("switch", &dialogue::Outcome::Failed(Cause::Local(reply))),
            (_, _) => put_off(self.status, self.why.join("; ")),
        }
    }
}

/// A dialogue's outcome in the words of the queue.
fn told(by: &str, outcome: &dialogue::Outcome) -> Outcome {
    let reply = outcome.reply();
    let (class, subject, detail) = reply.status();
    // RFC 3464 §2.3.4: what was put off is no failure, whatever the server calls it
    let class = match outcome {
        dialogue::Outcome::Deferred(_) => 4,
        dialogue::Outcome::Delivered(_) => class,
        dialogue::Outcome::Failed(_) => 5,
    };
    let row = ReplyRow {
        by: by.to_owned(),
        code: Some(reply.code),
        enhanced: format!("{class}.{subject}.{detail}"),
        text: reply.text(),
    };
    match outcome {
        dialogue::Outcome::Deferred(_) => Outcome::Deferred(row),
        dialogue::Outcome::Delivered(_) => Outcome::Delivered(row),
        dialogue::Outcome::Failed(_) => Outcome::Failed(row),
    }
}

/// The next hop could not be asked.
fn deferred(text: String) -> Outcome {
    put_off("4.4.1", text)
}

/// Nothing was said to a next hop, with this status.
fn put_off(status: &str, text: String) -> Outcome {
    Outcome::Deferred(ReplyRow {
        by: "switch".into(),
        code: None,
        enhanced: status.into(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_what_became_of_the_message() {
        let refused = || Cause::Peer(Reply::new(502, (5, 5, 1), "what"));
        let status = |outcome| match told("them", &outcome) {
            Outcome::Deferred(row) | Outcome::Failed(row) => row.enhanced,
            other => panic!("{other:?}"),
        };
        // STARTTLS refused for good says nothing of the message.
        assert_eq!(status(dialogue::Outcome::Deferred(refused())), "4.5.1");
        assert_eq!(status(dialogue::Outcome::Failed(refused())), "5.5.1");
    }
}
