//! The mark of the exercise: the certificate policy that stands in everything that the lab issues.
//!
//! Promises: the policy has a notice that says in words what it is; a marked authority marks what it
//! issues. It may issue under any policy besides, for exercises with policies.
//! Standards: RFC 5280 §4.2.1.4, RFC 5612 (the arc for documentation).

use der::asn1::ObjectIdentifier;

use crate::crypto::certificate::{Certificate, Extension};
use crate::crypto::tlv;

/// The policy of exercises, under the arc for documentation. It vouches for nothing.
pub const EXERCISE_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.9.1");
/// What its notice says.
pub const NOTICE: &str = "Exercise only: made by a Ravelin laboratory, not for operation.";

pub(super) const POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32");
const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");
/// id-qt-unotice.
const USER_NOTICE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.2.2");
const UTF8_STRING: u8 = 0x0c;

/// Whose certificate the mark stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Marked {
    Authority,
    EndEntity,
}

/// certificatePolicies with the policy of exercises.
pub(super) fn mark(whose: Marked) -> Extension {
    let text = tlv::element(UTF8_STRING, &[NOTICE.as_bytes()]);
    let notice = tlv::sequence(&[&tlv::oid(&USER_NOTICE), &tlv::sequence(&[&text])]);
    let own = tlv::sequence(&[&tlv::oid(&EXERCISE_POLICY), &tlv::sequence(&[&notice])]);
    let any = match whose {
        Marked::Authority => tlv::sequence(&[&tlv::oid(&ANY_POLICY)]),
        Marked::EndEntity => Vec::new(),
    };
    Extension {
        oid: POLICIES,
        critical: false,
        value: tlv::sequence(&[&own, &any]),
    }
}

/// Whether the certificate has the policy of exercises.
pub(super) fn is_marked(certificate: &Certificate) -> bool {
    let own = tlv::oid(&EXERCISE_POLICY);
    certificate
        .extension(&POLICIES)
        .is_some_and(|item| item.value.windows(own.len()).any(|part| part == own))
}
