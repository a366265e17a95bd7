//! `ravelin serve`: one switch, from its configuration to its running tasks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::accept;
use crate::admin;
use crate::audit::{Act, Event};
use crate::clock::Clock;
use crate::config::{Config, InForce};
use crate::decision::Fault;
use crate::deliver;
use crate::queue::{self, Limits, Pace, Queue, Schedule};
use crate::store::{Change, Store};
use crate::switch::Switch;

/// How often drafts are looked at whose time is over.
const DRAFTS: Duration = Duration::from_secs(30);

/// A switch that runs. Dropped, its tasks end; what was acknowledged is in the store.
pub struct Running {
    /// Where each listener really listens, in the order of the configuration.
    pub listeners: Vec<SocketAddr>,
    /// Where the desk listens.
    pub admin: Option<SocketAddr>,
    /// What it keeps.
    pub store: Store,
    /// What waits for delivery.
    pub queue: Queue,
    /// The switch itself.
    pub switch: Arc<Switch>,
    clock: Clock,
    tasks: JoinSet<()>,
}

/// Opens the store and starts every task of a switch.
///
/// # Errors
/// When the store cannot be opened, a label policy is older than the one that was in force, an address
/// is taken, or TLS cannot be set up.
pub async fn start(config: Config, clock: Clock) -> Result<Running, Fault> {
    start_accepting(config, clock, &[]).await
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
    let in_force = InForce::new(config);
    let config = in_force.snapshot();
    let store = Store::open(config.store_settings(), clock.clone())
        .map_err(|error| Fault::new("open the store", error))?;
    let queue = Queue::open(
        store.clone(),
        schedule(&config),
        Limits::default(),
        clock.clone(),
    )
    .map_err(|error| Fault::new("read the queue", error))?;
    let switch = Arc::new(Switch::new(
        in_force.clone(),
        clock.clone(),
        store.clone(),
        queue.clone(),
    ));
    switch.begin(accept_older).await?;
    let mut tasks = JoinSet::new();
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
    ));
    tasks.spawn(expire_drafts(Arc::clone(&switch)));
    tasks.spawn(Arc::clone(&switch).keep_revocation_new());
    Ok(Running {
        listeners,
        admin: desk,
        store,
        queue,
        switch,
        clock,
        tasks,
    })
}

impl Running {
    /// Ends the tasks and records the stop. Deliveries in hand go back into the queue.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        if let Err(fault) = record(&self.store, &self.clock, Act::Stopped, "switch").await {
            tracing::error!(fault = %fault.chain(), "the stop could not be recorded");
        }
    }
}

async fn expire_drafts(switch: Arc<Switch>) {
    loop {
        tokio::time::sleep(DRAFTS).await;
        if let Err(error) = switch.expire_drafts().await {
            tracing::error!(?error, "drafts could not be looked through");
        }
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
    for (precedence, life) in &config.queue_life {
        let pace = *schedule.pace(*precedence);
        schedule.set(
            *precedence,
            Pace {
                life: *life,
                ..pace
            },
        );
    }
    for (precedence, first_retry) in &config.queue_retry {
        let pace = *schedule.pace(*precedence);
        schedule.set(
            *precedence,
            Pace {
                first_retry: *first_retry,
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
