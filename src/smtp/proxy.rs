//! The PROXY protocol: whom a load balancer speaks for. Pure: octets in, an address out.
//!
//! Promises: a header is read to its exact end and not one octet further, so that what follows
//! (a TLS handshake, perhaps) is untouched.
//! Refuses: everything that is no header; a listener behind a proxy takes nothing else.
//! Attack stopped here: a client that says for itself who it is: only listed addresses are asked.
//! Standards: the PROXY protocol, versions 1 and 2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What is read first: enough to tell the versions apart.
pub const FIRST: usize = 12;
/// What is read next of version 2.
pub const SECOND: usize = 4;
/// The longest line of version 1, CRLF included.
pub const LINE: usize = 107;
/// The longest rest of version 2.
pub const REST: usize = 2048;

const SIGNATURE: [u8; FIRST] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Octets that are no PROXY header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a PROXY header")]
pub struct NotProxied;

/// Which version the first octets begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A line: read on octet by octet, to CRLF.
    One,
    /// Binary: read [`SECOND`] octets, then [`rest`].
    Two,
}

/// Tells the version.
///
/// # Errors
/// When it is neither.
pub fn version(first: &[u8; FIRST]) -> Result<Version, NotProxied> {
    match first {
        first if *first == SIGNATURE => Ok(Version::Two),
        first if first.starts_with(b"PROXY ") => Ok(Version::One),
        _ => Err(NotProxied),
    }
}

/// The client's address in a line of version 1, CRLF included; nothing where the proxy does not
/// know it.
///
/// # Errors
/// When the line is no header.
pub fn line(line: &[u8]) -> Result<Option<IpAddr>, NotProxied> {
    let text = line.strip_suffix(b"\r\n").ok_or(NotProxied)?;
    let text = std::str::from_utf8(text).map_err(|_| NotProxied)?;
    let words: Vec<&str> = text.split(' ').collect();
    let port = |word: &str| word.parse::<u16>().map_err(|_| NotProxied);
    match words.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family, from, to, from_port, to_port] => {
            let (from, to): (IpAddr, IpAddr) = (
                from.parse().map_err(|_| NotProxied)?,
                to.parse().map_err(|_| NotProxied)?,
            );
            port(from_port)?;
            port(to_port)?;
            let fits = match *family {
                "TCP4" => from.is_ipv4() && to.is_ipv4(),
                "TCP6" => from.is_ipv6() && to.is_ipv6(),
                _ => false,
            };
            fits.then_some(Some(from)).ok_or(NotProxied)
        }
        _ => Err(NotProxied),
    }
}

/// How many octets follow the four after the signature of version 2.
///
/// # Errors
/// When the version is not 2, or more follows than anybody needs.
pub fn rest(second: [u8; SECOND]) -> Result<usize, NotProxied> {
    let [version, _, high, low] = second;
    let length = usize::from(u16::from_be_bytes([high, low]));
    match version >> 4 == 2 && length <= REST {
        true => Ok(length),
        false => Err(NotProxied),
    }
}

/// The client's address in a header of version 2; nothing where the proxy speaks for itself, or for
/// somebody without an internet address.
///
/// # Errors
/// When the command is unknown or the addresses are cut short.
pub fn binary(second: [u8; SECOND], rest: &[u8]) -> Result<Option<IpAddr>, NotProxied> {
    let [version, family, ..] = second;
    match (version & 0x0f, family) {
        // LOCAL: a health check of the proxy itself
        (0, _) => Ok(None),
        (1, 0x11) => {
            let octets: [u8; 4] = addresses(rest, 12)?;
            Ok(Some(IpAddr::V4(Ipv4Addr::from(octets))))
        }
        (1, 0x21) => {
            let octets: [u8; 16] = addresses(rest, 36)?;
            Ok(Some(IpAddr::V6(Ipv6Addr::from(octets))))
        }
        (1, 0x00) => Ok(None),
        _ => Err(NotProxied),
    }
}

/// The first address of a block of at least `block` octets.
fn addresses<const N: usize>(rest: &[u8], block: usize) -> Result<[u8; N], NotProxied> {
    let block = rest.get(..block).ok_or(NotProxied)?;
    block.first_chunk().copied().ok_or(NotProxied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_client() {
        assert_eq!(
            line(b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 25\r\n"),
            Ok(Some([192, 0, 2, 1].into()))
        );
        assert_eq!(
            line(b"PROXY TCP6 2001:db8::1 2001:db8::2 5000 25\r\n"),
            Ok(Some("2001:db8::1".parse().unwrap()))
        );
        assert_eq!(line(b"PROXY UNKNOWN\r\n"), Ok(None));
        for bad in [
            &b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 25\n"[..],
            b"PROXY TCP4 2001:db8::1 2001:db8::2 5000 25\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 65536\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n",
            b"PROXY TCP4 192.0.2.1  192.0.2.2 5000 25\r\n",
            b"EHLO x\r\n",
            b"PROXY\r\n",
        ] {
            assert_eq!(line(bad), Err(NotProxied), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn a_binary_header_names_the_client() {
        assert_eq!(version(&SIGNATURE), Ok(Version::Two));
        assert_eq!(version(b"PROXY TCP4 1"), Ok(Version::One));
        assert_eq!(version(b"EHLO peer.ex"), Err(NotProxied));
        let block = [192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 25];
        let four = [0x21, 0x11, 0, 12];
        assert_eq!(rest(four), Ok(12));
        assert_eq!(binary(four, &block), Ok(Some([192, 0, 2, 1].into())));
        let mut six = [0; 36];
        six[15] = 1;
        assert_eq!(
            binary([0x21, 0x21, 0, 36], &six),
            Ok(Some("::1".parse().unwrap()))
        );
        assert_eq!(binary([0x20, 0x00, 0, 0], &[]), Ok(None));
        assert_eq!(binary(four, &block[..11]), Err(NotProxied));
        assert_eq!(binary([0x22, 0x11, 0, 12], &block), Err(NotProxied));
        assert_eq!(binary([0x21, 0x12, 0, 12], &block), Err(NotProxied));
        assert_eq!(rest([0x11, 0x11, 0, 12]), Err(NotProxied));
        assert_eq!(rest([0x21, 0x11, 0xff, 0xff]), Err(NotProxied));
    }
}
