//! Compressed layers, inflated within bounds.
//!
//! Duty: the content of CompressedData. Nothing is compressed here: before encryption, length tells
//! of content.
//! Promises: no more is inflated than the bounds allow, whatever the octets say; what is inflated is
//! wiped after use.
//! Refuses: other algorithms than zlib; bombs; streams that are cut, damaged, or followed by more.
//! Standards: RFC 3274; RFC 1950.

use std::io::Read;

use const_oid::ObjectIdentifier;
use flate2::bufread::ZlibDecoder;
use thiserror::Error;
use zeroize::Zeroizing;

use super::oid;
use super::read::CompressedData;

/// What inflating may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InflateLimits {
    /// The most octets that come out.
    pub octets: usize,
    /// The most octets that come out of one that went in, once a mebibyte came out. Text reaches
    /// twenty; only a bomb comes near the thousand that the algorithm can do.
    pub ratio: usize,
}

impl Default for InflateLimits {
    /// 64 MiB, and a hundredfold.
    fn default() -> Self {
        Self {
            octets: 64 * 1024 * 1024,
            ratio: 100,
        }
    }
}

/// Below this many octets the ratio is not looked at.
const RATIO_FROM: usize = 1024 * 1024;

/// Why a compressed layer was not opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum InflateError {
    /// More comes out than the limits allow.
    #[error("the compressed content is larger than the limit")]
    Bomb,
    /// The stream is cut, wrong, or followed by more octets.
    #[error("the compressed content is damaged")]
    Damaged,
    /// Not zlib.
    #[error("compression algorithm {0} is unknown")]
    UnknownAlgorithm(ObjectIdentifier),
}

/// The inflated content.
///
/// # Errors
/// When the algorithm is unknown, the stream is damaged or the limits are passed.
pub fn inflate(
    data: &CompressedData<'_>,
    limits: &InflateLimits,
) -> Result<Zeroizing<Vec<u8>>, InflateError> {
    // RFC 3274 §2: parameters absent; NULL does no harm.
    if data.algorithm.oid != oid::ZLIB || data.algorithm.parameters_but_null().is_some() {
        return Err(InflateError::UnknownAlgorithm(data.algorithm.oid));
    }
    let by_ratio = data
        .octets
        .len()
        .saturating_mul(limits.ratio)
        .max(RATIO_FROM);
    let most = limits.octets.min(by_ratio);
    let mut decoder = ZlibDecoder::new(data.octets.as_ref());
    let mut out = Zeroizing::new(Vec::new());
    let mut piece = Zeroizing::new([0; 16 * 1024]);
    loop {
        let count = decoder
            .read(piece.as_mut_slice())
            .map_err(|_| InflateError::Damaged)?;
        if count == 0 {
            break;
        }
        if out.len().saturating_add(count) > most {
            return Err(InflateError::Bomb);
        }
        // The vector grows by copying; what it leaves behind is wiped.
        if out.capacity().saturating_sub(out.len()) < count {
            let mut larger = Zeroizing::new(Vec::with_capacity(
                out.capacity()
                    .saturating_mul(2)
                    .max(64 * 1024)
                    .min(most.saturating_add(count)),
            ));
            larger.extend_from_slice(&out);
            out = larger;
        }
        out.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    // Octets behind the stream are not part of it, and nobody would see them.
    match decoder.into_inner() {
        [] => Ok(out),
        _ => Err(InflateError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::crypto::ber::{Node, Tag};
    use crate::crypto::cms::read::{ContentInfo, Limits, parse};
    use crate::crypto::cms::sign::content_info;

    fn zlib(content: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn layer(algorithm: ObjectIdentifier, octets: Node<'_>) -> Vec<u8> {
        let data = Node::sequence(vec![
            Node::unsigned(0),
            Node::sequence(vec![Node::oid(&algorithm)]),
            Node::sequence(vec![Node::oid(&oid::DATA), Node::explicit(0, octets)]),
        ]);
        content_info(&oid::COMPRESSED_DATA, data).to_vec()
    }

    fn open(layer: &[u8], limits: &InflateLimits) -> Result<Vec<u8>, InflateError> {
        let ContentInfo::Compressed(data) = parse(layer, &Limits::default()).unwrap() else {
            panic!("CompressedData");
        };
        assert_eq!(data.content_type, oid::DATA);
        inflate(&data, limits).map(|content| content.to_vec())
    }

    fn usual(octets: &[u8]) -> Result<Vec<u8>, InflateError> {
        let layer = layer(oid::ZLIB, Node::octet_string(octets));
        open(&layer, &InflateLimits::default())
    }

    /// Octets about as regular as text.
    fn text(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'a' + u8::try_from(state >> 28).unwrap()
        };
        std::iter::repeat_with(next).take(length).collect()
    }

    #[test]
    fn what_another_program_compressed_comes_out() {
        // zlib.compress(b"hello hello hello\r\n") of Python.
        let other: &[u8] = &[
            0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x90, 0xbc, 0x5c, 0x00,
            0x47, 0x4c, 0x06, 0x94,
        ];
        assert_eq!(usual(other).as_deref(), Ok(&b"hello hello hello\r\n"[..]));
        for length in [0, 1, 100_000, 3_000_000] {
            let content = text(length);
            let same = usual(&zlib(&content)).is_ok_and(|out| out == content);
            assert!(same, "{length}");
        }
        let (front, back) = other.split_at(7);
        let pieces = Node::tagged(
            Tag(0x24),
            vec![Node::octet_string(front), Node::octet_string(back)],
        );
        assert!(open(&layer(oid::ZLIB, pieces), &InflateLimits::default()).is_ok());
    }

    #[test]
    fn damage_and_what_follows_the_stream_are_refused() {
        let good = zlib(b"content of the layer");
        for end in 0..good.len() {
            assert_eq!(usual(&good[..end]), Err(InflateError::Damaged), "{end}");
        }
        for position in [0, 1, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            assert_eq!(usual(&bad), Err(InflateError::Damaged), "{position}");
        }
        let longer = [&good[..], b"hidden"].concat();
        assert_eq!(usual(&longer), Err(InflateError::Damaged));
        let other = layer(oid::DATA, Node::octet_string(&good));
        assert_eq!(
            open(&other, &InflateLimits::default()),
            Err(InflateError::UnknownAlgorithm(oid::DATA))
        );
    }

    #[test]
    fn bombs_are_stopped_by_size_and_by_ratio() {
        let zeros = zlib(&vec![0; 4 * 1024 * 1024]);
        assert_eq!(usual(&zeros), Err(InflateError::Bomb), "a thousandfold");
        let loose = InflateLimits {
            ratio: 2_000,
            ..InflateLimits::default()
        };
        let layer = layer(oid::ZLIB, Node::octet_string(&zeros));
        assert_eq!(
            open(&layer, &loose).map(|out| out.len()),
            Ok(4 * 1024 * 1024)
        );
        let small = InflateLimits {
            octets: 4 * 1024 * 1024 - 1,
            ..loose
        };
        assert_eq!(open(&layer, &small), Err(InflateError::Bomb));
        // Small things may be as regular as they like.
        assert!(usual(&zlib(&[0; 100_000])).is_ok());
    }
}
