//! `POST /v1/reload`: an operator has the configuration read again.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::{Desk, No, refused};
use crate::switch::ReloadError;

/// What is in force now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InForce {
    /// The number of the rules.
    pub rules: String,
    /// The label policies, the domain's own first.
    pub policies: Vec<InForcePolicy>,
}

/// One label policy in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InForcePolicy {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// The SHA-384 of its file.
    pub digest: String,
    /// The pins that its signers answer to.
    pub signed_by: Vec<String>,
}

pub(super) async fn reload(State(desk): State<Desk>) -> Result<Json<InForce>, No> {
    let operator = desk.operator()?;
    match desk.switch.reload(&operator.to_string()).await {
        Ok(config) => Ok(Json(InForce {
            rules: config.judged_under().to_owned(),
            policies: config
                .provenance
                .iter()
                .map(|policy| InForcePolicy {
                    name: policy.name.clone(),
                    version: policy.version,
                    digest: policy.digest.clone(),
                    signed_by: policy.signed_by.clone(),
                })
                .collect(),
        })),
        Err(ReloadError::Refused(error)) => Err(refused(
            StatusCode::CONFLICT,
            "configuration",
            "550 5.3.5",
            &error.to_string(),
        )),
        Err(ReloadError::Fault(fault)) => Err(fault.into()),
    }
}
