//! Servers that do not behave, each one thread on loopback; TLS of the lab.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::message::tests::{bound, done, extended, found, reference};
use super::*;
use crate::clock::Clock;
use crate::crypto::keys::Identity;
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::revocation::fetch::Fetch;
use crate::crypto::trust::RevocationCheck;

struct Lab {
    authority: Authority,
    identity: Identity,
}

impl Lab {
    fn new(host: &str) -> Self {
        let now = Clock::system().now();
        let authority = Authority::new("Alder", now).unwrap();
        let order = Request::new(host, Usage::Server, now).dns(host);
        let identity = authority.issue(order).unwrap();
        Self {
            authority,
            identity,
        }
    }

    fn trust(&self) -> Arc<TrustStore> {
        let anchors = vec![self.authority.certificate().clone()];
        let trust = TrustStore::new(anchors, Vec::new(), Vec::new());
        Arc::new(trust.with_revocation(RevocationCheck::Optional))
    }

    fn tls(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = self.identity.pkcs8_der().unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()));
        let chain = self.identity.chain_der().into_iter();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(CertificateDer::from).collect(), key);
        Arc::new(config.unwrap())
    }

    /// A server that says `answers` under TLS, one group after each question.
    fn serve(&self, answers: Vec<Vec<Vec<u8>>>) -> (String, JoinHandle<()>) {
        let tls = self.tls();
        serve(move |stream| {
            let connection = ServerConnection::new(tls.clone()).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            for group in &answers {
                if read_question(&mut stream).is_none() {
                    return;
                }
                for answer in group {
                    stream.write_all(answer).unwrap();
                }
            }
        })
    }

    fn ldap(&self, address: &str, begin: Begin) -> Ldap {
        let server = Server::new(address, "dir.example", begin, self.trust(), "o=Lab").unwrap();
        Ldap::new(server.bounds(Duration::from_secs(20), 1, 4096))
    }
}

/// Serves one connection.
fn serve(answer: impl Fn(std::net::TcpStream) + Send + 'static) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        answer(stream);
    });
    (address, thread)
}

fn read_question(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut octets = vec![0; 4096];
    match stream.read(&mut octets) {
        Ok(count) if count > 0 => {
            octets.truncate(count);
            Some(octets)
        }
        _ => None,
    }
}

fn anna() -> Name {
    Name::mailbox(&Address::parse("anna@alder.example").unwrap())
}

fn entry(id: u64, mail: &str) -> Vec<u8> {
    found(
        id,
        "cn=Anna",
        &[("mail", mail.as_bytes()), ("clearance", b"0")],
    )
}

/// What is said of Anna when the server answers the search so.
fn said(answers: Vec<Vec<u8>>) -> Result<Option<Arc<Record>>, AskError> {
    let lab = Lab::new("dir.example");
    let (address, server) = lab.serve(vec![answers]);
    let found = lab.ldap(&address, Begin::Implicit).ask(&anna());
    server.join().unwrap();
    found
}

#[test]
fn an_entry_is_found_under_tls_with_a_pinned_anchor() {
    let found = said(vec![entry(1, "Anna@alder.example"), done(1, 0)]);
    let record = found.unwrap().unwrap();
    assert_eq!(record.clearances().count(), 1);
    assert!(record.source().to_string().contains("cn=Anna"));
    assert!(said(vec![done(1, 0)]).unwrap().is_none());
}

