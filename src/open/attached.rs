//! Signed messages inside the payload: forwarded whole, or as parts of a multipart.
//!
//! Promises: each is opened as the message itself is, by the same keys and the same trust; how many
//! and how deep is bounded over all levels together.
//! Refuses: more or deeper than that; an attached object that cannot be read at all.
//! What is only named like S/MIME (application/octet-stream) and what has no content (certificates
//! alone) is no message and is passed over.

use super::Opener;
use super::facts::Facts;
use super::piece::Piece;
use super::walk::{self, WalkError};
use crate::message::mime::{Entity, Smime};

/// The deepest that attached messages may stand in attached messages.
const DEEPEST: usize = 4;
/// The most attached messages, over all levels.
const MOST: usize = 16;

/// How far we are.
pub(super) struct Nesting {
    depth: usize,
    left: usize,
}

impl Nesting {
    /// At the message itself.
    pub(super) const fn none() -> Self {
        Self {
            depth: 0,
            left: MOST,
        }
    }
}

/// What is attached in `payload`, in its order; each has what is attached in it.
pub(super) fn within(
    opener: &Opener<'_>,
    payload: &Piece,
    nesting: &mut Nesting,
) -> Result<Vec<Facts>, WalkError> {
    let root = Entity::parse(payload.buffer(), payload.range(), opener.limits)
        .map_err(|source| WalkError::Mime { layer: 0, source })?;
    let mut found = Vec::new();
    let mut waiting: Vec<&Entity> = root.children.iter().rev().collect();
    while let Some(part) = waiting.pop() {
        if !is_object(part) {
            waiting.extend(part.children.iter().rev());
            continue;
        }
        if nesting.depth >= DEEPEST || nesting.left == 0 {
            return Err(WalkError::Attached);
        }
        nesting.left = nesting.left.saturating_sub(1);
        nesting.depth = nesting.depth.saturating_add(1);
        match walk::nested(opener, payload.at(part.range.clone()), nesting) {
            Ok(facts) => found.push(facts),
            Err(WalkError::NoContent { .. }) => {}
            Err(error) => return Err(error),
        }
        nesting.depth = nesting.depth.saturating_sub(1);
    }
    Ok(found)
}

/// Whether its media type says that it is an S/MIME object.
fn is_object(part: &Entity) -> bool {
    let kind = &part.content_type;
    part.smime() == Some(Smime::Detached)
        || kind.is("application", "pkcs7-mime")
        || kind.is("application", "x-pkcs7-mime")
}
