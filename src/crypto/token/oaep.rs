//! OAEP taken off here, for tokens that give the bare RSA operation and not the padding.
//!
//! Promises: the same steps whatever the block holds, and one outcome for everything that is wrong
//! in it (Manger's attack needs to tell two kinds of failure apart).
//! Standards: RFC 8017 §7.1.2 step 3, §B.2.1.

use std::hint::black_box;

use zeroize::Zeroizing;

use crate::crypto::algorithm::Digest;
use crate::crypto::keys::Secret;
use crate::crypto::provider;

/// The message in an encoded block of a key with `length` octets; `digest` is hash and mask, the
/// label is empty. What the token gave may lack zeros at its beginning.
// RFC 8017 §7.1.2
pub(super) fn decoded(block: &[u8], length: usize, digest: Digest) -> Option<Secret> {
    // These depend on the key and the algorithm alone.
    let missing = length.checked_sub(block.len())?;
    let masked_length = length.checked_sub(digest.length())?.checked_sub(1)?;
    masked_length.checked_sub(digest.length())?.checked_sub(1)?;
    let mut whole = Zeroizing::new(vec![0; length]);
    whole.get_mut(missing..)?.copy_from_slice(block);

    let (first, rest) = whole.split_first_mut()?;
    let (seed, masked) = rest.split_at_mut_checked(digest.length())?;
    unmask(seed, masked, digest);
    unmask(masked, seed, digest);
    let (hash, padded) = masked.split_at_checked(digest.length())?;
    let empty = provider::default().digest(digest, &[]);
    let mut wrong = *first;
    for (found, wanted) in hash.iter().zip(&empty) {
        wrong |= found ^ wanted;
    }
    // The message begins after the first 1; before it there are zeros alone.
    let mut looking = 0xff;
    let mut start = 0usize;
    for (octet, after) in padded.iter().zip(1usize..) {
        let one = equal(*octet, 1);
        let zero = equal(*octet, 0);
        let here = black_box(looking & one);
        start |= after & 0usize.wrapping_sub(usize::from(here & 1));
        wrong |= looking & !one & !zero;
        looking &= !one;
    }
    wrong |= looking;
    match black_box(wrong) {
        0 => padded
            .get(start..)
            .map(|message| Secret::new(message.to_vec())),
        _ => None,
    }
}

/// All ones when the octets are equal, else zero.
fn equal(a: u8, b: u8) -> u8 {
    let [high, _] = u16::from(a ^ b).wrapping_sub(1).to_be_bytes();
    high
}

/// XORs MGF1 of `seed` into `target`.
// RFC 8017 §B.2.1
fn unmask(target: &mut [u8], seed: &[u8], digest: Digest) {
    for (counter, chunk) in (0u32..).zip(target.chunks_mut(digest.length())) {
        let mask = provider::default().digest(digest, &[seed, &counter.to_be_bytes()]);
        let mask = Zeroizing::new(mask);
        for (octet, mask) in chunk.iter_mut().zip(mask.iter()) {
            *octet ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8017 §7.1.1, with a seed that is told.
    fn encoded(message: &[u8], length: usize, digest: Digest) -> Vec<u8> {
        let h = digest.length();
        let mut masked = provider::default().digest(digest, &[]);
        masked.resize(length - h - 1 - message.len() - 1, 0);
        masked.push(1);
        masked.extend_from_slice(message);
        let mut seed = vec![0x5a; h];
        unmask(&mut masked, &seed, digest);
        unmask(&mut seed, &masked, digest);
        [&[0], &seed[..], &masked].concat()
    }

    #[test]
    fn a_message_comes_back_and_every_damage_is_one_failure() {
        for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512] {
            let most = 384 - 2 * digest.length() - 2;
            for message in [&[][..], &[1], &[7; 32], &vec![1; most]] {
                let block = encoded(message, 384, digest);
                let found = decoded(&block, 384, digest).unwrap();
                assert_eq!(found.as_bytes(), message);
                // Without its zero, as some tokens give it.
                let found = decoded(&block[1..], 384, digest).unwrap();
                assert_eq!(found.as_bytes(), message);
            }
            let block = encoded(&[7; 32], 384, digest);
            // A change of the seed, of the mask or of the first octet spoils the hash.
            for at in [0, 1, digest.length(), digest.length() + 1] {
                let mut changed = block.clone();
                changed[at] ^= 1;
                assert!(decoded(&changed, 384, digest).is_none(), "octet {at}");
            }
            assert!(decoded(&block, 383, digest).is_none());
            assert!(decoded(&block, 385, digest).is_none());
            assert!(decoded(&[0; 384], 384, digest).is_none());
            assert!(decoded(&[], 0, digest).is_none());
        }
    }

    #[test]
    fn zeros_alone_hold_no_message() {
        let digest = Digest::Sha256;
        let mut masked = provider::default().digest(digest, &[]);
        masked.resize(384 - 33, 0);
        let spoilt = |change: Option<(usize, u8)>| {
            let mut masked = masked.clone();
            if let Some((at, octet)) = change {
                masked[at] = octet;
            }
            let mut seed = vec![3; 32];
            unmask(&mut masked, &seed, digest);
            unmask(&mut seed, &masked, digest);
            decoded(&[&[0], &seed[..], &masked].concat(), 384, digest)
        };
        assert!(spoilt(None).is_none());
        assert!(spoilt(Some((40, 2))).is_none());
        assert_eq!(spoilt(Some((350, 1))).unwrap().len(), 0);
        assert_eq!(spoilt(Some((340, 1))).unwrap().as_bytes(), [0; 10]);
    }
}
