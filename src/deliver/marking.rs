//! The mark by which networks tell urgent traffic: a DSCP for each precedence.
//!
//! Promises: every packet of a transaction carries the mark of its precedence, the first of its
//! connection too, also on a connection that is kept from another one. A mark that the system does not set is told and stops nothing.
//! Standards: RFC 2474 §3, §4.2.2 (class selectors); RFC 791 §3.1 (precedence: the words are those of
//! military messages); RFC 2597, RFC 4594 §4.8 (AF1: store and forward); RFC 8622 (lower effort).

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use rustix::net::sockopt;
use tokio::net::{TcpSocket, TcpStream, lookup_host};

use crate::config::Dscp;

/// Connects to the first address that answers; what opens the connection is marked, too.
///
/// # Errors
/// When the name has no address, or none of them answers: what the last one came to.
pub(super) async fn connect(to: &str, dscp: Dscp) -> io::Result<TcpStream> {
    let mut why = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(to).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        set(&socket, &address, dscp);
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error,
        }
    }
    Err(why)
}

/// Marks what leaves on this connection from now on.
pub(super) fn mark(stream: &TcpStream, dscp: Dscp) {
    // One that is gone: whoever writes to it next finds out.
    if let Ok(peer) = stream.peer_addr() {
        set(stream, &peer, dscp);
    }
}

fn set(socket: &impl AsFd, peer: &SocketAddr, dscp: Dscp) {
    // RFC 2474 §3: the upper six bits
    let octet = dscp.value() << 2;
    let marked = match peer {
        SocketAddr::V4(_) => sockopt::set_ip_tos(socket, octet),
        SocketAddr::V6(_) => sockopt::set_ipv6_tclass(socket, u32::from(octet)),
    };
    if let Err(error) = marked {
        tracing::warn!(%error, "a connection was not marked with its DSCP");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Precedence;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn the_mark_is_on_the_socket_in_both_families_and_follows_the_precedence() {
        for (address, family) in [("127.0.0.1:0", 4), ("[::1]:0", 6)] {
            let Ok(listener) = TcpListener::bind(address).await else {
                eprintln!("skipped: no IPv{family} on this machine");
                continue;
            };
            let to = listener.local_addr().unwrap();
            let stream = TcpStream::connect(to).await.unwrap();
            let marked = || match family {
                4 => u32::from(sockopt::ip_tos(&stream).unwrap()),
                _ => sockopt::ipv6_tclass(&stream).unwrap(),
            };
            assert_eq!(marked(), 0);
            for (precedence, wanted) in [
                (Precedence::Override, 32),
                (Precedence::Flash, 24),
                (Precedence::Immediate, 16),
                (Precedence::Priority, 10),
                (Precedence::Deferred, 1),
                (Precedence::Routine, 0),
            ] {
                mark(&stream, Dscp::of(precedence));
                assert_eq!(marked() >> 2, wanted, "{precedence}");
                let opened = connect(&to.to_string(), Dscp::of(precedence))
                    .await
                    .unwrap();
                let marked = match family {
                    4 => u32::from(sockopt::ip_tos(&opened).unwrap()),
                    _ => sockopt::ipv6_tclass(&opened).unwrap(),
                };
                assert_eq!(marked >> 2, wanted, "{precedence}");
            }
        }
    }

    #[tokio::test]
    async fn a_name_without_an_address_that_answers_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap().to_string();
        drop(listener);
        assert!(connect(&to, Dscp::default()).await.is_err());
        assert!(connect("no port", Dscp::default()).await.is_err());
    }
}
