//! The facts of a message as a value that programs read: the JSON of `inspect` and `release show`.
//!
//! Promises: member names are a contract (README, chapter "JSON"); members are added, never
//! changed; `good` is false as soon as one finding is grave.

use serde::Serialize;

use crate::clock::Timestamp;
use crate::crypto::algorithm::{ID_OAEP, ID_RSA, KeyDerivation};
use crate::crypto::cms::decrypt::Method;
use crate::crypto::cms::verify::SignatureProblem;
use crate::crypto::ess::{GeneralName, ReceiptRequest, ReceiptsFrom};
use crate::crypto::trust::RevocationCheck;
use crate::label::marking::{self, Location};
use crate::label::validity::{self, Mode};
use crate::label::{Label, Policies, naming};
use crate::message::encoded_word;
use crate::message::header::Headers;
use crate::message::military::Military;
use crate::message::protection::Dialect;
use crate::message::text;
use crate::open::{
    Carried, EnvelopeFacts, Facts, LayerKind, Protected, Protection, SignedFacts, SignedForm,
    SignerFacts,
};

/// A message, taken apart.
#[derive(Serialize)]
pub(super) struct View {
    pub(super) good: bool,
    pub(super) layers: Vec<LayerView>,
    pub(super) headers: HeadersView,
    pub(super) labels: Vec<LabelView>,
    pub(super) weaknesses: Vec<Finding>,
    pub(super) text: TextView,
}

#[derive(Serialize)]
pub(super) struct LayerView {
    pub(super) kind: &'static str,
    pub(super) form: Option<&'static str>,
    pub(super) algorithms: Vec<String>,
    pub(super) signers: Vec<SignerView>,
    pub(super) recipients: Vec<RecipientView>,
    /// Of an envelope: whether a key that was given opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opened: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct SignerView {
    pub(super) subject: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) email: Option<String>,
    /// Whom the signature names, when no certificate of it came along.
    pub(super) identifier: String,
    pub(super) algorithm: Option<String>,
    pub(super) valid: bool,
    pub(super) problems: Vec<String>,
    pub(super) label: Option<String>,
    pub(super) receipt_request: Option<ReceiptView>,
    pub(super) signing_time: Option<Timestamp>,
    pub(super) countersigners: Vec<SignerView>,
}

#[derive(Serialize)]
pub(super) struct ReceiptView {
    pub(super) content_identifier: String,
    pub(super) from: String,
    pub(super) to: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct RecipientView {
    pub(super) method: &'static str,
    pub(super) algorithm: Option<String>,
    pub(super) identifier: String,
}

#[derive(Serialize)]
pub(super) struct HeadersView {
    pub(super) protected: Vec<ProtectedView>,
    pub(super) outer: Vec<FieldView>,
    pub(super) conflicts: Vec<ConflictView>,
}

#[derive(Serialize)]
pub(super) struct ProtectedView {
    /// The header-protection layer, as an index into `layers`.
    pub(super) layer: usize,
    pub(super) dialect: &'static str,
    /// cipher, clear, wrapped or attribute.
    pub(super) protection: &'static str,
    pub(super) fields: Vec<FieldView>,
    pub(super) written_outside: Vec<FieldView>,
}

#[derive(Serialize)]
pub(super) struct FieldView {
    pub(super) name: String,
    pub(super) value: String,
}

#[derive(Serialize)]
pub(super) struct ConflictView {
    pub(super) field: String,
    pub(super) outside: Vec<String>,
    pub(super) inside: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct LabelView {
    /// The signed layer, as an index into `layers`.
    pub(super) layer: usize,
    pub(super) signer: usize,
    pub(super) policy: Option<String>,
    pub(super) policy_name: Option<String>,
    pub(super) classification: Option<u64>,
    pub(super) privacy_mark: Option<String>,
    /// In the words of the policy, when it was given.
    pub(super) text: Option<String>,
    pub(super) marking: Option<String>,
    pub(super) problems: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Finding {
    pub(super) id: &'static str,
    pub(super) text: String,
    /// Whether the message is not good because of it.
    pub(super) grave: bool,
}

#[derive(Serialize)]
pub(super) struct TextView {
    pub(super) subject: Option<String>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) cc: Option<String>,
    pub(super) date: Option<String>,
    pub(super) message_id: Option<String>,
    pub(super) precedence: Option<String>,
    /// The text and the names of the attachments; none while an envelope is closed.
    pub(super) body: Option<String>,
}

impl View {
    /// What `facts` say, with the words of `policies`.
    pub(super) fn of(
        facts: &Facts,
        policies: &Policies,
        at: Timestamp,
        revocation: RevocationCheck,
    ) -> Self {
        let mut seen = Seen {
            policies,
            at,
            layers: Vec::new(),
            labels: Vec::new(),
            findings: Vec::new(),
        };
        let mut protected = Vec::new();
        for (index, layer) in facts.layers.iter().enumerate() {
            match &layer.kind {
                LayerKind::Compressed => seen.compressed(),
                LayerKind::Signed(signed) => seen.signed(signed),
                LayerKind::Enveloped(envelope) => seen.enveloped(envelope),
            }
            for section in facts.protected.iter().filter(|part| part.layer == index) {
                protected.push(seen.protection(section, facts));
            }
        }
        seen.whole(facts, revocation);
        Self {
            good: !seen.findings.iter().any(|finding| finding.grave),
            layers: seen.layers,
            headers: HeadersView {
                protected,
                outer: fields(&facts.outer),
                conflicts: facts
                    .conflicts
                    .iter()
                    .map(|conflict| ConflictView {
                        field: conflict.field.clone(),
                        outside: conflict.outside.clone(),
                        inside: conflict.inside.clone(),
                    })
                    .collect(),
            },
            labels: seen.labels,
            weaknesses: seen.findings,
            text: words(facts),
        }
    }

