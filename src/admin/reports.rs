//! `/v1/reports`: what is awaited of what was sent, for operators.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::api::{Desk, No, refused};
use crate::message::{MessageId, Precedence};
use crate::report::{ListedReport, NotAPlace, WhichReports};

/// The most rows in one answer.
const PAGE: usize = 1000;

/// Which reports are asked for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AskedReports {
    /// `true` for what is settled, too.
    #[serde(default)]
    pub all: bool,
    /// `true` for what is overdue alone.
    #[serde(default)]
    pub overdue: bool,
    /// Only those of this precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precedence: Option<Precedence>,
    /// Only those of this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// At most so many; 1000 is the most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// A page of awaited reports.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AwaitedReports {
    /// The rows, most urgent first, then the oldest.
    pub reports: Vec<ListedReport>,
    /// What to say as `after` for the next page; null when this is the last.
    pub next: Option<String>,
}

impl AskedReports {
    /// Which rows they are.
    pub const fn which(&self) -> WhichReports {
        WhichReports {
            settled: self.all,
            overdue: self.overdue,
            precedence: self.precedence,
            message: self.message,
        }
    }
}

pub(super) async fn list(
    State(desk): State<Desk>,
    Query(asked): Query<AskedReports>,
) -> Result<Json<AwaitedReports>, No> {
    desk.operator()?;
    let malformed = |error: NotAPlace| {
        let text = error.to_string();
        refused(StatusCode::BAD_REQUEST, "malformed", "500 5.5.2", &text)
    };
    let after = asked.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(malformed)?;
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let (switch, which) = (std::sync::Arc::clone(&desk.switch), asked.which());
    let page = tokio::task::spawn_blocking(move || switch.awaited_reports(&which, after, limit));
    let page = page.await;
    let (reports, next) =
        page.unwrap_or_else(|e| Err(crate::decision::Fault::new("list what is awaited", e)))?;
    Ok(Json(AwaitedReports {
        reports,
        next: next.map(|next| next.to_string()),
    }))
}
