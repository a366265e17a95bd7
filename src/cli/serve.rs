//! `ravelin serve`: one switch, from its configuration to its running tasks, and to its end.
//!
//! Promises: it stops in order: nothing new is accepted, who is sending may finish, deliveries in hand
//! end or go back into the queue, what is urgent still leaves, the stop is recorded and the audit chain
//! signed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::accept;
use crate::admin;
use crate::admin::forward::Forwarder;
use crate::admin::metrics::Window;
use crate::admin::tally::Tally;
use crate::audit::{Act, Event};
use crate::clock::Clock;
use crate::config::{Config, InForce};
use crate::decision::Fault;
use crate::deliver::{self, Drain, Drained};
use crate::message::Precedence;
use crate::queue::{self, Limits, Pace, Queue, Schedule};
use crate::store::{Change, Store};
use crate::switch::{Readings, Switch, Telling};

/// How often drafts and orders are looked at whose time is over.
const DRAFTS: Duration = Duration::from_secs(30);
/// How often the machine is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How a switch is started beside its configuration.
#[derive(Default)]
pub struct Start<'a> {
    /// Label policies that may be older than those that were in force.
    pub accept_older: &'a [String],
    /// Whether the audit chain may contradict its witness.
    pub accept_rollback: bool,
    /// An open store in place of the one that the configuration names.
    pub store: Option<Store>,
    /// What the machine says, in place of the machine.
    pub readings: Option<Box<dyn Fn() -> Readings + Send + Sync>>,
}

/// How often certificates are looked at that come to an end.
const CERTIFICATES: Duration = Duration::from_secs(3600);

/// A switch that runs. Dropped, its tasks end; what was acknowledged is in the store.
pub struct Running {
    /// Where each listener really listens, in the order of the configuration.
    pub listeners: Vec<SocketAddr>,
    /// Where the desk listens.
    pub admin: Option<SocketAddr>,
    /// Where metrics, health and readiness are to be had.
    pub metrics: Option<SocketAddr>,
    /// What it keeps.
    pub store: Store,
    /// What waits for delivery.
    pub queue: Queue,
    /// The switch itself.
    pub switch: Arc<Switch>,
    /// How long sessions and deliveries may go on when it stops.
    pub patience: Duration,
    clock: Clock,
    /// Of sessions.
    drain: Drain,
    /// Of deliveries: they end after the sessions, which may bring something urgent until then.
    deliveries: Drain,
    tasks: JoinSet<()>,
}

/// Opens the store and starts every task of a switch.
///
/// # Errors
/// When the store cannot be opened, a label policy is older than the one that was in force, the audit
/// chain contradicts its witness, an address is taken, or TLS cannot be set up.
pub async fn start(config: Config, clock: Clock) -> Result<Running, Fault> {
    start_as(config, clock, Start::default()).await
}

/// As [`start`]; label policies that `accept_older` names may be older than those that were in force.
///
/// # Errors
/// As [`start`].
pub async fn start_accepting(
    config: Config,
    clock: Clock,
    accept_older: &[String],
) -> Result<Running, Fault> {
    let how = Start {
        accept_older,
        ..Start::default()
    };
    start_as(config, clock, how).await
}

/// As [`start`], in the way that `how` says.
///
/// # Errors
/// As [`start`].
pub async fn start_as(config: Config, clock: Clock, how: Start<'_>) -> Result<Running, Fault> {
    let in_force = InForce::new(config);
    let config = in_force.snapshot();
    let store = match how.store {
        Some(store) => store,
        None => Store::open(config.store_settings(), clock.clone())
            .map_err(|error| Fault::new("open the store", error))?,
    };
    store.set_groups(config.capacity.groups);
    let deliveries = config.capacity.deliveries;
    let limits = Limits {
        slots: deliveries.slots,
        kept_back: deliveries.reserved,
        window: deliveries.window,
        widest: deliveries.widest,
    };
    let queue = Queue::open(store.clone(), schedule(&config), limits, clock.clone())
        .map_err(|error| Fault::new("read the queue", error))?;
    let switch = Arc::new(Switch::new(
        in_force.clone(),
        clock.clone(),
        store.clone(),
        queue.clone(),
    ));
    let tally = Tally::of(&store);
    switch.hold_against_witness(how.accept_rollback).await?;
    switch.begin(how.accept_older).await?;
    // Read before the first message needs it.
    switch.report_counts()?;
    let (drain, deliveries) = (Drain::new(), Drain::new());
    let mut tasks = JoinSet::new();
    let mut forwarding = Vec::new();
    for to in &config.operation.forwards {
        let (to, in_force) = (to.clone(), in_force.clone());
        let forwarder = Forwarder::new(to, in_force, clock.clone(), store.clone());
        forwarding.push(forwarder.forwarding());
        tasks.spawn(forwarder.run());
    }
    let mut listeners = Vec::new();
    for listener in &config.listeners {
        let socket = bind(listener.address).await?;
        listeners.push(local(&socket)?);
        let serving = accept::serve(
            in_force.clone(),
            clock.clone(),
            Arc::clone(&switch),
            listener.clone(),
            socket,
            drain.worker(),
        );
        tasks.spawn(told("accept", serving));
    }
    let mut desk = None;
    if let Some(address) = config.admin {
        let socket = bind(address).await?;
        desk = Some(local(&socket)?);
        let serving = admin::serve(in_force.clone(), clock.clone(), Arc::clone(&switch), socket);
        tasks.spawn(told("admin", serving));
    }
    tasks.spawn(deliver::serve(
        in_force,
        clock.clone(),
        queue.clone(),
        Arc::clone(&switch),
        deliveries.worker(),
    ));
    tasks.spawn(expire_drafts(Arc::clone(&switch)));
    let metrics = match config.operation.metrics {
        None => None,
        Some(address) => {
            let socket = bind(address).await?;
            let metrics = local(&socket)?;
            let window = Window {
                switch: Arc::clone(&switch),
                tally,
                forwarding: forwarding.into(),
            };
            tasks.spawn(admin::metrics::serve(window, socket));
            Some(metrics)
        }
    };
    tasks.spawn(Arc::clone(&switch).keep_revocation_new());
    tasks.spawn(Arc::clone(&switch).keep_checkpoints());
    tasks.spawn(look(Arc::clone(&switch), how.readings));
    tasks.spawn(watch_certificates(Arc::clone(&switch)));
    Ok(Running {
        listeners,
        admin: desk,
        metrics,
        store,
        queue,
        switch,
        clock,
        drain,
        deliveries,
        patience: config.operation.drain,
        tasks,
    })
}

