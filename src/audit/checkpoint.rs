//! The head of the chain under the signature of the switch.
//!
//! A checkpoint is an event of the chain. It holds a detached CMS signature over one line of JSON:
//! `{"switch":"…","records":N,"head":"…","at":"…"}`, without a line end, where `head` is the hash of
//! record N. All four stand in the event, too (`at` is its time), so that whoever has the exported
//! file and the certificate of the switch can check it with any program that reads CMS.
//!
//! Promises: who has not the key of the switch cannot change, remove, add or move a record up to the
//! last checkpoint.
//! Refuses (in [`Checkpoint::verify`]): another signer, several, a signature with any weakness, a
//! certificate that was not valid then.
//! Standards: RFC 5652 §5.2 (external signature).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::{Act, Event, Head};
use crate::clock::Timestamp;
use crate::crypto::certificate::Certificate;
use crate::crypto::cms::read::{self, ContentInfo, Limits};
use crate::crypto::cms::sign::{Form, SignError, SignOrder, Signer, sign};
use crate::crypto::cms::{oid, verify};
use crate::crypto::keys::Identity;

/// What stands in every line of a checkpoint: a quick look before the line is read.
pub(super) const MARK: &str = "\"act\":\"checkpoint\"";

/// What the switch says of its chain, with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// What is signed.
    pub statement: Statement,
    /// The detached CMS signature over [`Statement::text`], in DER.
    pub signature: Vec<u8>,
}

/// What a checkpoint says. The order of the members is that of the signed text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Which switch.
    pub switch: String,
    /// How many records its chain had.
    pub records: u64,
    /// The hash of the last of them.
    pub head: String,
    /// When.
    pub at: Timestamp,
}

impl Statement {
    /// The signed octets.
    pub fn text(&self) -> String {
        // Strings, a number and a time: there is no form that JSON lacks.
        serde_json::to_string(self).expect("a statement has a form in JSON")
    }
}

impl Checkpoint {
    /// The switch signs the head of its chain.
    ///
    /// # Errors
    /// When the key does not sign.
    pub fn sign(
        key: &Identity,
        switch: &str,
        head: &Head,
        at: Timestamp,
    ) -> Result<Self, SignError> {
        let statement = Statement {
            switch: switch.to_owned(),
            records: head.sequence,
            head: head.hash.clone(),
            at,
        };
        let signature = sign(&SignOrder {
            content: statement.text().as_bytes(),
            content_type: oid::DATA,
            form: Form::Detached,
            signers: &[Signer::new(key, Vec::new())],
            signing_time: at,
            extra_certificates: &[],
        })?;
        Ok(Self {
            statement,
            signature,
        })
    }

    /// The event that the chain gets.
    pub fn event(&self) -> Event {
        let Statement {
            switch,
            records,
            head,
            at,
        } = &self.statement;
        Event::new(*at, Act::Checkpoint, "switch")
            .whole_detail("switch", switch.clone())
            .detail("records", records)
            .detail("head", head)
            .whole_detail("signature", STANDARD.encode(&self.signature))
    }

    /// The checkpoint in a line of the chain; nothing when the line is another event.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of_line(line: &str) -> Result<Option<Self>, String> {
        if !line.contains(MARK) {
            return Ok(None);
        }
        let event: Event =
            serde_json::from_str(line).map_err(|error| format!("it is not an event: {error}"))?;
        if event.act != Act::Checkpoint {
            return Ok(None);
        }
        let detail = |name: &str| {
            let text = event.details.get(name);
            text.ok_or_else(|| format!("it is a checkpoint without {name}"))
        };
        let records = detail("records")?;
        Ok(Some(Self {
            statement: Statement {
                switch: detail("switch")?.clone(),
                records: records
                    .parse()
                    .map_err(|_| format!("{records:?} is not a number of records"))?,
                head: detail("head")?.clone(),
                at: event.at,
            },
            signature: decoded(detail("signature")?)?,
        }))
    }

    /// Who of `signers` has signed it.
    ///
    /// # Errors
    /// What speaks against it, in words: nobody of them has, or not well.
    pub fn verify<'c>(&self, signers: &'c [Certificate]) -> Result<&'c Certificate, String> {
        let parsed = read::parse(&self.signature, &Limits::default())
            .map_err(|error| format!("the signature cannot be read: {error}"))?;
        let ContentInfo::Signed(signed) = parsed else {
            return Err("it is no SignedData".into());
        };
        // RFC 5652 §5.2: an external signature has no eContent; a second text could be shown
        if signed.content.is_some() || signed.content_type != oid::DATA {
            return Err("the signature is not detached".into());
        }
        let text = self.statement.text();
        // Certificates that came along vouch for nothing: only those that were named count.
        let reports = verify::verify(&signed, Some(text.as_bytes()), signers);
        let [report] = reports.as_slice() else {
            return Err(format!("it has {} signers and not one", reports.len()));
        };
        let Some(by) = &report.certificate else {
            return Err(format!(
                "it was signed by {}, not by the switch of the certificate",
                report.identifier
            ));
        };
        if !report.problems.is_empty() {
            let problems: Vec<_> = report.problems.iter().map(ToString::to_string).collect();
            return Err(format!(
                "the signature is not good: {}",
                problems.join("; ")
            ));
        }
        let signer = signers.iter().find(|signer| signer.der() == by.der());
        let signer = signer.ok_or("another certificate verifies it than was named")?;
        let at = self.statement.at;
        if at < signer.not_before() || at > signer.not_after() {
            return Err(format!("the certificate was not valid at {at}"));
        }
        Ok(signer)
    }
}

pub(super) fn decoded(base64: &str) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(base64)
        .map_err(|error| format!("the signature is not base64: {error}"))
}
