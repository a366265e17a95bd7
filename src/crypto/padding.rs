//! PKCS #7 padding of CBC, taken off without saying where it was wrong.
//!
//! Promises: one error for every kind of damage, and the same work whatever the last block holds.
//! Standards: RFC 5652 §6.3; the attack is Vaudenay's padding oracle.

use zeroize::Zeroizing;

use super::provider::CryptoError;

/// Cuts the padding off `plaintext`, of a cipher with blocks of 16 octets.
pub(crate) fn remove(plaintext: &mut Zeroizing<Vec<u8>>) -> Result<(), CryptoError> {
    remove_from::<16>(plaintext)
}

/// Cuts the padding off `plaintext`, of a cipher with blocks of `BLOCK` octets.
// RFC 5652 §6.3
pub(crate) fn remove_from<const BLOCK: usize>(
    plaintext: &mut Zeroizing<Vec<u8>>,
) -> Result<(), CryptoError> {
    let last_block = plaintext.last_chunk::<BLOCK>().ok_or(CryptoError::Failed)?;
    let count = last_block.last().copied().ok_or(CryptoError::Failed)?;
    // Octet i from the end must be `count` when i < count. The whole block is looked at.
    let mut wrong = u8::from(count == 0) | u8::from(usize::from(count) > BLOCK);
    for (index, octet) in (0u8..).zip(last_block.iter().rev()) {
        let within = 0u8.wrapping_sub(u8::from(index < count));
        wrong |= (octet ^ count) & within;
    }
    if wrong != 0 {
        return Err(CryptoError::Failed);
    }
    let length = plaintext.len().saturating_sub(usize::from(count));
    plaintext.truncate(length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_good_length_and_every_bad_octet() {
        for count in 1u8..=16 {
            let mut block = vec![0xee; 32 - usize::from(count)];
            block.extend(std::iter::repeat_n(count, usize::from(count)));
            let mut good = Zeroizing::new(block.clone());
            remove(&mut good).unwrap();
            assert_eq!(good.len(), 32 - usize::from(count));
            for position in 32 - usize::from(count)..32 {
                let mut bad = Zeroizing::new(block.clone());
                bad[position] ^= 0x40;
                assert!(remove(&mut bad).is_err(), "{count} at {position}");
            }
        }
        for last in [0, 17, 255] {
            let mut bad = Zeroizing::new(vec![last; 16]);
            assert!(remove(&mut bad).is_err());
        }
        assert!(remove(&mut Zeroizing::new(vec![])).is_err());
        assert!(remove(&mut Zeroizing::new(vec![1; 15])).is_err());
    }

    #[test]
    fn a_block_of_eight_has_at_most_eight() {
        let mut good = Zeroizing::new(vec![8; 8]);
        remove_from::<8>(&mut good).unwrap();
        assert!(good.is_empty());
        assert!(remove_from::<8>(&mut Zeroizing::new(vec![9; 16])).is_err());
        assert!(remove_from::<8>(&mut Zeroizing::new(vec![1; 7])).is_err());
    }
}
