//! `/metrics`, `/healthz` and `/readyz`: how the switch does, for programs on this machine.
//!
//! Plain HTTP on a loopback address, GET only, nothing of a message in it. `/healthz` says that the
//! process answers; `/readyz` says whether it takes messages, and if not, why (503).
//! Promises: to ask costs the line nothing but reads.
//! Standards: Prometheus text format 0.0.4.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::exposition::{Kind, Page};
use super::forward::Forwarding;
use super::tally::Tally;
use crate::message::Precedence;
use crate::queue::{Census, Standing};
use crate::store::LATENCY_BOUNDS;
use crate::switch::Switch;

/// The most connections at one time.
const CONNECTIONS: usize = 16;
/// How long a request may take to arrive.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a connection may last.
const CONNECTION: Duration = Duration::from_secs(30);

/// What is looked at.
#[derive(Clone)]
pub struct Window {
    /// The switch.
    pub switch: Arc<Switch>,
    /// What its events come to.
    pub tally: Tally,
    /// How far each collector has got.
    pub forwarding: Arc<[Forwarding]>,
}

/// Whether the switch takes messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether it does.
    pub ready: bool,
    /// What stands in the way.
    pub why: Vec<String>,
    /// Head-room, from 0 to 100.
    pub head_room: u8,
    /// The least urgent precedence that is taken.
    pub takes: Option<Precedence>,
}

/// Serves the window on `listener` until the task is dropped.
pub async fn serve(window: Window, listener: TcpListener) {
    let routes = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(ready))
        .with_state(window);
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
            http.http1()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST);
            let serving = http.serve_connection(TokioIo::new(socket), service);
            let _ = tokio::time::timeout(CONNECTION, serving).await;
            drop(permit);
        });
    }
}

async fn health() -> &'static str {
    "alive\n"
}

async fn ready(State(window): State<Window>) -> Response {
    let found = readiness(&window.switch);
    let status = match found.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(found)).into_response()
}

