//! The parameters of MAIL and RCPT.
//!
//! Promises: each parameter is what its own standard says, or the reply that refuses it; times
//! stay as they were said (the session knows the time). Which of them was offered the session asks.
//! Refuses: unknown parameters (555), a parameter twice, values outside their grammar (501).
//! Standards: RFC 5321 §4.1.2; RFC 1870 §3; RFC 6152 §2; RFC 3030 §3; RFC 6710 §4; RFC 3461 §4;
//! RFC 2852 §4; RFC 4865 §4; RFC 8689 §2; RFC 6531 §3.4; RFC 4954 §5.

use std::time::Duration;

use super::super::Reply;
use super::argument;
use crate::clock::Timestamp;
use crate::message::envelope::Body;
use crate::message::mt_priority;
use crate::message::service::{Asked, ByMode, Notify, OriginalRecipient, RecipientService, Return};
use crate::message::xtext::Xtext;

/// The parameters of `MAIL`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// `SIZE`
    pub size: Option<u64>,
    /// `BODY`
    pub body: Option<Body>,
    /// `MT-PRIORITY`
    pub priority: Option<i8>,
    /// `ENVID`
    pub envelope_id: Option<Xtext>,
    /// `RET`
    pub returns: Option<Return>,
    /// `BY`
    pub by: Option<By>,
    /// `HOLDFOR` or `HOLDUNTIL`
    pub hold: Option<Hold>,
    /// `REQUIRETLS`
    pub require_tls: Asked,
    /// `SMTPUTF8`
    pub smtputf8: Asked,
    /// `AUTH`: who submitted it first, by the word of the client. It counts for nothing here.
    pub auth: Option<Xtext>,
}

/// The value of `BY`: seconds from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// Seconds; not above zero only where the mode is to notify.
    pub seconds: i64,
    /// What then.
    pub mode: ByMode,
    /// Whether a report of each relay is wanted.
    pub trace: Asked,
}

/// The value of `HOLDFOR` or `HOLDUNTIL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `HOLDFOR`
    For(Duration),
    /// `HOLDUNTIL`
    Until(Timestamp),
}

/// The parameters of `MAIL FROM:<path>`.
pub(super) fn mail(text: &str) -> Result<MailParameters, Reply> {
    let mut read = MailParameters::default();
    for (keyword, value) in split(text)? {
        match keyword.as_str() {
            "SIZE" => set(&mut read.size, value.and_then(size), 4)?,
            "BODY" => set(&mut read.body, value.and_then(body), 4)?,
            // RFC 6710 §4.1: 501 5.5.2 for a bad or second one
            "MT-PRIORITY" => set(&mut read.priority, value.and_then(mt_priority), 2)?,
            "ENVID" => set(&mut read.envelope_id, value.and_then(envelope_id), 4)?,
            "RET" => set(&mut read.returns, value.and_then(returns), 4)?,
            "BY" => set(&mut read.by, value.and_then(by), 4)?,
            // RFC 4865 §4.2: one of the two, once
            "HOLDFOR" => set(&mut read.hold, value.and_then(hold_for), 4)?,
            "HOLDUNTIL" => set(&mut read.hold, value.and_then(hold_until), 4)?,
            "REQUIRETLS" => flag(&mut read.require_tls, value)?,
            "SMTPUTF8" => flag(&mut read.smtputf8, value)?,
            "AUTH" => set(&mut read.auth, value.and_then(|v| Xtext::parse(v).ok()), 4)?,
            _ => return Err(unknown(&keyword)),
        }
    }
    Ok(read)
}

/// The parameters of `RCPT TO:<path>`. What is in UTF-8 the session takes only after SMTPUTF8.
pub(super) fn rcpt(text: &str) -> Result<RecipientService, Reply> {
    let mut read = RecipientService::default();
    for (keyword, value) in split(text)? {
        match keyword.as_str() {
            "NOTIFY" => set(&mut read.notify, value.and_then(notify), 4)?,
            "ORCPT" => {
                let original = |v| OriginalRecipient::parse(v, true).ok();
                set(&mut read.original, value.and_then(original), 4)?;
            }
            _ => return Err(unknown(&keyword)),
        }
    }
    Ok(read)
}

