//! Legacy encryption in PKCS #12 files: 3DES and RC2 under a key that SHA-1 makes. Only read.
//!
//! Promises: rounds, salt and size are bounded before work is done; every failure behind them is one error.
//! Refuses: to write; RC4. Standards: RFC 7292 App. C, RFC 2268 (RC2), FIPS 46-3 (3DES).

use cbc::cipher::consts::U8;
use cbc::cipher::{Block, BlockCipherDecrypt, BlockModeDecrypt, BlockSizeUser, KeyInit, KeyIvInit};
use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::derivation::{Purpose, Text, derive};
use super::{LONGEST_SALT, MOST_ITERATIONS};
use crate::crypto::algorithm::Digest;
use crate::crypto::certificate::sequence_of;
use crate::crypto::padding;
use crate::crypto::pbes2::PasswordError;
use crate::crypto::provider::CryptoError;

/// Octets of a block and of an initialisation vector of all these ciphers.
const BLOCK: usize = 8;

/// A cipher of RFC 7292 App. C that is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Legacy {
    /// Three keys.
    TripleDes,
    /// The first key is also the third.
    TripleDesTwoKeys,
    /// A key of 128 bits.
    Rc2,
    /// A key of 40 bits.
    Rc2Export,
}

impl Legacy {
    /// The cipher of this AlgorithmIdentifier, if it is one of these.
    // RFC 7292 App. C
    pub(super) fn of(algorithm: &[u8]) -> Option<Self> {
        let named = AlgorithmIdentifierRef::from_der(algorithm).ok()?;
        const FAMILY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.1");
        if named.oid.parent() != Some(FAMILY) {
            return None;
        }
        match named.oid.arcs().last() {
            Some(3) => Some(Self::TripleDes),
            Some(4) => Some(Self::TripleDesTwoKeys),
            Some(5) => Some(Self::Rc2),
            Some(6) => Some(Self::Rc2Export),
            _ => None,
        }
    }

    /// Its name for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TripleDes => "3DES",
            Self::TripleDesTwoKeys => "3DES with two keys",
            Self::Rc2 => "RC2",
            Self::Rc2Export => "RC2 with 40 bits",
        }
    }

    fn key_length(self) -> usize {
        match self {
            Self::TripleDes => 24,
            Self::TripleDesTwoKeys | Self::Rc2 => 16,
            Self::Rc2Export => 5,
        }
    }

    /// Decrypts under the parameters that stand in `algorithm`.
    pub(super) fn open(
        self,
        algorithm: &[u8],
        ciphertext: &[u8],
        text: &Text,
    ) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
        let (salt, iterations) = parameters(algorithm)
            .map_err(|_| PasswordError::Malformed("the parameters of the encryption"))?;
        if iterations > MOST_ITERATIONS {
            return Err(PasswordError::Costly(iterations));
        }
        if salt.len() > LONGEST_SALT {
            return Err(PasswordError::Malformed("the salt is too long"));
        }
        let octets =
            |purpose, length| derive(Digest::Sha1, purpose, text, salt, iterations, length);
        let key = octets(Purpose::Key, self.key_length());
        let vector = octets(Purpose::Vector, BLOCK);
        let mut out = Zeroizing::new(ciphertext.to_vec());
        match self {
            Self::TripleDes => decrypt::<des::TdesEde3>(&key, &vector, &mut out),
            Self::TripleDesTwoKeys => decrypt::<des::TdesEde2>(&key, &vector, &mut out),
            // RFC 2268 §2: the effective length is the length of the key.
            Self::Rc2 | Self::Rc2Export => decrypt::<rc2::Rc2>(&key, &vector, &mut out),
        }
        .and_then(|()| padding::remove_from::<BLOCK>(&mut out))
        .map_err(|_| PasswordError::Wrong)?;
        Ok(out)
    }
}

// RFC 7292 App. C: pkcs-12PbeParams
fn parameters(algorithm: &[u8]) -> der::Result<(&[u8], u32)> {
    let mut fields = SliceReader::new(sequence_of(algorithm)?)?;
    let _: ObjectIdentifier = Decode::decode(&mut fields)?;
    let parameters = fields.tlv_bytes()?;
    fields.finish()?;
    let mut fields = SliceReader::new(sequence_of(parameters)?)?;
    let salt = <&OctetStringRef>::decode(&mut fields)?;
    let iterations = u32::decode(&mut fields)?;
    fields.finish()?;
    Ok((salt.as_bytes(), iterations))
}

fn decrypt<C>(key: &[u8], vector: &[u8], data: &mut [u8]) -> Result<(), CryptoError>
where
    C: BlockCipherDecrypt + KeyInit + BlockSizeUser<BlockSize = U8>,
{
    let mut mode =
        cbc::Decryptor::<C>::new_from_slices(key, vector).map_err(|_| CryptoError::Failed)?;
    let (blocks, rest) = Block::<C>::slice_as_chunks_mut(data);
    if !rest.is_empty() {
        return Err(CryptoError::Failed);
    }
    mode.decrypt_blocks(blocks);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2268 §5: a key of 128 bits and the block 0. The other ciphers are held against OpenSSL's files.
    #[test]
    fn one_block_of_each_cipher() {
        let zero = [0; BLOCK];
        let key = [
            0x88, 0xbc, 0xa9, 0x0e, 0x90, 0x87, 0x5a, 0x7f, 0x0f, 0x79, 0xc3, 0x84, 0x62, 0x7b,
            0xaf, 0xb2,
        ];
        let mut block = [0x22, 0x69, 0x55, 0x2a, 0xb0, 0xf8, 0x5c, 0xa6];
        decrypt::<rc2::Rc2>(&key, &zero, &mut block).unwrap();
        assert_eq!(block, zero);
        assert!(decrypt::<rc2::Rc2>(&key, &zero, &mut [0; 7]).is_err());
        assert!(decrypt::<des::TdesEde3>(&key, &zero, &mut block).is_err());
    }

    #[test]
    fn only_the_four_are_legacy() {
        let named = |arc: &str| {
            let oid = ObjectIdentifier::new(arc).unwrap();
            Legacy::of(&crate::crypto::tlv::sequence(&[&crate::crypto::tlv::oid(
                &oid,
            )]))
        };
        assert_eq!(named("1.2.840.113549.1.12.1.3"), Some(Legacy::TripleDes));
        assert_eq!(named("1.2.840.113549.1.12.1.6"), Some(Legacy::Rc2Export));
        assert_eq!(named("1.2.840.113549.1.12.1.1"), None);
        assert_eq!(named("1.2.840.113549.1.5.13"), None);
    }
}
