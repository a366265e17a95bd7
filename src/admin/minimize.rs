//! `/v1/minimize`: the orders of MINIMIZE, for operators.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::{Desk, No, refused};
use super::queue::no as queue_no;
use crate::queue::MinimizeError;
use crate::store::MinimizeRow;
use crate::switch::{MinimizeOrder, MinimizeRefused};

/// Why an order is lifted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    /// Why.
    pub reason: String,
}

pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Vec<MinimizeRow>>, No> {
    desk.operator()?;
    Ok(Json(desk.switch.minimize()))
}

pub(super) async fn impose(
    State(desk): State<Desk>,
    Json(order): Json<MinimizeOrder>,
) -> Result<Json<MinimizeRow>, No> {
    let operator = desk.operator()?.to_string();
    let imposed = desk.switch.impose_minimize(order, &operator).await;
    imposed.map(Json).map_err(no)
}

pub(super) async fn lift(
    State(desk): State<Desk>,
    Path(number): Path<u64>,
    Json(lift): Json<Lift>,
) -> Result<Json<MinimizeRow>, No> {
    let operator = desk.operator()?.to_string();
    let lifted = desk.switch.lift_minimize(number, &operator, &lift.reason);
    lifted.await.map(Json).map_err(no)
}

fn no(error: MinimizeRefused) -> No {
    let error = match error {
        MinimizeRefused::Queue(error) => return queue_no(error),
        MinimizeRefused::Order(error) => error,
    };
    let text = error.to_string();
    match error {
        MinimizeError::Fault(fault) => {
            crate::decision::Fault::new("keep an order of MINIMIZE", fault).into()
        }
        MinimizeError::Precedence | MinimizeError::Subject(_) | MinimizeError::Time => {
            refused(StatusCode::BAD_REQUEST, "malformed", "500 5.5.2", &text)
        }
        MinimizeError::Unknown(_) => {
            refused(StatusCode::NOT_FOUND, "unknown-order", "550 5.1.1", &text)
        }
    }
}
