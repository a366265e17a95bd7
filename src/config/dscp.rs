//! The mark of outgoing packets: a Differentiated Services codepoint.
//!
//! Standards: RFC 2474 §3; defaults by RFC 791 §3.1, whose precedence has the words of military
//! messages, read as class selectors (RFC 2474 §4.2.2). PRIORITY is AF11 (RFC 4594 §4.8), because
//! many networks still take class selector 1 for less than the best effort (RFC 8622 §3); DEFERRED is
//! that lower effort (RFC 8622).

use serde::{Deserialize, Deserializer, de};

use crate::message::Precedence;

/// A codepoint, 0 to 63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dscp(u8);

impl Dscp {
    /// The codepoint, where it is one.
    pub const fn new(value: u8) -> Option<Self> {
        match value < 64 {
            true => Some(Self(value)),
            false => None,
        }
    }

    /// The codepoint of a precedence where the configuration names none.
    pub const fn of(precedence: Precedence) -> Self {
        Self(match precedence {
            Precedence::Override => 32,
            Precedence::Flash => 24,
            Precedence::Immediate => 16,
            Precedence::Priority => 10,
            Precedence::Routine => 0,
            Precedence::Deferred => 1,
        })
    }

    /// The number.
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Dscp {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let value = u8::deserialize(source)?;
        let wrong = || de::Error::custom(format!("{value} is no codepoint: 0 to 63 are"));
        Self::new(value).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codepoint_has_six_bits() {
        assert_eq!(Dscp::new(63).map(Dscp::value), Some(63));
        assert_eq!(Dscp::new(64), None);
        assert!(serde_json::from_str::<Dscp>("46").is_ok());
        for wrong in ["64", "-1", "\"ef\""] {
            assert!(serde_json::from_str::<Dscp>(wrong).is_err(), "{wrong}");
        }
    }
}
