//! `POST /v1/store/backup`: an operator has the running switch copy its store.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use super::api::{Desk, No, refused};
use crate::store::backup::Copied;
use crate::switch::BackupError;

pub(super) async fn backup(State(desk): State<Desk>) -> Result<Json<Copied>, No> {
    let operator = desk.operator()?;
    match desk.switch.backup(&operator.to_string()).await {
        Ok(copied) => Ok(Json(copied)),
        Err(BackupError::NoFolder) => Err(refused(
            StatusCode::CONFLICT,
            "configuration",
            "550 5.3.5",
            "[store] backups of the configuration names no folder",
        )),
        Err(BackupError::Fault(fault)) => Err(fault.into()),
    }
}
