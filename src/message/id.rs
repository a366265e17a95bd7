//! Identifiers that the switch gives out: 128 bits, shown as 32 lower-case hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name([u8; 16]);

        impl $name {
            /// Names a thing by sixteen octets, as `Clock::fresh_id` gives them.
            pub const fn new(octets: [u8; 16]) -> Self {
                Self(octets)
            }

            /// The sixteen octets.
            pub const fn octets(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl FromStr for $name {
            type Err = NotAnIdentifier;

            fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
                u128::from_str_radix(text, 16)
                    .ok()
                    .filter(|_| text.len() == 32 && !text.starts_with('+'))
                    .map(|n| Self(n.to_be_bytes()))
                    .ok_or_else(|| NotAnIdentifier(text.chars().take(40).collect()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAnIdentifier;

            fn try_from(text: String) -> Result<Self, NotAnIdentifier> {
                text.parse()
            }
        }
    };
}

identifier! {
    /// One message as this switch received it.
    MessageId
}
identifier! {
    /// One sealed message for one next hop, in the queue.
    EntryId
}
identifier! {
    /// One held message and the signatures it still needs.
    DraftId
}

/// A text that is not 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an identifier: 32 hexadecimal digits are expected")]
pub struct NotAnIdentifier(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_read_as_it_is_shown() {
        let id = MessageId::new([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("ab".parse::<MessageId>().is_err());
        assert!(
            "+babababababababababababababababa"
                .parse::<MessageId>()
                .is_err()
        );
    }
}
