//! `POST /v1/drain`: an operator has the switch stop in order.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::{Desk, No, refused};

/// Why the switch is to stop, on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Why.
    pub reason: String,
}

pub(super) async fn drain(
    State(desk): State<Desk>,
    Json(drain): Json<Drain>,
) -> Result<StatusCode, No> {
    let operator = desk.operator()?;
    if drain.reason.trim().is_empty() {
        let text = "give a reason";
        return Err(refused(
            StatusCode::BAD_REQUEST,
            "malformed",
            "500 5.5.2",
            text,
        ));
    }
    let actor = operator.to_string();
    desk.switch.ask_to_stop(&actor, Some(&drain.reason)).await?;
    Ok(StatusCode::ACCEPTED)
}
