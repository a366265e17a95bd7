//! The officer's side of the desk: an HTTP client over TLS with the officer's own certificate.

use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::answer::{Answer, Trouble, chain};
use super::print;
use crate::admin::api::{Approval, Approved, Refused, Return};
use crate::admin::directory::CertificateOrder;
use crate::admin::drain::Drain;
use crate::admin::minimize::Lift;
use crate::admin::queue::{Asked, Entries, Listed, Order};
use crate::admin::reload::InForce;
use crate::admin::reports::{AskedReports, AwaitedReports};
use crate::clock::Clock;
use crate::crypto::cms::countersign;
use crate::crypto::cms::verify::SignerReport;
use crate::crypto::keys::Identity;
use crate::crypto::trust::TrustStore;
use crate::message::DraftId;
use crate::report::ListedReport;
use crate::review::Release;
use crate::store::backup::Copied;
use crate::store::{CertificateRow, EntryRow, MinimizeRow};
use crate::switch::{DraftView, MinimizeOrder, QueueDone};
use crate::tls;

/// The largest answer: a message of the largest size.
const ANSWER: usize = 64 << 20;

/// A switch's desk, as one officer reaches it.
pub struct Desk {
    /// Host and port.
    pub address: String,
    /// The DNS name in the switch's certificate.
    pub name: String,
    /// Who vouches for the switch, and for signers.
    pub trust: Arc<TrustStore>,
    /// The officer's certificate and key. The key stays in this process.
    pub officer: Identity,
    /// The time.
    pub clock: Clock,
}

/// Why the desk did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// It answered something that is not understood.
    #[error("the switch answered {0}, which is not understood; is it a desk of this version?")]
    Answer(String),
    /// The officer's key did not sign.
    #[error("the releasing signature could not be made: {0}")]
    Key(String),
    /// It said no.
    #[error("{} {} ({})", .0.reply, .0.text, .0.id)]
    Refused(Refused),
    /// It could not be reached.
    #[error("the desk at {address} cannot be reached: {text}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        text: String,
    },
}