// RFC 5321 §4.1.2 (esmtp-param); RFC 6531 §3.3: a value may hold UTF-8
fn split(text: &str) -> Result<Vec<(String, Option<&str>)>, Reply> {
    let mut found = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let is_keyword = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let fits =
            |c: char| (c.is_ascii_graphic() && c != '=') || (!c.is_ascii() && !c.is_control());
        let is_value = value.is_none_or(|v| !v.is_empty() && v.chars().all(fits));
        if !is_keyword || !is_value {
            return Err(argument("parameters are KEYWORD or KEYWORD=value"));
        }
        found.push((keyword.to_ascii_uppercase(), value));
    }
    Ok(found)
}

/// `detail` is the last number of the enhanced code of the refusal.
fn set<T>(place: &mut Option<T>, value: Option<T>, detail: u16) -> Result<(), Reply> {
    let refused = |text| Err(Reply::new(501, (5, 5, detail), text));
    match (place.is_some(), value) {
        (true, _) => refused("a parameter stands twice"),
        (false, None) => refused("a parameter has no valid value"),
        (false, value) => {
            *place = value;
            Ok(())
        }
    }
}

fn flag(place: &mut Asked, value: Option<&str>) -> Result<(), Reply> {
    let mut once = place.is_yes().then_some(());
    set(&mut once, value.is_none().then_some(()), 4)?;
    *place = Asked::Yes;
    Ok(())
}

// RFC 1870 §3: 1*20DIGIT
fn size(value: &str) -> Option<u64> {
    let digits = value.len() <= 20 && value.bytes().all(|b| b.is_ascii_digit());
    // Twenty digits may be more than we can count: that is too large in any case.
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

// RFC 6152 §2, RFC 3030 §3
fn body(value: &str) -> Option<Body> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Some(Body::SevenBit),
        "8BITMIME" => Some(Body::EightBitMime),
        "BINARYMIME" => Some(Body::BinaryMime),
        _ => None,
    }
}

// RFC 3461 §4.4: at most 100 characters
fn envelope_id(value: &str) -> Option<Xtext> {
    Xtext::parse(value).ok().filter(|_| value.len() <= 100)
}

// RFC 3461 §4.3
fn returns(value: &str) -> Option<Return> {
    match value.to_ascii_uppercase().as_str() {
        "FULL" => Some(Return::Full),
        "HDRS" => Some(Return::Headers),
        _ => None,
    }
}

// RFC 3461 §4.1: NEVER alone, or a list; twice the same is no list
fn notify(value: &str) -> Option<Notify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::default());
    }
    let mut notify = Notify::default();
    for word in value.split(',') {
        let place = match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => &mut notify.success,
            "FAILURE" => &mut notify.failure,
            "DELAY" => &mut notify.delay,
            _ => return None,
        };
        if place.is_yes() {
            return None;
        }
        *place = Asked::Yes;
    }
    Some(notify)
}

// RFC 2852 §4: seconds, with a sign or none; N or R; T or nothing
fn by(value: &str) -> Option<By> {
    let (seconds, mode) = value.split_once(';')?;
    let digits = seconds.strip_prefix(['-', '+']).unwrap_or(seconds);
    let counts = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let seconds: i64 = seconds.parse().ok().filter(|_| counts)?;
    let (mode, trace) = match mode.to_ascii_uppercase().as_str() {
        "N" => (ByMode::Notify, Asked::No),
        "NT" => (ByMode::Notify, Asked::Yes),
        "R" => (ByMode::Return, Asked::No),
        "RT" => (ByMode::Return, Asked::Yes),
        _ => return None,
    };
    // RFC 2852 §4: to be returned in the past makes no sense
    (mode == ByMode::Notify || seconds > 0).then_some(By {
        seconds,
        mode,
        trace,
    })
}

// RFC 4865 §4.1: 1 to 9 digits, the first of them no zero
fn hold_for(value: &str) -> Option<Hold> {
    let counts =
        value.len() <= 9 && !value.starts_with('0') && value.bytes().all(|b| b.is_ascii_digit());
    let seconds = value.parse().ok().filter(|_| counts)?;
    Some(Hold::For(Duration::from_secs(seconds)))
}

