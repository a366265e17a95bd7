//! The routes of the desk, and their JSON.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Caller;
use crate::decision::{Fault, Refusal};
use crate::message::DraftId;
use crate::message::address::Address;
use crate::review::{Need, Release};
use crate::switch::{DeskError, DraftView, Switch};

/// The largest request: a signature with its certificates.
const REQUEST: usize = 256 * 1024;
/// The role of a `[[subject]]` that may work on the switch itself.
const OPERATOR: &str = "operator";

/// A releasing signature on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Approval {
    /// Which of the drafter's signatures it signs, counted from 0.
    pub signer: usize,
    /// The countersigner's SignerInfo: base64 of DER.
    pub signature: String,
    /// The certificates that it needs: base64 of DER.
    pub certificates: Vec<String>,
}

/// The answer to an approval.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Approved {
    /// `released`, or `waiting` for more signatures.
    pub state: String,
    /// What is still needed.
    pub needs: Vec<Need>,
}

/// A return, or a withdrawal, on the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Return {
    /// Why.
    pub reason: String,
}

/// What stands in an answer that is not a yes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The stable id of the reason, or `fault`, `unknown-draft`, `malformed`.
    pub id: String,
    /// The reply as SMTP would say it, such as `550 5.7.1`.
    pub reply: String,
    /// The public sentence.
    pub text: String,
}

/// An answer that is not a yes.
pub(super) struct No(Box<Response>);

impl From<Fault> for No {
    fn from(fault: Fault) -> Self {
        no(DeskError::Fault(fault))
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        *self.0
    }
}

#[derive(Clone)]
pub(super) struct Desk {
    pub(super) switch: Arc<Switch>,
    caller: Caller,
}

impl Desk {
    pub(super) fn officer(&self) -> Result<&Address, No> {
        self.caller.0.as_ref().ok_or_else(|| {
            refused(
                StatusCode::UNAUTHORIZED,
                "peer.unknown",
                "550 5.7.1",
                "show the certificate of a subject of this switch",
            )
        })
    }

    /// Whoever calls, if they hold the role of an operator.
    pub(super) fn operator(&self) -> Result<&Address, No> {
        let operator = self.officer()?;
        if self.switch.holds(operator, OPERATOR) {
            return Ok(operator);
        }
        Err(refused(
            StatusCode::FORBIDDEN,
            "role.missing",
            "550 5.7.1",
            "this takes the role operator",
        ))
    }
}

pub(super) fn routes(switch: Arc<Switch>, caller: Caller) -> Router {
    Router::new()
        .route("/v1/drafts", get(drafts))
        .route("/v1/drafts/own", get(own_drafts))
        .route("/v1/drafts/{id}", get(draft))
        .route("/v1/drafts/{id}/message", get(message))
        .route("/v1/drafts/{id}/approve", post(approve))
        .route("/v1/drafts/{id}/return", post(send_back))
        .route("/v1/drafts/{id}/withdraw", post(withdraw))
        .route("/v1/directory", get(super::directory::list))
        .route("/v1/directory/{act}", post(super::directory::work))
        .route(
            "/v1/minimize",
            get(super::minimize::list).post(super::minimize::impose),
        )
        .route("/v1/minimize/{number}/lift", post(super::minimize::lift))
        .route("/v1/queue", get(super::queue::list))
        .route("/v1/queue/entries", get(super::queue::entries))
        .route("/v1/queue/{act}", post(super::queue::work))
        .route("/v1/drain", post(super::drain::drain))
        .route("/v1/reports", get(super::reports::list))
        .route("/v1/reload", post(super::reload::reload))
        .route("/v1/store/backup", post(super::store::backup))
        .layer(DefaultBodyLimit::max(REQUEST))
        .with_state(Desk { switch, caller })
}

async fn drafts(State(desk): State<Desk>) -> Result<Json<Vec<DraftView>>, No> {
    let officer = desk.officer()?;
    desk.switch.drafts(officer).map(Json).map_err(no)
}

async fn own_drafts(State(desk): State<Desk>) -> Result<Json<Vec<DraftView>>, No> {
    let drafter = desk.officer()?;
    desk.switch.own_drafts(drafter).map(Json).map_err(no)
}

async fn draft(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Json<DraftView>, No> {
    let officer = desk.officer()?;
    let (view, _) = desk.switch.draft(officer, identifier(&id)?).map_err(no)?;
    Ok(Json(view))
}

async fn message(State(desk): State<Desk>, Path(id): Path<String>) -> Result<Response, No> {
    let officer = desk.officer()?;
    let (_, octets) = desk.switch.draft(officer, identifier(&id)?).map_err(no)?;
    Ok(([(header::CONTENT_TYPE, "message/rfc822")], octets).into_response())
}

async fn approve(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Json(approval): Json<Approval>,
) -> Result<Json<Approved>, No> {
    let officer = desk.officer()?;
    let decoded = |text: &String| {
        STANDARD.decode(text).map_err(|error| {
            refused(
                StatusCode::BAD_REQUEST,
                "malformed",
                "500 5.5.2",
                &format!("base64: {error}"),
            )
        })
    };
    let release = Release {
        signer: approval.signer,
        signature: decoded(&approval.signature)?,
        certificates: approval
            .certificates
            .iter()
            .map(decoded)
            .collect::<Result<_, _>>()?,
    };
    let needs = desk
        .switch
        .approve(officer, identifier(&id)?, release)
        .await
        .map_err(no)?;
    let state = if needs.is_empty() {
        "released"
    } else {
        "waiting"
    };
    Ok(Json(Approved {
        state: state.into(),
        needs,
    }))
}

async fn send_back(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Json(back): Json<Return>,
) -> Result<StatusCode, No> {
    let officer = desk.officer()?;
    desk.switch
        .send_back(officer, identifier(&id)?, &back.reason)
        .await
        .map(|()| StatusCode::NO_CONTENT)
        .map_err(no)
}

async fn withdraw(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    Json(back): Json<Return>,
) -> Result<StatusCode, No> {
    let drafter = desk.officer()?;
    desk.switch
        .withdraw(drafter, identifier(&id)?, &back.reason)
        .await
        .map(|()| StatusCode::NO_CONTENT)
        .map_err(no)
}

fn identifier(text: &str) -> Result<DraftId, No> {
    text.parse().map_err(|_| no(DeskError::Unknown))
}

fn no(error: DeskError) -> No {
    match error {
        DeskError::Fault(fault) => {
            tracing::error!(fault = %fault.chain(), "the desk could not act");
            refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "fault",
                "451 4.3.0",
                "the switch cannot do this now; try again",
            )
        }
        DeskError::Refused(refusal) => refused_by_line(&refusal),
        DeskError::Unknown => refused(
            StatusCode::NOT_FOUND,
            "unknown-draft",
            "550 5.1.1",
            "there is no such draft for you",
        ),
    }
}

fn refused_by_line(refusal: &Refusal) -> No {
    let (a, b, c) = refusal.reason.enhanced();
    refused(
        StatusCode::FORBIDDEN,
        refusal.reason.id(),
        &format!("{} {a}.{b}.{c}", refusal.reason.code()),
        &refusal.to_string(),
    )
}

pub(super) fn refused(status: StatusCode, id: &str, reply: &str, text: &str) -> No {
    let body = Refused {
        id: id.into(),
        reply: reply.into(),
        text: text.into(),
    };
    No(Box::new((status, Json(body)).into_response()))
}