async fn metrics(State(window): State<Window>) -> Response {
    let page = tokio::task::spawn_blocking(move || page(&window)).await;
    match page {
        Ok(page) => {
            let form = [(
                header::CONTENT_TYPE,
                "text/plain; version=0.0.4; charset=utf-8",
            )];
            (form, page).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether the switch takes messages, and if not, why.
pub fn readiness(switch: &Switch) -> Readiness {
    let room = switch.head_room();
    let mut why = Vec::new();
    if let Some(closed) = switch.store().closed() {
        why.push(format!("the store is closed: {closed}"));
    }
    if room.least.is_none() {
        why.push("there is no head-room left".to_owned());
    }
    if switch.stop_asked_by().is_some() {
        why.push("the switch stops".to_owned());
    }
    Readiness {
        ready: why.is_empty(),
        why,
        head_room: room.percent,
        takes: room.least,
    }
}

/// The whole page.
fn page(window: &Window) -> String {
    let mut page = Page::default();
    for family in window.tally.families() {
        page.family(family.name, Kind::Counter, family.help);
        for (labels, count) in &family.series {
            let labels: Vec<_> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
            page.series(family.name, &labels, count);
        }
    }
    let switch = &*window.switch;
    room(&mut page, switch);
    queue(&mut page, switch);
    reports(&mut page, switch);
    store(&mut page, switch);
    audit(&mut page, window);
    let name = "ravelin_certificate_expiry_seconds";
    page.family(
        name,
        Kind::Gauge,
        "Seconds until a certificate expires that the switch holds; negative afterwards.",
    );
    for (purpose, serial, left) in switch.expiries() {
        let labels = [("use", &*purpose), ("serial", &*serial)];
        page.series(name, &labels, left.as_secs());
    }
    page.gauge(
        "ravelin_sessions",
        "Sessions that are open.",
        switch.sessions().load(Ordering::Relaxed),
    );
    page.gauge(
        "ravelin_ready",
        "Whether the switch takes messages.",
        u8::from(readiness(switch).ready),
    );
    page.text()
}

fn room(page: &mut Page, switch: &Switch) {
    let room = switch.head_room();
    page.gauge(
        "ravelin_head_room",
        "How much more the switch can take, from 0 to 100.",
        room.percent,
    );
    let name = "ravelin_head_room_measure";
    page.family(
        name,
        Kind::Gauge,
        "The measures that head-room is the least of.",
    );
    for (measure, share) in &room.measures {
        page.series(name, &[("measure", measure)], share);
    }
    let (takes, shed) = ("ravelin_takes", "ravelin_messages_shed_total");
    page.family(
        takes,
        Kind::Gauge,
        "Whether messages of a precedence are taken.",
    );
    for precedence in Precedence::ALL {
        let label = precedence.to_string();
        let taken = u8::from(room.takes(precedence));
        page.series(takes, &[("precedence", &label)], taken);
    }
    page.family(shed, Kind::Counter, "Messages not taken for want of room.");
    for precedence in Precedence::ALL {
        let label = precedence.to_string();
        page.series(shed, &[("precedence", &label)], switch.shed(precedence));
    }
}

fn queue(page: &mut Page, switch: &Switch) {
    let queue = switch.entries();
    page.gauge(
        "ravelin_queue_entries",
        "Entries in the queue.",
        queue.len(),
    );
    page.gauge(
        "ravelin_queue_in_flight",
        "Entries that are being delivered.",
        queue.in_flight(),
    );
    page.gauge(
        "ravelin_minimize_orders",
        "Orders of MINIMIZE that are in force or will be.",
        switch.minimize().len(),
    );
    let Census {
        mut next_hops,
        oldest,
    } = queue.census();
    for name in switch.links() {
        let window = queue.window(&name);
        next_hops.entry(name.into()).or_insert(Standing {
            window,
            ..Standing::default()
        });
    }
    let name = "ravelin_queue_depth";
    page.family(
        name,
        Kind::Gauge,
        "Entries in the queue, by next hop and precedence.",
    );
    for (next_hop, standing) in &next_hops {
        for (precedence, entries) in Precedence::ALL.iter().zip(standing.entries) {
            let precedence = precedence.to_string();
            let labels = [("next_hop", &**next_hop), ("precedence", &*precedence)];
            page.series(name, &labels, entries);
        }
    }
    type Told = fn(&Standing) -> usize;
    let by_hop: [(&str, &str, Told); 4] = [
        (
            "ravelin_queue_held",
            "Entries that an operator holds back.",
            |standing| standing.held,
        ),
        (
            "ravelin_queue_minimized",
            "Entries that MINIMIZE holds back.",
            |standing| standing.minimized,
        ),
        (
            "ravelin_queue_deliveries",
            "Deliveries to a next hop that go on.",
            |standing| standing.in_flight,
        ),
        (
            "ravelin_queue_window",
            "How many deliveries to a next hop may go on at once.",
            |standing| standing.window,
        ),
    ];
    for (name, help, told) in by_hop {
        page.family(name, Kind::Gauge, help);
        for (next_hop, standing) in &next_hops {
            page.series(name, &[("next_hop", next_hop)], told(standing));
        }
    }
    let name = "ravelin_queue_oldest_seconds";
    page.family(
        name,
        Kind::Gauge,
        "Age of the oldest entry of a precedence; 0 when there is none.",
    );
    for (precedence, arrived) in Precedence::ALL.iter().zip(oldest) {
        let age = arrived.map_or(0, |arrived| {
            switch.time().duration_since(arrived).as_secs().max(0)
        });
        page.series(name, &[("precedence", &precedence.to_string())], age);
    }
}

fn reports(page: &mut Page, switch: &Switch) {
    let Ok((rows, missed)) = switch.report_counts() else {
        return;
    };
    page.gauge(
        "ravelin_reports_remembered",
        "Recipients whose reports are awaited or remembered.",
        rows,
    );
    page.gauge(
        "ravelin_reports_awaited",
        "Recipients of whom a report is still missed.",
        missed,
    );
}

fn store(page: &mut Page, switch: &Switch) {
    let store = switch.store();
    page.gauge(
        "ravelin_store_open",
        "Whether the store takes commits; 0 since one failed, until it was opened again.",
        u8::from(store.closed().is_none()),
    );
    page.counter(
        "ravelin_store_failures_total",
        "Commits after which the store was closed.",
        store.failures(),
    );
    if let Ok(aside) = store.quarantined() {
        page.gauge(
            "ravelin_store_set_aside",
            "Values that could not be read and were set aside.",
            aside,
        );
    }
    let counts = store.counts();
    page.counter("ravelin_store_changes_total", "Changes.", counts.changes);
    page.counter(
        "ravelin_store_syncs_total",
        "Groups of changes, one sync each.",
        counts.groups,
    );
    let name = "ravelin_commit_seconds";
    page.family(
        name,
        Kind::Histogram,
        "How long a change waited until it was durable.",
    );
    let latencies = store.latencies();
    let bounds = LATENCY_BOUNDS
        .iter()
        .map(|bound| seconds(Duration::from_millis(*bound)));
    let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
    let mut all = 0;
    for (bound, count) in bounds.zip(latencies.classes) {
        all += count;
        page.series("ravelin_commit_seconds_bucket", &[("le", &bound)], all);
    }
    page.series("ravelin_commit_seconds_sum", &[], seconds(latencies.sum));
    page.series("ravelin_commit_seconds_count", &[], all);
}

fn audit(page: &mut Page, window: &Window) {
    let switch = &*window.switch;
    let records = switch.store().heads().borrow().sequence;
    page.gauge(
        "ravelin_audit_records",
        "Records of the audit chain.",
        records,
    );
    page.gauge(
        "ravelin_audit_unwitnessed",
        "Whether the last checkpoint did not reach its witness.",
        u8::from(switch.is_unwitnessed()),
    );
    let (behind, connected) = (
        "ravelin_audit_forward_behind",
        "ravelin_audit_forward_connected",
    );
    page.family(
        behind,
        Kind::Gauge,
        "Records that a collector was not sent yet.",
    );
    for one in &*window.forwarding {
        page.series(
            behind,
            &[("collector", one.name())],
            records.saturating_sub(one.sent()),
        );
    }
    page.family(
        connected,
        Kind::Gauge,
        "Whether a collector can be reached.",
    );
    for one in &*window.forwarding {
        let connection = u8::from(one.is_connected());
        page.series(connected, &[("collector", one.name())], connection);
    }
}

fn seconds(time: Duration) -> String {
    format!("{}", time.as_secs_f64())
}
