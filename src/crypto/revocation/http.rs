//! The way out over HTTP, for CRLs and OCSP: one question, one answer, one connection.
//!
//! Promises: the answer is bounded in octets, and all of it in time. Refuses: other schemes than
//! http (what is fetched is signed; https would need the very trust that is being established),
//! redirections, every status but 200. Standards: RFC 5280 §4.2.1.13, 6960 §A.1, 9112 §2.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use super::fetch::{Fetch, FetchError};

/// Octets of an OCSP answer.
const LONGEST_ANSWER: usize = 1 << 20;
/// Octets of a head.
const LONGEST_HEAD: usize = 16 << 10;

/// HTTP with bounds.
#[derive(Clone, Copy, Debug)]
pub struct Http {
    /// For the whole of a question and its answer.
    pub time: Duration,
    /// Octets of an answer.
    pub size: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            size: 32 << 20,
        }
    }
}

impl Fetch for Http {
    fn get(&self, place: &str) -> Result<Vec<u8>, FetchError> {
        let (host, path) = parts(place)?;
        // HTTP/1.0: the answer ends with the connection, so there are no chunks to put together.
        let question = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: */*\r\n\r\n");
        self.exchange(place, host, question.as_bytes(), self.size)
    }

    // RFC 6960 §A.1
    fn ask(&self, place: &str, question: &[u8]) -> Result<Vec<u8>, FetchError> {
        let (host, path) = parts(place)?;
        let mut octets = format!(
            "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/ocsp-request\r\n\
             Content-Length: {}\r\n\r\n",
            question.len()
        )
        .into_bytes();
        octets.extend_from_slice(question);
        let size = self.size.min(LONGEST_ANSWER);
        self.exchange(place, host, &octets, size)
    }

    fn reaches(&self, place: &str) -> bool {
        parts(place).is_ok()
    }
}

impl Http {
    fn exchange(
        &self,
        place: &str,
        host: &str,
        question: &[u8],
        size: usize,
    ) -> Result<Vec<u8>, FetchError> {
        let failed = |reason: String| FetchError {
            place: place.to_owned(),
            reason,
        };
        let io = |error: std::io::Error| failed(error.to_string());
        let end = Instant::now().checked_add(self.time);
        let left = || -> Result<Duration, FetchError> {
            end.and_then(|end| end.checked_duration_since(Instant::now()))
                .filter(|left| !left.is_zero())
                .ok_or_else(|| failed("no answer in time".to_owned()))
        };
        // A colon behind a bracket, or without one, stands before a port.
        let address = match host.rsplit_once(':') {
            Some((_, port)) if !port.contains(']') => host.to_owned(),
            Some(_) | None => format!("{host}:80"),
        };
        let mut connected = Err(failed("the host has no address".to_owned()));
        for address in address.to_socket_addrs().map_err(io)? {
            connected = TcpStream::connect_timeout(&address, left()?).map_err(io);
            if connected.is_ok() {
                break;
            }
        }
        let mut stream = connected?;
        stream.set_write_timeout(Some(left()?)).map_err(io)?;
        stream.write_all(question).map_err(io)?;

        let mut answer = Vec::new();
        let mut block = [0; 8192];
        loop {
            stream.set_read_timeout(Some(left()?)).map_err(io)?;
            let count = match stream.read(&mut block) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(io(error)),
            };
            answer.extend_from_slice(block.get(..count).unwrap_or_default());
            let has_head = split(&answer).is_some();
            let most = if has_head { size } else { 0 };
            if answer.len() > most.saturating_add(LONGEST_HEAD) {
                return Err(failed("the answer is too long".to_owned()));
            }
            // A server may keep the connection open behind what it announced.
            if whole(&answer) {
                break;
            }
        }
        body(&answer).map_err(|reason| failed(reason.to_owned()))
    }
}

/// Host (with its port) and path of an http place.
fn parts(place: &str) -> Result<(&str, &str), FetchError> {
    let wrong = |reason: &str| FetchError {
        place: place.to_owned(),
        reason: reason.to_owned(),
    };
    let rest = place
        .get(..7)
        .filter(|scheme| scheme.eq_ignore_ascii_case("http://"))
        .and_then(|_| place.get(7..))
        .ok_or_else(|| wrong("only http is fetched"))?;
    let (host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let plain = |text: &str| text.bytes().all(|octet| octet.is_ascii_graphic());
    if host.is_empty() || host.contains('@') || !plain(host) || !plain(path) {
        return Err(wrong("this is not the name of a place"));
    }
    Ok((host, path))
}

fn split(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer
        .windows(4)
        .take(LONGEST_HEAD)
        .position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = answer.split_at_checked(end)?;
    Some((std::str::from_utf8(head).ok()?, rest.get(4..)?))
}

fn announced(head: &str) -> Option<usize> {
    head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })
}

fn starts(line: &str, name: &str) -> bool {
    line.get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

fn whole(answer: &[u8]) -> bool {
    split(answer)
        .is_some_and(|(head, body)| announced(head).is_some_and(|length| body.len() >= length))
}

fn body(answer: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (head, body) = split(answer).ok_or("the answer is not HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    let mut words = status.split(' ');
    let version = words.next().unwrap_or_default();
    if !version.starts_with("HTTP/1.") {
        return Err("the answer is not HTTP/1");
    }
    if words.next() != Some("200") {
        return Err("the answer is not 200");
    }
    // RFC 9112 §6.1: chunks do not answer HTTP/1.0
    if head.lines().any(|line| starts(line, "transfer-encoding:")) {
        return Err("the answer is encoded for the transfer");
    }
    match announced(head) {
        // What was announced and did not come would be half a list.
        Some(length) => body
            .get(..length)
            .map(<[u8]>::to_vec)
            .ok_or("the answer ends too early"),
        None => Ok(body.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one question with these octets; gives what was asked.
    fn once(answer: &'static [u8]) -> (String, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}/ca.crl", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; 4096];
            let count = stream.read(&mut asked).unwrap();
            asked.truncate(count);
            stream.write_all(answer).unwrap();
            asked
        });
        (place, thread)
    }

    #[test]
    fn one_whole_answer_is_taken() {
        for (answer, wanted) in [
            (&b"HTTP/1.0 200 OK\r\n\r\nlist"[..], Ok(&b"list"[..])),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlist and more",
                Ok(b"list"),
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlist",
                Err("too early"),
            ),
            (
                b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n",
                Err("not 200"),
            ),
            (b"HTTP/1.1 404 Not Found\r\n\r\nlist", Err("not 200")),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nlist\r\n0\r\n\r\n",
                Err("encoded for the transfer"),
            ),
            (b"SSH-2.0-OpenSSH\r\n\r\n", Err("not HTTP")),
            (b"", Err("not HTTP")),
        ] {
            let (place, server) = once(answer);
            let found = Http::default().get(&place);
            let asked = server.join().unwrap();
            assert!(asked.starts_with(b"GET /ca.crl HTTP/1.0\r\nHost: 127.0.0.1:"));
            match (found, wanted) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
                (Err(error), Err(wanted)) => {
                    assert!(error.to_string().contains(wanted), "{error}");
                }
                (found, wanted) => panic!("{found:?} for {wanted:?}"),
            }
        }
    }

    #[test]
    fn answers_are_bounded_and_places_are_plain() {
        let (place, server) = once(&[b'x'; 100_000]);
        let small = Http {
            size: 1000,
            ..Http::default()
        };
        assert!(small.get(&place).unwrap_err().reason.contains("too long"));
        // The server may or may not have got rid of everything.
        let _ = server.join();
        for place in [
            "https://a.example/",
            "file:///etc/passwd",
            "http:///x",
            "http://a.example/x y",
            "http://a.example/x\r\nX: y",
            "http://user@a.example/",
            "http",
        ] {
            assert!(parts(place).is_err(), "{place:?}");
        }
        assert_eq!(
            parts("HTTP://a.example:81/x?y").unwrap(),
            ("a.example:81", "/x?y")
        );
    }
}