// RFC 4865 §4.1: a date and time of RFC 3339, with its zone
fn hold_until(value: &str) -> Option<Hold> {
    let shape = value.len() >= 20 && value.as_bytes().get(10).is_some_and(|t| *t == b'T');
    value.parse().ok().filter(|_| shape).map(Hold::Until)
}

fn unknown(keyword: &str) -> Reply {
    let keyword: String = keyword.chars().take(40).collect();
    Reply::new(
        555,
        (5, 5, 4),
        &format!("the parameter {keyword} is not offered"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read() {
        let read = mail(
            "RET=hdrs ENVID=QQ+2B1 BY=-5;nt HOLDFOR=60 REQUIRETLS SMTPUTF8 BODY=BINARYMIME AUTH=<>",
        )
        .unwrap();
        assert_eq!(read.returns, Some(Return::Headers));
        assert_eq!(read.envelope_id.unwrap().decoded(), "QQ+1");
        assert_eq!(
            read.by,
            Some(By {
                seconds: -5,
                mode: ByMode::Notify,
                trace: Asked::Yes
            })
        );
        assert_eq!(read.hold, Some(Hold::For(Duration::from_secs(60))));
        assert_eq!(read.body, Some(Body::BinaryMime));
        assert!(read.require_tls.is_yes() && read.smtputf8.is_yes());
        let until = mail("HOLDUNTIL=2026-11-21T14:00:00+01:00").unwrap().hold;
        assert_eq!(
            until,
            Some(Hold::Until("2026-11-21T13:00:00Z".parse().unwrap()))
        );
        let read = rcpt("NOTIFY=success,DELAY ORCPT=rfc822;b@y.example").unwrap();
        assert_eq!(read.notify.unwrap().to_string(), "SUCCESS,DELAY");
        assert_eq!(read.original.unwrap().as_str(), "rfc822;b@y.example");
        assert!(rcpt("NOTIFY=NEVER").unwrap().notify.unwrap().is_never());
        for value in -9..=9_i8 {
            let text = format!("MT-PRIORITY={value}");
            assert_eq!(mail(&text).unwrap().priority, Some(value));
        }
    }

    #[test]
    fn values_outside_their_grammar_are_refused() {
        for text in [
            "RET=BODY",
            "RET",
            "RET=FULL RET=FULL",
            "ENVID=+0D+0A",
            "ENVID=",
            "BY=0;R",
            "BY=-1;R",
            "BY=5",
            "BY=5;X",
            "BY=5;TN",
            "BY=1234567890;N",
            "BY=--5;N",
            "BY=;N",
            "HOLDFOR=0",
            "HOLDFOR=-1",
            "HOLDFOR=1234567890",
            "HOLDUNTIL=2026-11-21",
            "HOLDUNTIL=2026-11-21T14:00:00",
            "HOLDFOR=5 HOLDUNTIL=2026-11-21T14:00:00Z",
            "REQUIRETLS=yes",
            "REQUIRETLS REQUIRETLS",
            "SMTPUTF8=1",
            "AUTH=a=b",
        ] {
            assert_eq!(mail(text).unwrap_err().code, 501, "{text}");
        }
        assert_eq!(
            mail(&format!("ENVID={}", "a".repeat(101)))
                .unwrap_err()
                .code,
            501
        );
        for text in [
            "NOTIFY=",
            "NOTIFY=NEVER,SUCCESS",
            "NOTIFY=SUCCESS,SUCCESS",
            "NOTIFY=SUCCESS,",
            "NOTIFY=ALWAYS",
            "NOTIFY=NEVER NOTIFY=NEVER",
            "ORCPT=rfc822;a+0D+0Ab",
            "ORCPT=a@x",
        ] {
            assert_eq!(rcpt(text).unwrap_err().code, 501, "{text}");
        }
        assert_eq!(mail("NOTIFY=NEVER").unwrap_err().code, 555);
        assert_eq!(rcpt("RET=FULL").unwrap_err().code, 555);
    }
}
