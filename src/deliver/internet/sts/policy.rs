//! What a domain publishes by MTA-STS: the record in DNS that says that there is a policy, and the
//! policy. No sockets.
//!
//! Promises: unknown fields are passed over, as they must be; of a field that stands twice the first
//! counts. Refuses: another version, a mode or an age that is none, a mode that wants hosts without any,
//! a pattern that is no host; anything larger than 64 KiB.
//! Standards: RFC 8461 §3.1, §3.2, §4.1.

use std::time::Duration;

/// Octets of a policy.
pub const LONGEST: usize = 64 << 10;
/// Lines of a policy, and hosts in it.
const MOST_LINES: usize = 1024;
/// RFC 8461 §3.2: a year or so.
const OLDEST: u64 = 31_557_600;

/// What a sender is to do with a host that the policy does not vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It gets nothing.
    Enforce,
    /// The domain has no policy any more.
    None,
    /// It is told of, and gets the message.
    Testing,
}

/// A policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What it asks for.
    pub mode: Mode,
    /// How long it counts.
    pub max_age: Duration,
    hosts: Vec<String>,
}

/// Why a policy is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A field that must be there is not, or not as it must be.
    #[error("the field {0} is missing or malformed")]
    Field(&'static str),
    /// It has a line that is no field.
    #[error("a line is no field")]
    Line,
    /// It is too long.
    #[error("the policy is too long")]
    Long,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Why it is none.
    // RFC 8461 §3.2
    pub fn read(octets: &[u8]) -> Result<Self, PolicyError> {
        if octets.len() > LONGEST {
            return Err(PolicyError::Long);
        }
        let text = std::str::from_utf8(octets).map_err(|_| PolicyError::Line)?;
        let (mut version, mut mode, mut max_age) = (None, None, None);
        let mut hosts = Vec::new();
        for (number, line) in text.split_terminator('\n').enumerate() {
            if number >= MOST_LINES {
                return Err(PolicyError::Long);
            }
            let line = line.strip_suffix('\r').unwrap_or(line);
            let (name, value) = field(line).ok_or(PolicyError::Line)?;
            match name {
                "version" => _ = version.get_or_insert(value),
                "mode" => _ = mode.get_or_insert(value),
                "max_age" => _ = max_age.get_or_insert(value),
                "mx" => hosts.push(pattern(value).ok_or(PolicyError::Field("mx"))?),
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err(PolicyError::Field("version"));
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("none") => Mode::None,
            Some("testing") => Mode::Testing,
            _ => return Err(PolicyError::Field("mode")),
        };
        let max_age = max_age.and_then(age).ok_or(PolicyError::Field("max_age"))?;
        if hosts.is_empty() && mode != Mode::None {
            return Err(PolicyError::Field("mx"));
        }
        Ok(Self {
            mode,
            max_age,
            hosts,
        })
    }

    // RFC 8461 §4.1: a wildcard stands for exactly one label, the leftmost
    /// Whether a host (lower case, no dot at its end) is one of those that the domain names.
    pub fn names(&self, host: &str) -> bool {
        self.hosts
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(domain) => host
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
                None => pattern == host,
            })
    }
}

/// The name and the value of a field.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"_-.".contains(&octet);
    let blank = [' ', '\t'];
    let value = value.trim_matches(blank);
    let is_text = value.chars().all(|c| !c.is_control());
    (!name.is_empty() && name.bytes().all(is_plain) && is_text).then_some((name, value))
}

/// A host, or one with a wildcard, in lower case.
fn pattern(value: &str) -> Option<String> {
    let host = value.strip_prefix("*.").unwrap_or(value);
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_".contains(&octet);
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_plain);
    let is_host = value.len() <= 255 && host.split('.').all(is_label);
    is_host.then(|| value.to_ascii_lowercase())
}

fn age(value: &str) -> Option<Duration> {
    let is_number = (1..=10).contains(&value.len()) && value.bytes().all(|o| o.is_ascii_digit());
    let seconds: u64 = is_number.then(|| value.parse().ok())??;
    Some(Duration::from_secs(seconds.min(OLDEST)))
}

