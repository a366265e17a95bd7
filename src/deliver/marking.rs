//! The mark by which networks tell urgent traffic: a DSCP for each precedence.
//!
//! Promises: every packet of a transaction carries the mark of its precedence, also on a connection
//! that is kept from another one. A mark that the system does not set is told and stops nothing.
//! Standards: RFC 2474 §3, §4.2.2 (class selectors); RFC 791 §3.1 (precedence: the words are those of
//! military messages); RFC 2597, RFC 4594 §4.8 (AF1: store and forward); RFC 8622 (lower effort).

use rustix::net::sockopt;
use tokio::net::TcpStream;

use crate::config::Dscp;

/// Marks what leaves on this connection from now on.
pub(super) fn mark(stream: &TcpStream, dscp: Dscp) {
    // RFC 2474 §3: the upper six bits
    let octet = dscp.value() << 2;
    let marked = match stream.peer_addr() {
        Ok(peer) if peer.is_ipv4() => sockopt::set_ip_tos(stream, octet),
        Ok(_) => sockopt::set_ipv6_tclass(stream, u32::from(octet)),
        // It is gone: whoever writes to it next finds out.
        Err(_) => return,
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
            }
        }
    }
}
