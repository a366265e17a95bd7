//! What the crash test and the bench share: the switch as a process, and its two neighbours.
//!
//! - `process`: the real binary, `ravelin serve`, started and killed.
//! - `source`: people's mail programs: many messages over one connection.
//! - `sink`: the far nation's switch, as far as ours sees it: takes everything over SMTP and TLS.

#![allow(dead_code, reason = "each user takes a part")]

pub mod process;
pub mod sink;
pub mod source;

/// The value of a header field that stands in one line.
pub fn header(message: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    text.split("\r\n")
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .map(str::to_owned)
}
