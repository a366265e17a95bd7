//! How a message is judged: on a crypto thread, under a permit, and without waiting for a network.
//!
//! Promises: while revocation data is fetched for a message, neither a permit nor a thread of the
//! reactor is held; what was missing is fetched beside the work, then the message goes down the
//! steps again. When its time is over it is judged by what is there: a status that is not known then
//! is our fault, 451, or what the rule of its link makes of it. Every judgement says for which time
//! it was made and what told the status of each certificate.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Judged, Switch, harvest, permits};
use crate::check::{self, minimize::minimized};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::crypto::revocation::noted::{self, Noted};
use crate::decision::{Fault, Stop};
use crate::message::received::Received;
use crate::open::{self, Opener};
use crate::report;
use crate::review::{self, Review};
use crate::seal;
use crate::store::MinimizeRow;

/// What judging a message came to.
pub(super) struct Judgement {
    /// Pass or hold; or refuse, or a fault of ours.
    pub verdict: Result<Judged, Stop>,
    /// On what it rests.
    pub basis: Basis,
}

impl Judgement {
    /// What was clear before anything was opened.
    pub fn at_once(at: Timestamp, stop: Stop) -> Self {
        let told = Vec::new();
        Self {
            verdict: Err(stop),
            basis: Basis { at, told },
        }
    }
}

/// On what a judgement rests.
pub(super) struct Basis {
    /// The time for which it was made.
    pub at: Timestamp,
    /// What told the status of each certificate.
    pub told: Vec<String>,
}

impl Switch {
    /// Judges on a crypto thread, under a permit by precedence: a flood of ROUTINE delays no FLASH.
    pub(super) async fn judge_aside(&self, config: &Arc<Config>, received: Received) -> Judgement {
        let began = Instant::now();
        if let Err(fault) = self.ask_ahead(config, &received).await {
            return Judgement::at_once(self.now(), fault.into());
        }
        loop {
            let permit = self.permits.take(permits::urgency(config, &received)).await;
            let (judged_under, at) = (Arc::clone(config), self.now());
            let message = received.clone();
            let orders = self.queue.minimize().orders;
            let work = move || noted::noting(|| judge(&judged_under, at, &orders, message));
            let judged = tokio::task::spawn_blocking(work).await;
            drop(permit);
            let (verdict, noted) = judged.unwrap_or_else(|error| {
                let fault = Fault::new("judge the message", error);
                (Err(fault.into()), Noted::default())
            });
            let online = config.revocation.online.as_ref();
            let patience = online.map_or(Duration::ZERO, |online| online.patience());
            let until = began.checked_add(patience).unwrap_or(began);
            match online.filter(|_| !noted.missing.is_empty() && Instant::now() < until) {
                Some(online) => online.bring(&noted.missing, at, until).await,
                None => {
                    let told = noted.told;
                    return Judgement {
                        verdict,
                        basis: Basis { at, told },
                    };
                }
            }
        }
    }

    /// Asks the directory what it will be asked for this message, without a permit: a slow directory
    /// keeps no core from others.
    async fn ask_ahead(&self, config: &Arc<Config>, received: &Received) -> Result<(), Fault> {
        let envelope = received.envelope();
        let ahead = check::Ahead::of(config, &envelope.from, &envelope.recipients);
        if ahead.is_empty() {
            return Ok(());
        }
        let config = Arc::clone(config);
        tokio::task::spawn_blocking(move || ahead.ask(&config))
            .await
            .unwrap_or_else(|error| Err(Fault::new("ask the directory", error)))
    }
}

/// The steps of the line, one after the other. No waiting, but for what the directory was not asked
/// ahead: the domains of recipients without a certificate.
fn judge(
    config: &Config,
    at: Timestamp,
    orders: &[MinimizeRow],
    received: Received,
) -> Result<Judged, Stop> {
    let bytes = Arc::clone(received.bytes());
    let opener = Opener::for_peer(config, at, received.peer());
    let opened = open::open(&opener, received)?;
    let cleared = check::check(config, at, opened)?;
    minimized(orders, at, &cleared)?;
    match review::review(config, at, cleared)? {
        Review::Hold(draft) => Ok(Judged::Held(draft, bytes)),
        Review::Release(released) => {
            let sealed = seal::seal(config, at, &released)?;
            let brought = harvest::brought(config, at, released.cleared());
            let heard = report::heard(released.cleared()).map(Box::new);
            Ok(Judged::Passed(released, sealed, brought, heard))
        }
    }
}
