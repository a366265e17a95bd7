//! XCLIENT: for whom a proxy speaks. Read only; who may say it the session knows.
//!
//! Promises: what is read is an address, or that the proxy does not know it; the other attributes
//! are claims that nobody here needs: read, and dropped.
//! Refuses: LOGIN, which would log somebody in; attributes that were not offered; one twice.
//! Standards: Postfix's XCLIENT_README; RFC 3461 §4 (xtext).

use std::net::IpAddr;

use super::super::Reply;
use super::argument;
use crate::message::xtext::Xtext;

/// What a proxy says of its client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Where it comes from, if the proxy knows.
    pub address: Option<IpAddr>,
}

/// The attributes that are offered.
pub(in crate::smtp) const OFFERED: &str = "XCLIENT NAME ADDR PORT PROTO HELO";

/// Reads the attributes.
pub(super) fn read(text: &str) -> Result<Client, Reply> {
    let wrong = || argument("XCLIENT NAME=value [...] is expected");
    let mut seen: Vec<String> = Vec::new();
    let mut client = Client::default();
    for attribute in text.split(' ').filter(|attribute| !attribute.is_empty()) {
        let (name, value) = attribute.split_once('=').ok_or_else(wrong)?;
        let name = name.to_ascii_uppercase();
        let value = Xtext::parse(value).map_err(|_| wrong())?.decoded();
        if seen.contains(&name) {
            return Err(argument("an attribute of XCLIENT stands twice"));
        }
        match name.as_str() {
            "ADDR" => client.address = address(&value).ok_or_else(wrong)?,
            "HELO" | "NAME" | "PORT" | "PROTO" => {}
            _ => return Err(argument("this attribute of XCLIENT is not offered")),
        }
        seen.push(name);
    }
    match seen.is_empty() {
        true => Err(wrong()),
        false => Ok(client),
    }
}

/// An address, or nothing where the proxy has none.
fn address(value: &str) -> Option<Option<IpAddr>> {
    let upper = value.to_ascii_uppercase();
    match upper.as_str() {
        "[UNAVAILABLE]" | "[TEMPUNAVAIL]" => Some(None),
        _ => {
            let bare = match upper.starts_with("IPV6:") {
                true => value.get(5..)?,
                false => value,
            };
            let address: IpAddr = bare.parse().ok()?;
            // The prefix says IPv6, and nothing else does.
            (address.is_ipv6() == (bare.len() != value.len())).then_some(Some(address))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_claims_are_dropped() {
        let client = |text| read(text).map(|client| client.address.map(|a| a.to_string()));
        assert_eq!(client("ADDR=192.0.2.1"), Ok(Some("192.0.2.1".into())));
        assert_eq!(
            client("NAME=spike.example ADDR=IPV6:2001:db8::1 PROTO=ESMTP HELO=a+20b PORT=25"),
            Ok(Some("2001:db8::1".into()))
        );
        assert_eq!(client("addr=[unavailable]"), Ok(None));
        assert_eq!(client("NAME=[TEMPUNAVAIL]"), Ok(None));
    }

    #[test]
    fn what_was_not_offered_is_refused() {
        for wrong in [
            "",
            " ",
            "ADDR",
            "ADDR=",
            "ADDR=192.0.2.256",
            "ADDR=2001:db8::1",
            "ADDR=IPV6:192.0.2.1",
            "ADDR=192.0.2.1 ADDR=192.0.2.2",
            "ADDR=192.0.2.1 addr=192.0.2.1",
            "LOGIN=drafter@alder.example",
            "DESTADDR=192.0.2.1",
            "NAME=a+2",
        ] {
            assert_eq!(read(wrong).unwrap_err().code, 501, "{wrong}");
        }
    }
}