#[test]
fn what_is_no_answer_about_the_name_is_not_taken_for_one() {
    // An entry that does not name itself so counts for nothing.
    assert!(
        said(vec![entry(1, "mallory@alder.example"), done(1, 0)])
            .unwrap()
            .is_none()
    );
    for (answers, why) in [
        (
            vec![
                entry(1, "anna@alder.example"),
                entry(1, "anna@alder.example"),
                done(1, 4),
            ],
            "two",
        ),
        (vec![reference(1), done(1, 0)], "refers to another server"),
    ] {
        match said(answers) {
            Err(AskError::Name(text)) => assert!(text.contains(why), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    let long = vec![b'x'; 5000];
    for (answers, why) in [
        // A referral, an error, silence, another's answer, octets that are none, too much of it.
        (vec![done(1, 10)], "says 10"),
        (vec![done(1, 52)], "says 52"),
        (vec![], "hung up"),
        (vec![done(2, 0)], "another question"),
        (vec![bound(1, 0)], "another answer"),
        (vec![extended(0, 52)], "the connection: the server says 52"),
        (vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()], "no LDAP"),
        (vec![b"\x30\x03\x02\x01".to_vec()], "hung up"),
        (vec![b"\x30\x84\x7f\xff\xff\xff".to_vec()], "too long"),
        (vec![found(1, "cn=A", &[("mail", &long)])], "too long"),
        (vec![entry(1, "anna@alder.example").repeat(100)], "too long"),
    ] {
        match said(answers) {
            Err(AskError::Server(text)) => assert!(text.contains(why), "{text:?}, not {why:?}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn a_server_of_another_authority_or_name_is_asked_nothing() {
    let (lab, other) = (Lab::new("dir.example"), Lab::new("dir.example"));
    let (elsewhere, _) = (Lab::new("elsewhere.example"), ());
    for (server, client, why) in [
        (&other, &lab, "TLS|certificate"),
        (&elsewhere, &elsewhere, "name"),
    ] {
        let (address, thread) =
            server.serve(vec![vec![entry(1, "anna@alder.example"), done(1, 0)]]);
        let Err(AskError::Server(text)) = client.ldap(&address, Begin::Implicit).ask(&anna())
        else {
            panic!("asked");
        };
        let is_meant = why.split('|').any(|why| text.contains(why));
        assert!(is_meant, "{text}");
        // The server saw a handshake that failed, and no question.
        thread.join().unwrap();
    }
}

#[test]
fn without_tls_nothing_is_asked() {
    let lab = Lab::new("dir.example");
    for (answer, why) in [
        (extended(1, 2), "StartTLS: the server says 2"),
        (done(1, 0), "another answer"),
        (
            [extended(1, 0), entry(2, "anna@alder.example")].concat(),
            "before the TLS",
        ),
        (b"\x30\x80".to_vec(), "bounds"),
        ([0x30, 0x80].repeat(2000), "bounds"),
    ] {
        let (address, thread) = serve(move |mut stream| {
            assert!(read_question(&mut stream).is_some());
            stream.write_all(&answer).unwrap();
            // Whatever comes after that is no question.
            let rest = read_question(&mut stream).unwrap_or_default();
            assert!(!rest.windows(4).any(|w| w == b"anna"));
        });
        let Err(AskError::Server(text)) = lab.ldap(&address, Begin::StartTls).ask(&anna()) else {
            panic!("asked");
        };
        assert!(text.contains(why), "{text}, not {why}");
        thread.join().unwrap();
    }
}

#[test]
fn a_server_that_is_silent_or_drips_ends_with_the_time_of_the_question() {
    let lab = Lab::new("dir.example");
    for octets in [0, 3] {
        let (address, thread) = serve(move |mut stream| {
            // Never more than one octet, and never a whole message.
            for _ in 0..octets {
                let _ = stream.write_all(b"0");
                std::thread::sleep(Duration::from_millis(60));
            }
            while read_question(&mut stream).is_some() {}
        });
        let server = Server::new(
            &address,
            "dir.example",
            Begin::Implicit,
            lab.trust(),
            "o=Lab",
        )
        .unwrap();
        let ldap = Ldap::new(server.bounds(Duration::from_millis(150), 1, 4096));
        let Err(AskError::Server(text)) = ldap.ask(&anna()) else {
            panic!("answered");
        };
        assert!(text.contains("in time") || octets > 0, "{text}");
        drop(ldap);
        thread.join().unwrap();
    }
}

#[test]
fn a_connection_that_died_while_idle_is_made_anew_once() {
    let lab = Lab::new("dir.example");
    let tls = lab.tls();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(Arc::clone(&tls)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            read_question(&mut stream).unwrap();
            stream.write_all(&entry(1, "anna@alder.example")).unwrap();
            stream.write_all(&done(1, 0)).unwrap();
        }
    });
    let ldap = lab.ldap(&address, Begin::Implicit);
    assert!(ldap.ask(&anna()).unwrap().is_some());
    assert!(ldap.ask(&anna()).unwrap().is_some());
    thread.join().unwrap();
}

#[test]
fn a_crl_is_fetched_from_an_ldap_place() {
    let crl = b"the list".to_vec();
    for (answers, good) in [
        (
            vec![
                found(1, "cn=CA", &[("certificateRevocationList;binary", &crl)]),
                done(1, 0),
            ],
            true,
        ),
        (
            vec![found(1, "cn=CA", &[("c", &crl), ("c", &crl)]), done(1, 0)],
            false,
        ),
        (vec![done(1, 0)], false),
        (vec![done(1, 32)], false),
    ] {
        let (address, thread) = serve(move |mut stream| {
            read_question(&mut stream).unwrap();
            for answer in &answers {
                stream.write_all(answer).unwrap();
            }
        });
        let place = format!("ldap://{address}/cn=CA?certificateRevocationList;binary");
        let fetched = LdapPlaces::default().get(&place);
        assert_eq!(fetched.is_ok(), good, "{fetched:?}");
        if good {
            assert_eq!(fetched.unwrap(), b"the list");
        }
        thread.join().unwrap();
    }
}