/// The id in the records at `_mta-sts.`; nothing where there is no policy, or more than one.
// RFC 8461 §3.1
pub fn id<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut ours = records
        .into_iter()
        .filter_map(|record| std::str::from_utf8(record).ok())
        .filter(|record| record.starts_with("v=STSv1;"));
    let (record, other) = (ours.next()?, ours.next());
    if other.is_some() {
        return None;
    }
    let blank = [' ', '\t'];
    let value = record
        .split(';')
        .find_map(|field| field.trim_matches(blank).strip_prefix("id="))?;
    let is_id = (1..=32).contains(&value.len()) && value.bytes().all(|o| o.is_ascii_alphanumeric());
    is_id.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "version: STSv1\r\nmode: enforce\r\nmx: mail.far.example\r\n\
        mx: *.Far.example\r\nmax_age: 604800\r\n";

    fn read(text: &str) -> Result<Policy, PolicyError> {
        Policy::read(text.as_bytes())
    }

    #[test]
    fn a_policy_is_read_and_unknown_fields_are_passed_over() {
        let policy = read(GOOD).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.max_age, Duration::from_secs(604_800));
        let more = GOOD
            .replace("mode:", "x-more: 1\r\nmode:\t")
            .replace("\r\n", "\n");
        assert_eq!(read(&more).unwrap(), policy);
        // Of two the first counts; the last line may lack its end.
        let twice = format!("{GOOD}mode: none\r\nmax_age: 1");
        assert_eq!(read(&twice).unwrap(), policy);
        let none = read("version: STSv1\nmode: none\nmax_age: 86400\n").unwrap();
        assert_eq!(none.mode, Mode::None);
        let old = GOOD.replace("604800", "9999999999");
        assert_eq!(read(&old).unwrap().max_age.as_secs(), OLDEST);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (from, to, wrong) in [
            (
                "version: STSv1",
                "version: STSv2",
                PolicyError::Field("version"),
            ),
            ("version: STSv1\r\n", "", PolicyError::Field("version")),
            ("mode: enforce", "mode: Enforce", PolicyError::Field("mode")),
            ("mode: enforce\r\n", "", PolicyError::Field("mode")),
            (
                "max_age: 604800",
                "max_age: -1",
                PolicyError::Field("max_age"),
            ),
            (
                "max_age: 604800",
                "max_age: 60480000000",
                PolicyError::Field("max_age"),
            ),
            ("max_age: 604800", "max_age:", PolicyError::Field("max_age")),
            (
                "mx: mail.far.example",
                "mx: mail..example",
                PolicyError::Field("mx"),
            ),
            (
                "mx: mail.far.example",
                "mx: m*.example",
                PolicyError::Field("mx"),
            ),
            ("mx: mail.far.example", "mx: *", PolicyError::Field("mx")),
            ("mx: mail.far.example", "no field", PolicyError::Line),
            ("mx: mail.far.example", "mx: a\rb", PolicyError::Line),
            (
                "mx: mail.far.example\r\nmx: *.Far.example\r\n",
                "",
                PolicyError::Field("mx"),
            ),
        ] {
            assert!(GOOD.contains(from));
            assert_eq!(read(&GOOD.replacen(from, to, 1)), Err(wrong), "{to}");
        }
        assert_eq!(read("<html>"), Err(PolicyError::Line));
        assert_eq!(Policy::read(&[0xff]), Err(PolicyError::Line));
        let lines = format!("{GOOD}{}", "x: y\n".repeat(MOST_LINES));
        assert_eq!(read(&lines), Err(PolicyError::Long));
        let long = format!("{GOOD}x: {}", "y".repeat(LONGEST));
        assert_eq!(read(&long), Err(PolicyError::Long));
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let policy = read(GOOD).unwrap();
        for host in ["mail.far.example", "other.far.example"] {
            assert!(policy.names(host), "{host}");
        }
        for host in [
            "far.example",
            ".far.example",
            "a.b.far.example",
            "mail.far.example.org",
            "evilfar.example",
            "",
        ] {
            assert!(!policy.names(host), "{host}");
        }
    }

    #[test]
    fn one_record_tells_the_id() {
        let of = |records: &[&str]| id(records.iter().map(|record| record.as_bytes()));
        assert_eq!(
            of(&["v=STSv1; id=20261121T0830;"]).unwrap(),
            "20261121T0830"
        );
        assert_eq!(of(&["v=spf1 -all", "v=STSv1;id=1"]).unwrap(), "1");
        assert_eq!(of(&["v=STSv1; x=y; id=a; id=b"]).unwrap(), "a");
        let long = format!("v=STSv1; id={}", "1".repeat(33));
        for none in [
            &["v=STSv1; id=1;", "v=STSv1; id=2;"][..],
            &["v=STSv2; id=1"],
            &["v=STSv1"],
            &["v=STSv1; id="],
            &["v=STSv1; id=a-b"],
            &[&long],
            &[],
        ] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Policy::read(&octets);
            let _ = id([&octets[..]]);
        }

        #[test]
        fn fields_in_any_order_are_the_same_policy(
            order in Just(GOOD.lines().collect::<Vec<_>>()).prop_shuffle()
        ) {
            let text = order.join("\r\n");
            let (policy, other) = (read(GOOD).unwrap(), read(&text).unwrap());
            prop_assert_eq!(policy.mode, other.mode);
            prop_assert!(other.names("mail.far.example") && !other.names("far.example"));
        }
    }
}
