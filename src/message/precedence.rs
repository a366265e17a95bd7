//! Precedence: how urgent a message is, in the words of RFC 6477 and the numbers of RFC 6710.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The six precedences of RFC 6477 section 4.8, least urgent first, so that `>` means "overtakes".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Precedence {
    /// 0, MT-PRIORITY -4.
    Deferred,
    /// 1, MT-PRIORITY -2. What a message has that says nothing.
    #[default]
    Routine,
    /// 2, MT-PRIORITY 0.
    Priority,
    /// 3, MT-PRIORITY 2.
    Immediate,
    /// 4, MT-PRIORITY 4.
    Flash,
    /// 5, MT-PRIORITY 6.
    Override,
}

impl Precedence {
    /// All of them, least urgent first.
    pub const ALL: [Self; 6] = [
        Self::Deferred,
        Self::Routine,
        Self::Priority,
        Self::Immediate,
        Self::Flash,
        Self::Override,
    ];

    /// The number that RFC 6477 section 4.8 gives it: 0 to 5.
    pub const fn number(self) -> u8 {
        match self {
            Self::Deferred => 0,
            Self::Routine => 1,
            Self::Priority => 2,
            Self::Immediate => 3,
            Self::Flash => 4,
            Self::Override => 5,
        }
    }

    /// The precedence with this RFC 6477 number; numbers above 5 are national or reserved: `None`.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.number() == number)
    }

    // RFC 6710 Appendix A (STANAG 4406 policy)
    /// The MT-PRIORITY value of the STANAG4406 policy: -4 to 6.
    pub const fn mt_priority(self) -> i8 {
        match self {
            Self::Deferred => -4,
            Self::Routine => -2,
            Self::Priority => 0,
            Self::Immediate => 2,
            Self::Flash => 4,
            Self::Override => 6,
        }
    }

    // RFC 6710 §5.1: a value between two levels is rounded up to the next one
    /// The precedence for an MT-PRIORITY value of -9 to 9.
    pub fn from_mt_priority(value: i8) -> Self {
        Self::ALL
            .into_iter()
            .find(|p| p.mt_priority() >= value)
            .unwrap_or(Self::Override)
    }
}

// RFC 6710 §6: "0" or [-] 1 to 9
/// The number that `MT-PRIORITY`, or the field of its tunnel, says.
pub fn mt_priority(value: &str) -> Option<i8> {
    let digit = value.strip_prefix('-').unwrap_or(value);
    let single = digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit());
    value.parse().ok().filter(|_| single && value != "-0")
}

impl fmt::Display for Precedence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Deferred => "DEFERRED",
            Self::Routine => "ROUTINE",
            Self::Priority => "PRIORITY",
            Self::Immediate => "IMMEDIATE",
            Self::Flash => "FLASH",
            Self::Override => "OVERRIDE",
        })
    }
}

impl FromStr for Precedence {
    type Err = UnknownPrecedence;

    /// Reads the word, in any case.
    fn from_str(word: &str) -> Result<Self, UnknownPrecedence> {
        Self::ALL
            .into_iter()
            .find(|p| p.to_string().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownPrecedence(word.chars().take(40).collect()))
    }
}

/// A word that names no precedence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a precedence: deferred, routine, priority, immediate, flash or override")]
pub struct UnknownPrecedence(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_between_two_levels_round_up() {
        assert_eq!(Precedence::from_mt_priority(-9), Precedence::Deferred);
        assert_eq!(Precedence::from_mt_priority(-3), Precedence::Routine);
        assert_eq!(Precedence::from_mt_priority(1), Precedence::Immediate);
        assert_eq!(Precedence::from_mt_priority(5), Precedence::Override);
        assert_eq!(Precedence::from_mt_priority(9), Precedence::Override);
    }

    #[test]
    fn words_and_numbers_name_the_same_precedence() {
        for precedence in Precedence::ALL {
            assert_eq!(
                precedence.to_string().to_lowercase().parse(),
                Ok(precedence)
            );
            assert_eq!(
                Precedence::from_number(precedence.number()),
                Some(precedence)
            );
        }
        assert_eq!(Precedence::from_number(6), None);
    }
}