    /// Whether every layer is as it should be.
    pub(super) fn is_good(&self) -> bool {
        self.good
    }

    /// What makes the message not good.
    pub(super) fn grave(&self) -> impl Iterator<Item = &Finding> {
        self.weaknesses.iter().filter(|finding| finding.grave)
    }
}

struct Seen<'a> {
    policies: &'a Policies,
    at: Timestamp,
    layers: Vec<LayerView>,
    labels: Vec<LabelView>,
    findings: Vec<Finding>,
}

impl Seen<'_> {
    fn find(&mut self, grave: bool, id: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.findings.push(Finding { id, text, grave });
    }

    fn signed(&mut self, signed: &SignedFacts) {
        let index = self.layers.len();
        let mut algorithms: Vec<String> = Vec::new();
        let mut signers = Vec::new();
        for (number, signer) in signed.signers.iter().enumerate() {
            let view = self.signer(index, signer, "signer");
            algorithms.extend(
                view.algorithm
                    .iter()
                    .filter(|name| !algorithms.contains(name))
                    .cloned()
                    .collect::<Vec<_>>(),
            );
            signers.push(view);
            self.label(index, number, signer);
        }
        // RFC 5652 §5.1: an empty set of signers is no signature
        if signed.signers.is_empty() {
            let text = format!("layer {index}: called signed, and nobody signed it");
            self.find(true, "signature.missing", text);
        }
        self.layers.push(LayerView {
            kind: "signed",
            form: Some(match signed.form {
                SignedForm::Clear => "clear",
                SignedForm::Opaque => "opaque",
            }),
            algorithms,
            signers,
            recipients: Vec::new(),
            opened: None,
        });
    }

    fn signer(&mut self, layer: usize, signer: &SignerFacts, what: &str) -> SignerView {
        let who = format!("layer {layer}: {what} {}", signer.name());
        for problem in &signer.report.problems {
            let (grave, id) = match problem {
                SignatureProblem::WeakAlgorithm(_) => (true, "signature.weak"),
                SignatureProblem::WithoutSignedAttributes => {
                    (true, "signature.without-signed-attributes")
                }
                SignatureProblem::AttributesNotDer => (false, "signature.attributes-not-der"),
                SignatureProblem::Version => (false, "signature.version"),
                _ => (true, "signature.invalid"),
            };
            self.find(grave, id, format!("{who}: {problem}"));
        }
        if let Some(problem) = &signer.trust {
            let id = if problem.is_ours() {
                "signer.revocation-unknown"
            } else {
                "signer.untrusted"
            };
            self.find(true, id, format!("{who}: {problem}"));
        }
        if let Carried::Malformed(error) = &signer.label {
            self.find(true, "label.malformed", format!("{who}: {error}"));
        }
        let certificate = signer.report.certificate.as_ref();
        SignerView {
            subject: certificate.map(|certificate| certificate.subject()),
            issuer: certificate.map(|certificate| certificate.issuer()),
            serial: certificate.map(|certificate| certificate.serial_hex()),
            email: certificate.and_then(|certificate| certificate.emails().into_iter().next()),
            identifier: signer.report.identifier.to_string(),
            algorithm: signer.report.scheme.as_ref().map(|scheme| scheme.name()),
            valid: signer.is_good(),
            problems: signer
                .report
                .problems
                .iter()
                .map(ToString::to_string)
                .chain(signer.trust.iter().map(ToString::to_string))
                .collect(),
            label: match &signer.label {
                Carried::Absent => None,
                Carried::Malformed(error) => Some(format!("cannot be read: {error}")),
                Carried::Present(label) => Some(self.words(label)),
            },
            receipt_request: signer
                .report
                .receipt_request_der
                .as_ref()
                .and_then(|der| ReceiptRequest::read(der).ok())
                .map(receipt),
            signing_time: signer.report.signing_time,
            countersigners: signer
                .countersigners
                .iter()
                .map(|countersigner| self.signer(layer, countersigner, "countersigner"))
                .collect(),
        }
    }

