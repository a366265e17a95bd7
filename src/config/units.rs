//! Values that carry their unit: `"12h"`, `"50MiB"`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::crypto::trust::{StaleRule, Suite};

/// A number of octets, written with its unit: `"64KiB"`, `"50MiB"`, `"512B"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A span of time, written with its unit: `"30s"`, `"5m"`, `"12h"`, `"3d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(pub Duration);

/// A short span of time, written with its unit: `"250ms"`, `"5s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait(pub Duration);

impl Wait {
    /// In milliseconds.
    pub const fn milliseconds(self) -> u64 {
        self.0.as_secs() * 1000 + self.0.subsec_millis() as u64
    }
}

/// A share of a whole, written with its sign: `"15%"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n % (1 << 20) == 0 => write!(f, "{}MiB", n >> 20),
            n if n % (1 << 10) == 0 => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.milliseconds() {
            n if n % 60_000 == 0 => write!(f, "{}m", n / 60_000),
            n if n % 1000 == 0 => write!(f, "{}s", n / 1000),
            n => write!(f, "{n}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let units = [
            ("B", 1),
            ("KiB", 1 << 10),
            ("MiB", 1 << 20),
            ("GiB", 1 << 30),
        ];
        measure(&String::deserialize(source)?, &units)
            .map(Self)
            .map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Life {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
        measure(&String::deserialize(source)?, &units)
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Wait {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let units = [("ms", 1), ("s", 1000), ("m", 60_000)];
        measure(&String::deserialize(source)?, &units)
            .map(|milliseconds| Self(Duration::from_millis(milliseconds)))
            .map_err(de::Error::custom)
    }
}

/// What happens when revocation lists are out of date: `"hold"`, `"refuse"`, `"accept-until 12h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale(pub StaleRule);

impl<'de> Deserialize<'de> for Stale {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let units = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
        let rule = match text.strip_prefix("accept-until ") {
            Some(age) => {
                let seconds = measure(age, &units).map_err(de::Error::custom)?;
                let seconds = i64::try_from(seconds).map_err(de::Error::custom)?;
                StaleRule::AcceptUntil(jiff::SignedDuration::from_secs(seconds))
            }
            None if text == "hold" => StaleRule::Hold,
            None if text == "refuse" => StaleRule::Refuse,
            None => {
                return Err(de::Error::custom(format!(
                    "{text:?} is not a rule for stale lists; write \"hold\", \"refuse\" or \
                     \"accept-until 12h\""
                )));
            }
        };
        Ok(Self(rule))
    }
}

/// The floor under algorithms and keys: `"cnsa1"`, `"modern"`, `"legacy-read"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteName(pub Suite);

impl<'de> Deserialize<'de> for SuiteName {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        Suite::from_name(&text).map(Self).ok_or_else(|| {
            let names = Suite::ALL.map(Suite::name).join(", ");
            de::Error::custom(format!("{text:?} is not a suite; the suites are {names}"))
        })
    }
}

/// A number and one of `units`, with nothing between them.
fn measure(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let names = || {
        units
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let factor = units
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| format!("{text:?} needs a number and one of the units {}", names()))?
        .1;
    number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(|| format!("{text:?} is not a number that fits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Both {
        size: ByteSize,
        life: Life,
    }

    #[test]
    fn a_value_carries_its_unit() {
        let both: Both = toml::from_str("size = \"50MiB\"\nlife = \"12h\"").unwrap();
        assert_eq!(both.size, ByteSize(50 << 20));
        assert_eq!(both.life, Life(Duration::from_secs(12 * 3600)));
        for bad in [
            "size = \"50\"\nlife = \"1s\"",
            "size = \"1B\"\nlife = \"-3h\"",
        ] {
            assert!(toml::from_str::<Both>(bad).is_err(), "{bad}");
        }
        assert!(toml::from_str::<Both>("size = \"99999999999999999999B\"\nlife = \"1s\"").is_err());
    }

    #[test]
    fn rules_for_stale_lists_and_suites_are_read_or_explained() {
        #[derive(Deserialize)]
        struct Both {
            stale: Stale,
            suite: SuiteName,
        }
        let read = |stale: &str, suite: &str| {
            toml::from_str::<Both>(&format!("stale = {stale:?}\nsuite = {suite:?}"))
                .map(|both| (both.stale.0, both.suite.0))
                .map_err(|error| error.to_string())
        };
        let age = jiff::SignedDuration::from_hours(36);
        for (text, rule) in [
            ("hold", StaleRule::Hold),
            ("refuse", StaleRule::Refuse),
            ("accept-until 36h", StaleRule::AcceptUntil(age)),
        ] {
            assert_eq!(read(text, "cnsa1"), Ok((rule, Suite::Cnsa1)));
        }
        for text in ["accept", "accept-until", "accept-until 36", "Hold", ""] {
            assert!(read(text, "modern").is_err(), "{text}");
        }
        assert!(read("hold", "ancient").unwrap_err().contains("legacy-read"));
    }
}
