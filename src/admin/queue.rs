//! `/v1/queue`: what waits, and what an operator does to it.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::{Desk, No, refused};
use crate::message::{EntryId, MessageId};
use crate::queue::{NotACursor, Which};
use crate::store::EntryRow;
use crate::switch::{QueueAct, QueueDone, QueueError};

/// An act on the queue on the wire: exactly one of the first three names what it is for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Order {
    /// One entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// All entries of a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// All entries for a link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<String>,
    /// For `redirect`: the other link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Why.
    pub reason: String,
}

/// The most entries in one answer.
const PAGE: usize = 1000;

/// Which entries are asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Asked {
    /// At most so many; 1000 is the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Only those for this link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<String>,
}

/// A page of the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entries {
    /// The entries, most urgent first.
    pub entries: Vec<Listed>,
    /// What to say as `after` for the next page; null when this is the last. A page may be short, or
    /// empty, and not be the last.
    pub next: Option<String>,
}

/// An entry of a page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// The entry.
    #[serde(flatten)]
    pub row: EntryRow,
    /// The order of MINIMIZE that holds a recipient of it back, if one does.
    #[serde(default)]
    pub minimize: Option<u64>,
}

/// The whole queue in one array, as long as that is short.
pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Vec<EntryRow>>, No> {
    let page = page(desk, Asked::default()).await?;
    match page.next {
        None => Ok(Json(page.entries.into_iter().map(|e| e.row).collect())),
        Some(_) => Err(refused(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-many",
            "552 5.3.4",
            &format!("there are more than {PAGE} entries; ask /v1/queue/entries, page by page"),
        )),
    }
}

pub(super) async fn entries(
    State(desk): State<Desk>,
    Query(asked): Query<Asked>,
) -> Result<Json<Entries>, No> {
    page(desk, asked).await.map(Json)
}

async fn page(desk: Desk, asked: Asked) -> Result<Entries, No> {
    desk.operator()?;
    let cursor = asked.after.map(|after| after.parse()).transpose();
    let after = cursor.map_err(|error: NotACursor| malformed(&error.to_string()))?;
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let switch = std::sync::Arc::clone(&desk.switch);
    let page =
        tokio::task::spawn_blocking(move || switch.queue(after, asked.next_hop.as_deref(), limit));
    let page = page.await;
    let page = page.unwrap_or_else(|e| Err(crate::decision::Fault::new("list the queue", e)))?;
    let (orders, now) = (desk.switch.orders(), desk.switch.time());
    let listed = page.rows.into_iter().map(|row| Listed {
        minimize: orders.against(&row, now).into_iter().flatten().next(),
        row,
    });
    Ok(Entries {
        entries: listed.collect(),
        next: page.next.map(|next| next.to_string()),
    })
}

fn malformed(text: &str) -> No {
    refused(StatusCode::BAD_REQUEST, "malformed", "500 5.5.2", text)
}

pub(super) async fn work(
    State(desk): State<Desk>,
    Path(act): Path<String>,
    Json(order): Json<Order>,
) -> Result<Json<QueueDone>, No> {
    let operator = desk.operator()?;
    let which = match (order.entry, order.message, order.next_hop) {
        (Some(id), None, None) => Which::Entry(id),
        (None, Some(id), None) => Which::Message(id),
        (None, None, Some(name)) => Which::NextHop(name),
        _ => return Err(malformed("name one of entry, message and next-hop")),
    };
    let act = match (act.as_str(), order.to) {
        ("hold", None) => QueueAct::Hold,
        ("redirect", Some(to)) => QueueAct::Redirect(to),
        ("remove", None) => QueueAct::Remove,
        ("resume", None) => QueueAct::Resume,
        ("retry", None) => QueueAct::Retry,
        _ => return Err(malformed("there is no such act, or `to` is not for it")),
    };
    let actor = operator.to_string();
    let done = desk
        .switch
        .work_on_queue(&which, &act, &actor, &order.reason);
    done.await.map(Json).map_err(no)
}

/// What stands against an act.
pub(super) fn no(error: QueueError) -> No {
    match error {
        QueueError::Fault(fault) => fault.into(),
        QueueError::NoLink(name) => refused(
            StatusCode::NOT_FOUND,
            "unknown-link",
            "550 5.1.2",
            &format!("the configuration has no link {name}"),
        ),
        QueueError::NoReason => malformed("give a reason"),
    }
}