    /// The label's marking, or its text, or its numbers: what the policies at hand allow.
    fn words(&self, label: &Label) -> String {
        match label.policy.and_then(|oid| self.policies.get(&oid)) {
            Some(policy) => naming::write_label(policy, label),
            None => numbers(label),
        }
    }

    fn label(&mut self, layer: usize, number: usize, signer: &SignerFacts) {
        let Carried::Present(label) = &signer.label else {
            return;
        };
        let policy = label.policy.and_then(|oid| self.policies.get(&oid));
        let problems: Vec<String> = policy
            .map(|policy| validity::check(policy, label, self.at, Mode::Reception))
            .into_iter()
            .flatten()
            .map(|reason| format!("{}: {}", reason.id, reason.text))
            .collect();
        let view = LabelView {
            layer,
            signer: number,
            policy: label.policy.map(|oid| oid.to_string()),
            policy_name: policy.map(|policy| policy.name().to_owned()),
            classification: label.classification,
            privacy_mark: label
                .privacy_mark
                .as_ref()
                .map(|mark| mark.text().to_owned()),
            text: policy.map(|policy| naming::write_label(policy, label)),
            marking: policy.map(|policy| marking::marking(policy, label, Location::PageTop, None)),
            problems: problems.clone(),
        };
        self.labels.push(view);
        for problem in problems {
            self.find(true, "label.invalid", format!("layer {layer}: {problem}"));
        }
    }

    fn enveloped(&mut self, envelope: &EnvelopeFacts) {
        let index = self.layers.len();
        if !envelope.opened {
            let text = format!("layer {index}: none of the keys given opens the envelope");
            self.find(true, "envelope.closed", text);
        }
        if !envelope.authenticated {
            let text = format!(
                "layer {index}: {} does not authenticate; what was inside can be changed \
                 unless it is signed (RFC 8551 section 6, EFAIL)",
                envelope.cipher
            );
            self.find(false, "envelope.not-authenticated", text);
        }
        self.layers.push(LayerView {
            kind: if envelope.authenticated {
                "auth-enveloped"
            } else {
                "enveloped"
            },
            form: None,
            algorithms: vec![envelope.cipher.clone()],
            signers: Vec::new(),
            recipients: envelope
                .recipients
                .iter()
                .map(|recipient| {
                    let (method, oid) = match recipient.method {
                        Method::Agreement(oid) => ("key-agreement", Some(oid)),
                        Method::Transport(oid) => ("key-transport", Some(oid)),
                        Method::KeyEncryption(oid) => ("key-encryption-key", Some(oid)),
                        Method::Password => ("password", None),
                        Method::Other => ("other", None),
                    };
                    RecipientView {
                        method,
                        algorithm: oid.map(|oid| match oid {
                            ID_OAEP => "RSA-OAEP".to_owned(),
                            ID_RSA => "RSA PKCS #1 v1.5".to_owned(),
                            other => KeyDerivation::from_oid(&other)
                                .map_or_else(|| other.to_string(), KeyDerivation::name),
                        }),
                        identifier: recipient.identifier.clone(),
                    }
                })
                .collect(),
            opened: Some(envelope.opened),
        });
    }

