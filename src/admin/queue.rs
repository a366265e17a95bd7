//! `/v1/queue`: what waits, and what an operator does to it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::{Desk, No, refused};
use crate::message::{EntryId, MessageId};
use crate::queue::Which;
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

pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Vec<EntryRow>>, No> {
    desk.operator()?;
    let switch = std::sync::Arc::clone(&desk.switch);
    let rows = tokio::task::spawn_blocking(move || switch.queue()).await;
    let rows = rows.unwrap_or_else(|e| Err(crate::decision::Fault::new("list the queue", e)));
    Ok(Json(rows?))
}

pub(super) async fn work(
    State(desk): State<Desk>,
    Path(act): Path<String>,
    Json(order): Json<Order>,
) -> Result<Json<QueueDone>, No> {
    let operator = desk.operator()?;
    let malformed = |text: &str| refused(StatusCode::BAD_REQUEST, "malformed", "500 5.5.2", text);
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
    done.await.map(Json).map_err(|error| match error {
        QueueError::Fault(fault) => fault.into(),
        QueueError::NoLink(name) => refused(
            StatusCode::NOT_FOUND,
            "unknown-link",
            "550 5.1.2",
            &format!("the configuration has no link {name}"),
        ),
        QueueError::NoReason => malformed("give a reason"),
    })
}
