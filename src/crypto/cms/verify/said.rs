//! What a signer says in the signed attributes that this room knows.
//!
//! Promises: each is `None` when the attribute is absent, there more than once, or without exactly
//! one value; what the report calls good was readable.
//! Standards: RFC 5652 section 11; RFC 2634 sections 2.7 to 2.11, 4.4; RFC 8551 section 2.5.

use const_oid::ObjectIdentifier;

use crate::crypto::ber::{BerError, Reader};
use crate::crypto::cms::oid;
use crate::crypto::ess::{
    self, Capability, ContentHints, ContentReference, EncryptionKeyPreference, MailListHistory,
    ReceiptRequest,
};

use super::SignerReport;

impl SignerReport {
    /// The value of a signed attribute of which there is exactly one with exactly one value.
    pub fn value(&self, oid: &ObjectIdentifier) -> Option<&[u8]> {
        self.signed_values
            .iter()
            .find(|(of, _)| of == oid)
            .map(|(_, value)| value.as_slice())
    }

    /// contentType: what the content is.
    pub fn content_type(&self) -> Option<ObjectIdentifier> {
        Reader::new(self.value(&oid::CONTENT_TYPE)?, Default::default())
            .oid()
            .ok()
    }

    /// receiptRequest: who is to send a signed receipt, and where to.
    pub fn receipt_request(&self) -> Option<ReceiptRequest> {
        ReceiptRequest::read(self.value(&ess::RECEIPT_REQUEST)?).ok()
    }

    /// contentHint: what is inside.
    pub fn content_hints(&self) -> Option<ContentHints> {
        ContentHints::read(self.value(&ess::CONTENT_HINTS)?).ok()
    }

    /// contentIdentifier.
    pub fn content_identifier(&self) -> Option<Vec<u8>> {
        ess::read_octets(self.value(&ess::CONTENT_IDENTIFIER)?).ok()
    }

    /// contentReference: to which other signed content this one refers.
    pub fn content_reference(&self) -> Option<ContentReference> {
        ContentReference::read(self.value(&ess::CONTENT_REFERENCE)?).ok()
    }

    /// mlExpansionHistory: the mail lists on the way.
    pub fn mail_list_history(&self) -> Option<MailListHistory> {
        MailListHistory::read(self.value(&ess::ML_EXPANSION_HISTORY)?).ok()
    }

    /// msgSigDigest: in a receipt, the digest over the signed attributes of the original.
    pub fn quoted_signature_digest(&self) -> Option<Vec<u8>> {
        ess::read_octets(self.value(&ess::MESSAGE_SIGNATURE_DIGEST)?).ok()
    }

    /// smimeCapabilities: what the signer can read.
    pub fn capabilities(&self) -> Option<Vec<Capability>> {
        ess::read_smime_capabilities(self.value(&ess::SMIME_CAPABILITIES)?).ok()
    }

    /// The certificate for which the signer wants to be written to.
    pub fn encryption_key_preference(&self) -> Option<EncryptionKeyPreference> {
        EncryptionKeyPreference::read(self.value(&ess::ENCRYPTION_KEY_PREFERENCE)?).ok()
    }
}

/// Whether the value of a known attribute can be read. Labels are for the label room.
pub(super) fn is_readable(attribute: &ObjectIdentifier, value: &[u8]) -> bool {
    fn good<T>(read: Result<T, BerError>) -> bool {
        read.is_ok()
    }
    match *attribute {
        ess::RECEIPT_REQUEST => good(ReceiptRequest::read(value)),
        ess::ML_EXPANSION_HISTORY => good(MailListHistory::read(value)),
        ess::CONTENT_HINTS => good(ContentHints::read(value)),
        ess::MESSAGE_SIGNATURE_DIGEST | ess::CONTENT_IDENTIFIER => good(ess::read_octets(value)),
        ess::EQUIVALENT_LABELS => good(ess::read_equivalent_labels(value)),
        ess::CONTENT_REFERENCE => good(ContentReference::read(value)),
        ess::SIGNATURE_TYPE => good(ess::read_signature_type(value)),
        ess::SMIME_CAPABILITIES => good(ess::read_smime_capabilities(value)),
        ess::ENCRYPTION_KEY_PREFERENCE => good(EncryptionKeyPreference::read(value)),
        _ => true,
    }
}
