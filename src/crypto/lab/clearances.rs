//! Clearances in the lab's certificates, and authorities that may give only some.
//!
//! Promises: the extension says what was ordered, and nothing is checked: tests need wrong ones too.
//! Standards: RFC 5913 §2, §3.

use super::{Authority, FIVE_YEARS, LabError, P384, authority_extensions, later};
use crate::clock::Timestamp;
use crate::crypto::certificate::Extension;
use crate::crypto::clearance::{CONSTRAINTS, DIRECTORY_ATTRIBUTES};
use crate::crypto::tlv;
use crate::label::clearance::ATTRIBUTE;

/// The clearance attribute with this value, in DER.
pub fn attribute_der(clearance_der: &[u8]) -> Vec<u8> {
    let values = tlv::element(tlv::SET, &[clearance_der]);
    tlv::sequence(&[&tlv::oid(&ATTRIBUTE), &values])
}

/// subjectDirectoryAttributes with these attributes.
pub fn directory_attributes(attributes: &[&[u8]]) -> Extension {
    Extension {
        oid: DIRECTORY_ATTRIBUTES,
        critical: false,
        value: tlv::sequence(attributes),
    }
}

/// subjectDirectoryAttributes with this clearance alone.
pub fn clearance(clearance_der: &[u8]) -> Extension {
    directory_attributes(&[&attribute_der(clearance_der)])
}

/// Authority clearance constraints with these clearances.
pub fn constraints(critical: bool, clearances_der: &[&[u8]]) -> Extension {
    Extension {
        oid: CONSTRAINTS,
        critical,
        value: tlv::sequence(clearances_der),
    }
}

impl Authority {
    /// An authority below this one, with one more extension.
    ///
    /// # Errors
    /// As [`Authority::subordinate`].
    pub fn constrained(
        &self,
        name: &str,
        extension: Extension,
        now: Timestamp,
    ) -> Result<Self, LabError> {
        self.below(name, now, P384, later(now, FIVE_YEARS), |own| {
            let mut extensions = authority_extensions(own, self.spki(), None)?;
            extensions.push(extension);
            Ok(extensions)
        })
    }
}