    fn compressed(&mut self) {
        self.layers.push(LayerView {
            kind: "compressed",
            form: None,
            algorithms: vec!["zlib".to_owned()],
            signers: Vec::new(),
            recipients: Vec::new(),
            opened: None,
        });
    }

    fn protection(&mut self, section: &Protected, facts: &Facts) -> ProtectedView {
        let layer = self.layers.len();
        let encrypted = facts
            .envelope()
            .is_some_and(|envelope| envelope < section.layer);
        let protection = match (section.dialect, section.protection) {
            (Dialect::Rfc7508, _) => "attribute",
            (Dialect::Rfc8551, _) => "wrapped",
            (Dialect::Rfc9788, Protection::Cipher) => "cipher",
            (Dialect::Rfc9788, Protection::Clear) => "clear",
        };
        if protection == "cipher" && !encrypted {
            let text = format!(
                "layer {layer}: made to be encrypted, and no envelope is around it: whoever opened \
                 it may have sent it on"
            );
            self.find(false, "header.cipher-without-envelope", text);
        }
        self.layers.push(LayerView {
            kind: "header-protection",
            form: Some(protection),
            algorithms: Vec::new(),
            signers: Vec::new(),
            recipients: Vec::new(),
            opened: None,
        });
        ProtectedView {
            layer,
            dialect: section.dialect.name(),
            protection,
            fields: fields(&section.headers),
            written_outside: section
                .written_outside
                .iter()
                .map(|(name, value)| FieldView {
                    name: name.clone(),
                    value: value.clone(),
                })
                .collect(),
        }
    }

    /// What no single layer shows.
    fn whole(&mut self, facts: &Facts, revocation: RevocationCheck) {
        if facts.drafted().is_none() && !facts.is_closed() {
            self.find(true, "signature.missing", "no layer is signed");
        }
        for conflict in &facts.conflicts {
            let text = format!(
                "{}: outside {:?}, under the signature {:?}",
                conflict.field, conflict.outside, conflict.inside
            );
            self.find(true, "header.conflict", text);
        }
        if facts.drafted().is_some() && facts.protected.is_empty() {
            let text = "no signature covers the header fields: From, To and Subject are anybody's";
            self.find(false, "header.unprotected", text);
        }
        if facts.drafted().is_some() && self.labels.is_empty() {
            self.find(
                false,
                "label.missing",
                "no signature carries a security label",
            );
        }
        if facts.drafted().is_some() && revocation == RevocationCheck::Optional {
            let text = "certificates without a revocation list passed; give them with --crl";
            self.find(false, "revocation.optional", text);
        }
    }
}

fn numbers(label: &Label) -> String {
    format!(
        "policy {}, classification {}",
        label
            .policy
            .map_or_else(|| "none".to_owned(), |oid| oid.to_string()),
        label
            .classification
            .map_or_else(|| "none".to_owned(), |number| number.to_string()),
    )
}

fn receipt(request: ReceiptRequest) -> ReceiptView {
    let names = |list: &[Vec<GeneralName>]| -> Vec<String> {
        list.iter()
            .flatten()
            .map(|name| match name {
                GeneralName::Email(address) => address.clone(),
                GeneralName::Other(_) => "(a name of another kind)".to_owned(),
            })
            .collect()
    };
    ReceiptView {
        content_identifier: String::from_utf8_lossy(&request.content_identifier).into_owned(),
        from: match &request.from {
            ReceiptsFrom::All => "all".to_owned(),
            ReceiptsFrom::FirstTier => "first tier".to_owned(),
            ReceiptsFrom::List(list) => names(list).join(", "),
        },
        to: names(&request.to),
    }
}

fn fields(headers: &Headers) -> Vec<FieldView> {
    headers
        .fields()
        .iter()
        .map(|field| FieldView {
            name: field.name().to_owned(),
            value: field.value().trim().to_owned(),
        })
        .collect()
}

fn words(facts: &Facts) -> TextView {
    let field = |name: &str| {
        facts
            .field(name)
            .map(|value| encoded_word::decode(value.trim()))
    };
    TextView {
        subject: field("Subject"),
        from: field("From"),
        to: field("To"),
        cc: field("Cc"),
        date: field("Date"),
        message_id: field("Message-ID"),
        precedence: Military::read(facts.headers())
            .ok()
            .and_then(|military| military.primary_precedence)
            .map(|precedence| precedence.to_string()),
        body: (!facts.is_closed()).then(|| text::of(&facts.text())),
    }
}