impl Desk {
    /// The drafts that wait for this officer.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn drafts(&self) -> Result<Vec<DraftView>, DeskError> {
        self.json(Method::GET, "/v1/drafts", Bytes::new()).await
    }

    /// The drafts of one's own that wait.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn own_drafts(&self) -> Result<Vec<DraftView>, DeskError> {
        self.json(Method::GET, "/v1/drafts/own", Bytes::new()).await
    }

    /// One draft.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn draft(&self, id: DraftId) -> Result<DraftView, DeskError> {
        self.json(Method::GET, &format!("/v1/drafts/{id}"), Bytes::new())
            .await
    }

    /// The octets of a draft's message.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn message(&self, id: DraftId) -> Result<Bytes, DeskError> {
        self.call(
            Method::GET,
            &format!("/v1/drafts/{id}/message"),
            Bytes::new(),
        )
        .await
    }

    /// Signs the drafter's signature, here, with the officer's key.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(&self, signer: usize, drafter: &SignerReport) -> Result<Release, DeskError> {
        let signature = countersign::make(&drafter.signature, &self.officer, self.clock.now())
            .map_err(|error| DeskError::Key(error.to_string()))?;
        Ok(Release {
            signer,
            signature,
            certificates: self.officer.chain_der(),
        })
    }

    /// Sends a releasing signature. The key stays here: what goes over the wire is a SignerInfo and
    /// certificates.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn approve(&self, id: DraftId, release: &Release) -> Result<Approved, DeskError> {
        let approval = Approval {
            signer: release.signer,
            signature: STANDARD.encode(&release.signature),
            certificates: release
                .certificates
                .iter()
                .map(|der| STANDARD.encode(der))
                .collect(),
        };
        self.json(
            Method::POST,
            &format!("/v1/drafts/{id}/approve"),
            body(&approval)?,
        )
        .await
    }

    /// Sends a draft back to its drafter.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn send_back(&self, id: DraftId, reason: &str) -> Result<(), DeskError> {
        let back = Return {
            reason: reason.to_owned(),
        };
        self.call(
            Method::POST,
            &format!("/v1/drafts/{id}/return"),
            body(&back)?,
        )
        .await
        .map(drop)
    }

    /// Takes an own draft back.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn withdraw(&self, id: DraftId, reason: &str) -> Result<(), DeskError> {
        let back = Return {
            reason: reason.to_owned(),
        };
        let path = format!("/v1/drafts/{id}/withdraw");
        let answer = self.call(Method::POST, &path, body(&back)?).await;
        answer.map(drop)
    }

    /// Has the configuration read again; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn reload(&self) -> Result<InForce, DeskError> {
        self.json(Method::POST, "/v1/reload", Bytes::new()).await
    }

    /// Has the switch stop in order; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn drain(&self, reason: &str) -> Result<(), DeskError> {
        let why = Drain {
            reason: reason.to_owned(),
        };
        let answer = self.call(Method::POST, "/v1/drain", body(&why)?).await;
        answer.map(drop)
    }

    /// Has the running switch copy its store; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn backup(&self) -> Result<Copied, DeskError> {
        self.json(Method::POST, "/v1/store/backup", Bytes::new())
            .await
    }

    /// The certificates that signed mail brought; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn certificates(&self) -> Result<Vec<CertificateRow>, DeskError> {
        self.json(Method::GET, "/v1/directory", Bytes::new()).await
    }

    /// Accepts or removes one of them: `act` is accept or remove; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn work_on_certificate(
        &self,
        act: &str,
        order: &CertificateOrder,
    ) -> Result<CertificateRow, DeskError> {
        self.json(Method::POST, &format!("/v1/directory/{act}"), body(order)?)
            .await
    }

    /// What waits for its next hop, all of it; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn queue(&self) -> Result<Vec<EntryRow>, DeskError> {
        let (listed, _) = self.entries(&Asked::default(), None).await?;
        Ok(listed.into_iter().map(|listed| listed.row).collect())
    }

    /// What waits for its next hop, page by page until there are `enough` or no more, and where the
    /// next page begins; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn entries(
        &self,
        asked: &Asked,
        enough: Option<usize>,
    ) -> Result<(Vec<Listed>, Option<String>), DeskError> {
        let (mut all, mut after) = (Vec::new(), asked.after.clone());
        loop {
            let left = enough.map(|enough| enough.saturating_sub(all.len()));
            let limit = asked.limit.into_iter().chain(left).min();
            let said = [
                limit.map(|limit| format!("limit={limit}")),
                after.map(|after| format!("after={}", escaped(&after))),
                asked
                    .next_hop
                    .as_ref()
                    .map(|name| format!("next-hop={}", escaped(name))),
            ];
            let said: Vec<String> = said.into_iter().flatten().collect();
            let path = format!("/v1/queue/entries?{}", said.join("&"));
            let page: Entries = self.json(Method::GET, &path, Bytes::new()).await?;
            all.extend(page.entries);
            match page.next {
                Some(next) if enough.is_none_or(|enough| all.len() < enough) => after = Some(next),
                next => return Ok((all, next)),
            }
        }
    }

    /// What is awaited of what was sent, page by page until there is `enough` or no more, and where
    /// the next page begins; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn reports(
        &self,
        asked: &AskedReports,
        enough: Option<usize>,
    ) -> Result<(Vec<ListedReport>, Option<String>), DeskError> {
        let (mut all, mut after) = (Vec::new(), asked.after.clone());
        loop {
            let left = enough.map(|enough| enough.saturating_sub(all.len()));
            let limit = asked.limit.into_iter().chain(left).min();
            let said = [
                asked.all.then(|| "all=true".to_owned()),
                asked.overdue.then(|| "overdue=true".to_owned()),
                asked
                    .precedence
                    .map(|one| format!("precedence={}", one.to_string().to_ascii_lowercase())),
                asked.message.map(|message| format!("message={message}")),
                limit.map(|limit| format!("limit={limit}")),
                after.map(|after| format!("after={}", escaped(&after))),
            ];
            let said: Vec<String> = said.into_iter().flatten().collect();
            let path = format!("/v1/reports?{}", said.join("&"));
            let page: AwaitedReports = self.json(Method::GET, &path, Bytes::new()).await?;
            all.extend(page.reports);
            match page.next {
                Some(next) if enough.is_none_or(|enough| all.len() < enough) => after = Some(next),
                next => return Ok((all, next)),
            }
        }
    }

    /// The orders of MINIMIZE; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn minimize(&self) -> Result<Vec<MinimizeRow>, DeskError> {
        self.json(Method::GET, "/v1/minimize", Bytes::new()).await
    }

    /// Imposes MINIMIZE; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn impose_minimize(&self, order: &MinimizeOrder) -> Result<MinimizeRow, DeskError> {
        self.json(Method::POST, "/v1/minimize", body(order)?).await
    }

    /// Lifts an order of MINIMIZE; takes the role operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn lift_minimize(&self, number: u64, reason: &str) -> Result<MinimizeRow, DeskError> {
        let lift = Lift {
            reason: reason.to_owned(),
        };
        let path = format!("/v1/minimize/{number}/lift");
        self.json(Method::POST, &path, body(&lift)?).await
    }

    /// Works on the queue: `act` is hold, resume, retry, redirect or remove; takes the role
    /// operator.
    ///
    /// # Errors
    /// As [`DeskError`] says.
    pub async fn work_on_queue(&self, act: &str, order: &Order) -> Result<QueueDone, DeskError> {
        self.json(Method::POST, &format!("/v1/queue/{act}"), body(order)?)
            .await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, DeskError> {
        let answer = self.call(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| DeskError::Answer(error.to_string()))
    }

    async fn call(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, DeskError> {
        let (status, answer) =
            self.exchange(method, path, body)
                .await
                .map_err(|error| DeskError::Unreachable {
                    address: self.address.clone(),
                    text: error.to_string(),
                })?;
        if status.is_success() {
            return Ok(answer);
        }
        match serde_json::from_slice(&answer) {
            Ok(refused) => Err(DeskError::Refused(refused)),
            Err(_) => Err(DeskError::Answer(status.to_string())),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let socket = TcpStream::connect(&self.address).await?;
        let config = tls::client(&self.officer, &self.trust)?;
        let name = tls::server_name(&self.name)?;
        let stream = TlsConnector::from(config).connect(name, socket).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        tls::confirm_server(&self.trust, chain, self.clock.now())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.name)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), ANSWER).collect().await?;
        drop(sender);
        driver.abort();
        Ok((status, answer.to_bytes()))
    }
}

/// What a command makes of it: a refusal of the switch is a no, everything else a fault.
pub(super) fn refused(error: DeskError) -> Result<Answer, Trouble> {
    match error {
        DeskError::Refused(refused) if refused.id != "fault" => {
            // The table of reasons is the switch's own; nothing of it can be mended here.
            let _ = writeln!(
                std::io::stderr(),
                "ravelin: the switch refuses: {} {} ({})",
                print::clean(&refused.reply),
                print::clean(&refused.text),
                print::clean(&refused.id)
            );
            Ok(Answer::No)
        }
        other => Err(Trouble::Fault(print::clean(&chain(&other)))),
    }
}

// RFC 3986 §2.1: everything but unreserved characters
/// A value as it stands in a query.
fn escaped(text: &str) -> String {
    let octets = text.bytes().map(|octet| match octet {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(octet).to_string()
        }
        _ => format!("%{octet:02X}"),
    });
    octets.collect()
}

fn body(value: &impl Serialize) -> Result<Bytes, DeskError> {
    serde_json::to_vec(value)
        .map(Bytes::from)
        .map_err(|error| DeskError::Answer(error.to_string()))
}
