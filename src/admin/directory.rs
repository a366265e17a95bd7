//! `/v1/directory`: certificates that signed mail brought, and what an operator does to them.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::{Desk, No, refused};
use crate::decision::Fault;
use crate::store::CertificateRow;
use crate::switch::{CertificateAct, CertificateError};

/// An act on a certificate on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CertificateOrder {
    /// Which.
    pub id: String,
    /// Why.
    pub reason: String,
}

pub(super) async fn list(State(desk): State<Desk>) -> Result<Json<Vec<CertificateRow>>, No> {
    desk.operator()?;
    let switch = std::sync::Arc::clone(&desk.switch);
    let rows = tokio::task::spawn_blocking(move || switch.certificates()).await;
    let rows = rows.unwrap_or_else(|e| Err(Fault::new("list the certificates", e)));
    Ok(Json(rows?))
}

pub(super) async fn work(
    State(desk): State<Desk>,
    Path(act): Path<String>,
    Json(order): Json<CertificateOrder>,
) -> Result<Json<CertificateRow>, No> {
    let operator = desk.operator()?.to_string();
    let malformed = |text: &str| refused(StatusCode::BAD_REQUEST, "malformed", "500 5.5.2", text);
    let act = match act.as_str() {
        "accept" => CertificateAct::Accept,
        "remove" => CertificateAct::Remove,
        _ => return Err(malformed("there is no such act")),
    };
    let done = desk
        .switch
        .work_on_certificate(act, &order.id, &operator, &order.reason)
        .await;
    done.map(Json).map_err(|error| match error {
        CertificateError::Fault(fault) => fault.into(),
        CertificateError::NoReason => malformed("give a reason"),
        CertificateError::Unknown => refused(
            StatusCode::NOT_FOUND,
            "unknown-certificate",
            "550 5.1.2",
            "no certificate that mail brought has this identifier",
        ),
    })
}
