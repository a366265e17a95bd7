//! Pass, Hold, Refuse: the one table of reasons, and the difference between a refusal and a fault.
//!
//! - A [`Refusal`] says that the message is at fault. It is a value, its reason comes from one
//!   table, and the same reason has the same words in reply, report, page and audit.
//! - A [`Fault`] says that we are at fault. It is always temporary for the peer (451), and it never
//!   lets a message pass.
//!
//! Promises: the public sentence of a reason is fixed text; what the label or the clearance says is
//! only in the [`Ground`]s, which stay inside (audit, and people who are cleared for the message).

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What a step came to, when it did not simply go on.
#[derive(Debug)]
pub enum Stop {
    /// We are at fault; the peer keeps the message and tries again.
    Fault(Fault),
    /// The message is at fault.
    Refuse(Box<Refusal>),
}

impl fmt::Display for Stop {
    /// For our own eyes: the whole chain of a fault, a refusal with its grounds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => f.write_str(&fault.chain()),
            Self::Refuse(refusal) => {
                let grounds: Vec<_> = refusal.grounds.iter().map(ToString::to_string).collect();
                write!(f, "{refusal} {}", grounds.join("; "))
            }
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refuse(Box::new(refusal))
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// What was decided about one message, for the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It waits for a signature.
    Hold,
    /// It may go on.
    Pass,
    /// It may not.
    Refuse,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident $id:literal $code:literal $a:literal $b:literal $c:literal $sentence:literal;)*) => {
        /// Why a message is refused: the one table. The wire codes follow RFC 3463 and its registry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All of them, in the order of their names.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable name, for programs and auditors.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// The SMTP reply code (RFC 5321 section 4.2): always 5yz.
            pub const fn code(self) -> u16 {
                match self { $(Self::$name => $code,)* }
            }

            /// The enhanced status code (RFC 3463).
            pub const fn enhanced(self) -> (u8, u16, u16) {
                match self { $(Self::$name => ($a, $b, $c),)* }
            }

            /// The sentence that anybody may read: it tells nothing of label or clearance.
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// A recipient's, originator's or link's clearance does not cover the label.
    ClearanceInsufficient "clearance.insufficient" 550 5 7 1
        "the message may not be handled by one of the parties it would reach";
    /// A party has no clearance on record.
    ClearanceUnknown "clearance.unknown" 550 5 7 1
        "one of the parties the message would reach has no clearance on record";
    /// Originator or recipient is not on the membership list of the community.
    CommunityNotMember "community.not-a-member" 550 5 7 1
        "one of the parties does not belong to the community that this switch serves";
    /// No key of ours opens the message, or it was damaged: one reason for every cause.
    DecryptionFailed "decryption.failed" 550 5 7 5
        "the message could not be decrypted";
    /// An outer header field contradicts its protected copy.
    HeaderConflict "header.conflict" 550 5 7 7
        "a header field outside the signature contradicts the signed one";
    /// Header fields are put under the signature in a dialect that the link does not take.
    HeaderProtectionRefused "header.protection-refused" 550 5 7 7
        "the header fields are protected in a way that is not accepted here";
    /// Two labels in one message disagree and no policy explains it.
    LabelDisagrees "label.disagrees" 550 5 7 1
        "the security labels of the message contradict each other";
    /// The label is not valid under its own policy.
    LabelInvalid "label.invalid" 550 5 7 1
        "the security label is not valid under its policy";
    /// The label's octets are not a label.
    LabelMalformed "label.malformed" 550 5 7 1
        "the security label cannot be read";
    /// There is no label in a verified signature.
    LabelMissing "label.missing" 550 5 7 1
        "the message carries no security label in a verified signature";
    /// The far side has nothing that says the same.
    LabelNoEquivalent "label.no-equivalent" 550 5 7 3
        "the security label has no equivalent in the next domain";
    /// The label does not name the far side among those it may be released to.
    LabelNotReleasable "label.not-releasable" 550 5 7 1
        "the security label does not permit release to the next domain";
    /// The label names a policy that is not loaded.
    LabelPolicyUnknown "label.policy-unknown" 550 5 7 1
        "the security label belongs to a policy that is not known here";
    /// More of something than the limits allow.
    MessageExceedsLimits "message.exceeds-limits" 550 5 6 0
        "the message is nested too deeply or has too many parts";
    /// A line that is longer than the next hop keeps whole; nothing that was signed is wrapped.
    MessageLineTooLong "message.line-too-long" 550 5 6 3
        "a line of the message is longer than the next hop takes";
    /// It passed through too many switches.
    MessageLoops "message.loops" 554 5 4 6
        "the message has passed through too many hops";
    /// It cannot be read as a message.
    MessageMalformed "message.malformed" 550 5 6 0
        "the message is malformed";
    /// MMHS header fields that break RFC 6477 or RFC 7912.
    MilitaryFieldMalformed "message.military-field-malformed" 550 5 6 0
        "a military header field is malformed";
    /// An operator's MINIMIZE refuses it (RFC 6710: X.7.15, the priority level is too low).
    MinimizeInForce "minimize.in-force" 550 5 7 15
        "minimize is in force and the message is not urgent enough for one of its recipients";
    /// The sender in From or Sender is not the one who signed.
    OriginatorMismatch "originator.mismatch" 550 5 7 1
        "the originator is not the one who signed the message";
    /// The one who signed is not a subject of this switch.
    OriginatorUnknown "originator.unknown" 550 5 7 1
        "the originator is not known here";
    /// The peer did not show who it is.
    PeerUnknown "peer.unknown" 550 5 7 1
        "the peer has not authenticated itself for this listener";
    /// The recipient is not a subject of this switch and no link takes it.
    RecipientUnknown "recipient.unknown" 550 5 1 1
        "the recipient is not known here";
    /// Somebody countersigned what they drafted.
    ReleaseByDrafter "release.by-drafter" 550 5 7 1
        "nobody releases what they drafted";
    /// The countersignature does not verify, or is not over this message.
    ReleaseInvalid "release.invalid" 550 5 7 7
        "a releasing signature does not verify";
    /// The message arrived without the release that its origin owes.
    ReleaseMissing "release.missing" 550 5 7 1
        "the message does not carry the release that is required";
    /// The one who countersigned has not the role.
    ReleaseNotAuthorised "release.not-authorised" 550 5 7 1
        "the releasing signature is not by somebody who may release this message";
    /// The domain cannot be sealed for: no certificate that may be used.
    SealImpossible "seal.impossible" 550 5 7 3
        "the message cannot be protected as the next domain requires";
    /// A signature does not verify: something was changed.
    SignatureInvalid "signature.invalid" 550 5 7 7
        "a signature of the message does not verify";
    /// There is no signature.
    SignatureMissing "signature.missing" 550 5 7 1
        "the message is not signed as this switch requires";
    /// A signature by an algorithm that is not good enough.
    SignatureWeak "signature.weak" 550 5 7 6
        "a signature of the message uses an algorithm that is not accepted";
    /// The signer's certificate does not lead to an anchor, is revoked, expired or not for signing.
    SignerUntrusted "signer.untrusted" 550 5 7 1
        "the certificate of a signer is not trusted here";
    /// It is larger than messages of its precedence may be (RFC 6710 section 7).
    TooLargeForPrecedence "message.too-large-for-precedence" 552 5 7 16
        "the message is too large for its precedence";
}

