//! BER in, DER out, both bounded.
//!
//! Duty: a pull reader over octets that somebody else wrote, and a writer for octets of ours.
//! Promises: the reader takes definite, non-minimal and indefinite lengths and strings in pieces,
//! never copies what it need not join, names the position of every error; what it walks is bounded
//! by [`Limits`]. The writer knows the size before it writes and writes in one pass.
//! Refuses: depth over the limit, lengths that leave the input, lengths over eight octets,
//! an end-of-contents where none belongs.
//! Standards: X.690 sections 8 (BER), 10 and 11 (DER).

mod read;
mod tag;
mod write;

pub use read::{Element, Limits, Reader, to_der};
pub use tag::{BerError, BerErrorKind, Tag};
pub use write::{Frame, Node, set_of};
