//! Values that carry their unit: `"12h"`, `"50MiB"`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A number of octets, written with its unit: `"64KiB"`, `"50MiB"`, `"512B"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A span of time, written with its unit: `"30s"`, `"5m"`, `"12h"`, `"3d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(pub Duration);

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            n if n % (1 << 20) == 0 => write!(f, "{}MiB", n >> 20),
            n if n % (1 << 10) == 0 => write!(f, "{}KiB", n >> 10),
            n => write!(f, "{n}B"),
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
}