/// One reason inside a decision: which rule, held against which label and clearance value.
/// For the audit and for people who are cleared; never for the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The rule that spoke, such as `access.restrictive`.
    pub rule: String,
    /// What it says of this message.
    pub text: String,
    /// The element of the policy, with file and line, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element: Option<String>,
    /// The label value that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The clearance value that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
}

impl Ground {
    /// A ground that has no label or clearance value.
    pub fn new(rule: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            text: text.into(),
            ..Self::default()
        }
    }
}

impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)?;
        for (name, value) in [
            ("element", &self.element),
            ("label", &self.label),
            ("clearance", &self.clearance),
        ] {
            if let Some(value) = value {
                write!(f, " [{name} {value}]")?;
            }
        }
        Ok(())
    }
}

/// A message is at fault: why, about whom, and on what grounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The line of the table.
    pub reason: Reason,
    /// Whom it concerns, in words that the peer already knows: a recipient it named, or nobody.
    pub about: Option<String>,
    /// Inside only: what exactly was found.
    pub grounds: Vec<Ground>,
}

impl Refusal {
    /// A refusal with one ground, whose rule is the reason itself.
    pub fn because(reason: Reason, detail: impl Into<String>) -> Self {
        Self::on_grounds(reason, vec![Ground::new(reason.id(), detail)])
    }

    /// A refusal with the grounds that a rule gave.
    pub const fn on_grounds(reason: Reason, grounds: Vec<Ground>) -> Self {
        Self {
            reason,
            about: None,
            grounds,
        }
    }

    /// Says whom it concerns; only what the peer itself named may stand here.
    #[must_use]
    pub fn about(mut self, whom: impl fmt::Display) -> Self {
        self.about = Some(whom.to_string());
        self
    }
}

impl fmt::Display for Refusal {
    /// The public form: sentence, whom it concerns, stable id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.sentence())?;
        if let Some(about) = &self.about {
            write!(f, " <{about}>")?;
        }
        write!(f, " ({})", self.reason.id())
    }
}

/// We are at fault: what was attempted, and what stood in the way.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt}")]
pub struct Fault {
    attempt: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// A fault with its cause. `attempt` completes the sentence "cannot ...".
    pub fn new(
        attempt: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            attempt: attempt.into(),
            source: Some(source.into()),
        }
    }

    /// The whole chain of causes in one line, for log and audit.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_is_permanent_and_has_its_own_id() {
        let ids: BTreeSet<_> = Reason::ALL.iter().map(|r| r.id()).collect();
        assert_eq!(ids.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            assert!((500..600).contains(&reason.code()), "{}", reason.id());
            assert_eq!(reason.enhanced().0, 5, "{}", reason.id());
        }
    }

    #[test]
    fn the_public_form_tells_no_label_and_no_clearance() {
        let mut ground = Ground::new("access.classification", "SECRET is not in the clearance");
        ground.label = Some("SECRET".into());
        let refusal = Refusal::on_grounds(Reason::ClearanceInsufficient, vec![ground]);
        assert!(!refusal.to_string().contains("SECRET"), "{refusal}");
        assert!(refusal.grounds[0].to_string().contains("SECRET"));
    }

    #[test]
    fn a_fault_tells_its_whole_chain() {
        let fault = Fault::new("write the draft", std::io::Error::other("disk full"));
        assert_eq!(fault.chain(), "cannot write the draft: disk full");
    }
}
