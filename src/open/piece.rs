//! A range of octets in a buffer that is shared, not copied: received, or decrypted and wiped.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Octets inside a shared buffer. Decrypted buffers are wiped when the last piece of them goes.
#[derive(Clone)]
pub struct Piece {
    buffer: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Piece {
    /// A whole buffer.
    pub fn whole(buffer: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let range = 0..(*buffer).as_ref().len();
        Self { buffer, range }
    }

    /// The octets.
    pub fn bytes(&self) -> &[u8] {
        (*self.buffer)
            .as_ref()
            .get(self.range.clone())
            .unwrap_or_default()
    }

    /// The whole buffer that this is a piece of.
    pub fn buffer(&self) -> &[u8] {
        (*self.buffer).as_ref()
    }

    /// Where in the buffer it stands.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Another range of the same buffer.
    #[must_use]
    pub fn at(&self, range: Range<usize>) -> Self {
        Self {
            buffer: Arc::clone(&self.buffer),
            range,
        }
    }

    /// The piece that `slice` is, if it is a slice of this piece.
    pub fn part(&self, slice: &[u8]) -> Option<Self> {
        let buffer = self.buffer().as_ptr().addr();
        let start = slice.as_ptr().addr().checked_sub(buffer)?;
        let end = start.checked_add(slice.len())?;
        (start >= self.range.start && end <= self.range.end).then(|| self.at(start..end))
    }
}

impl fmt::Debug for Piece {
    /// The range alone: the octets may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Piece({:?})", self.range)
    }
}