impl Running {
    /// Accepts nothing new, lets who is sending finish, delivers what is urgent, ends the tasks, records the stop and signs the
    /// chain. Deliveries that do not end in time go back into the queue.
    pub async fn stop(mut self) {
        if let Err(fault) = self.switch.ask_to_stop("signal", None).await {
            tracing::error!(fault = %fault.chain(), "the stop could not be recorded");
        }
        let begun = Instant::now();
        self.deliveries.begin();
        let sessions = self.drain.stop(self.patience).await;
        let left = self.patience.saturating_sub(begun.elapsed());
        let deliveries = self.deliveries.stop(left).await;
        if sessions == Drained::Cut || deliveries == Drained::Cut {
            tracing::warn!("sessions or deliveries were cut off: they did not end in time");
        }
        self.tasks.shutdown().await;
        if let Err(fault) = self.switch.tell_of_shed(Telling::AtStop).await {
            tracing::error!(fault = %fault.chain(), "what was shed could not be recorded");
        }
        if let Err(fault) = record(&self.store, &self.clock, Act::Stopped, "switch").await {
            tracing::error!(fault = %fault.chain(), "the stop could not be recorded");
        }
        if let Err(fault) = self.switch.checkpoint().await {
            tracing::error!(fault = %fault.chain(), "the audit chain could not be signed");
        }
    }
}

async fn expire_drafts(switch: Arc<Switch>) {
    loop {
        tokio::time::sleep(DRAFTS).await;
        if let Err(error) = switch.expire_drafts().await {
            tracing::error!(?error, "drafts could not be looked through");
        }
        if let Err(fault) = switch.alarm_of_drafts().await {
            tracing::error!(fault = %fault.chain(), "drafts that are late could not be told of");
        }
        if let Err(fault) = switch.tell_of_missing_reports().await {
            tracing::error!(fault = %fault.chain(), "missing reports could not be told of");
        }
        if let Err(fault) = switch.forget_reports().await {
            tracing::error!(fault = %fault.chain(), "reports could not be forgotten");
        }
        if let Err(fault) = switch.end_minimize().await {
            tracing::error!(fault = %fault.chain(), "orders that are over could not be forgotten");
        }
    }
}

/// Looks at the machine, or at what stands in its place.
async fn look(switch: Arc<Switch>, readings: Option<Box<dyn Fn() -> Readings + Send + Sync>>) {
    let readings = readings.map(Arc::from);
    loop {
        let (reader, given) = (Arc::clone(&switch), readings.clone());
        let read: Result<Readings, _> = tokio::task::spawn_blocking(move || {
            let given: Option<Arc<dyn Fn() -> Readings + Send + Sync>> = given;
            given.map_or_else(|| reader.readings(), |given| given())
        })
        .await;
        match read {
            Ok(readings) => switch.measured(&readings).await,
            Err(error) => tracing::error!(%error, "head-room could not be measured"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn watch_certificates(switch: Arc<Switch>) {
    loop {
        if let Err(fault) = switch.tell_of_expiry().await {
            tracing::error!(fault = %fault.chain(), "expiring certificates could not be told of");
        }
        tokio::time::sleep(CERTIFICATES).await;
    }
}

async fn record(store: &Store, clock: &Clock, act: Act, actor: &str) -> Result<(), Fault> {
    let mut change = Change::new();
    change.record(Event::new(clock.now(), act, actor));
    store
        .commit(change)
        .await
        .map(drop)
        .map_err(|error| Fault::new("write the audit chain", error))
}

fn schedule(config: &Config) -> queue::Schedule {
    let mut schedule = Schedule::default();
    for precedence in Precedence::ALL {
        let pace = *schedule.pace(precedence);
        let set = |times: &BTreeMap<Precedence, Duration>| times.get(&precedence).copied();
        schedule.set(
            precedence,
            Pace {
                life: set(&config.queue_life).unwrap_or(pace.life),
                first_retry: set(&config.queue_retry).unwrap_or(pace.first_retry),
                notice: set(&config.queue_notice).or(pace.notice),
                overdue: set(&config.queue_overdue).or(pace.overdue),
                ..pace
            },
        );
    }
    schedule
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Fault> {
    TcpListener::bind(address)
        .await
        .map_err(|error| Fault::new(format!("listen on {address}"), error))
}

fn local(socket: &TcpListener) -> Result<SocketAddr, Fault> {
    socket
        .local_addr()
        .map_err(|error| Fault::new("learn an own address", error))
}

async fn told(what: &'static str, serving: impl Future<Output = Result<(), crate::tls::TlsError>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, "{what} could not start");
    }
}
