//! The key derivation of PKCS #12: MAC keys, and the keys of legacy encryption.
//!
//! Promises: the password stands in it as BMPString and is wiped. Who calls bounds the rounds.
//! Standards: RFC 7292 B.1 to B.3.

use zeroize::Zeroizing;

use crate::crypto::algorithm::Digest;
use crate::crypto::provider;

/// What the derived octets are for: the diversifier ID.
// RFC 7292 B.3
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// The key of a cipher.
    Key,
    /// Its initialisation vector.
    Vector,
    /// The key of the MAC.
    Mac,
}

impl Purpose {
    fn octet(self) -> u8 {
        match self {
            Self::Key => 1,
            Self::Vector => 2,
            Self::Mac => 3,
        }
    }
}

/// A password in the form that the derivation takes.
pub(super) struct Text(Zeroizing<Vec<u8>>);

impl Text {
    /// BMPString with its closing zero.
    // RFC 7292 B.1: an empty password has that zero, too.
    pub(super) fn of(password: &str) -> Self {
        let room = password.len().saturating_mul(2).saturating_add(2);
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        text.extend(password.encode_utf16().flat_map(u16::to_be_bytes));
        text.extend([0, 0]);
        Self(text)
    }

    /// No password at all: no octet. Some programs write so where the user gave an empty one.
    pub(super) fn absent() -> Self {
        Self(Zeroizing::new(Vec::new()))
    }
}

/// `length` octets for `purpose`.
// RFC 7292 B.2
pub(super) fn derive(
    digest: Digest,
    purpose: Purpose,
    text: &Text,
    salt: &[u8],
    iterations: u32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = match digest {
        Digest::Sha1 | Digest::Sha256 => 64usize,
        Digest::Sha384 | Digest::Sha512 => 128,
    };
    let diversifier = vec![purpose.octet(); block];
    let mut input = repeated(salt, block);
    input.extend_from_slice(&repeated(&text.0, block));
    let provider = provider::default();
    let mut out = Zeroizing::new(Vec::new());
    loop {
        let mut one = Zeroizing::new(provider.digest(digest, &[&diversifier, &input]));
        for _ in 1..iterations {
            *one = provider.digest(digest, &[&one]);
        }
        let wanted = length.saturating_sub(out.len());
        out.extend(one.iter().copied().take(wanted));
        if out.len() >= length || one.is_empty() {
            return out;
        }
        for part in input.chunks_mut(block) {
            add(part, &one);
        }
    }
}

/// Adds `one`, repeated to the length of `part`, and 1 to `part`, as numbers without carry beyond it.
// RFC 7292 B.2 step 6 C
fn add(part: &mut [u8], one: &[u8]) {
    let other: Zeroizing<Vec<u8>> =
        Zeroizing::new(one.iter().copied().cycle().take(part.len()).collect());
    let mut carry = 1u16;
    for (octet, added) in part.iter_mut().zip(other.iter()).rev() {
        let sum = u16::from(*octet)
            .saturating_add(u16::from(*added))
            .saturating_add(carry);
        let [high, low] = sum.to_be_bytes();
        *octet = low;
        carry = u16::from(high);
    }
}

/// `octets` over and over, up to the next multiple of `block`.
fn repeated(octets: &[u8], block: usize) -> Zeroizing<Vec<u8>> {
    let length = octets.len().div_ceil(block).saturating_mul(block);
    let mut out = Zeroizing::new(Vec::with_capacity(length));
    out.extend(octets.iter().copied().cycle().take(length));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(octets: &[u8]) -> String {
        octets.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// The widely published vectors of this derivation ("smeg", "queeg"), and two that OpenSSL 3 made
    /// (`openssl kdf PKCS12KDF`).
    #[test]
    fn published_vectors() {
        use Purpose::{Key, Mac, Vector};
        let sha1 = |purpose, password: &str, salt: u64, rounds, length| {
            let salt = salt.to_be_bytes();
            let text = Text::of(password);
            hex(&derive(Digest::Sha1, purpose, &text, &salt, rounds, length))
        };
        assert_eq!(
            sha1(Key, "smeg", 0x0a58_cf64_530d_823f, 1, 24),
            "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"
        );
        assert_eq!(
            sha1(Key, "queeg", 0x05de_c959_acff_72f7, 1000, 24),
            "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4"
        );
        assert_eq!(
            sha1(Vector, "queeg", 0x05de_c959_acff_72f7, 1000, 8),
            "11dedad7758d4860"
        );
        assert_eq!(
            sha1(Mac, "smeg", 0x3d83_c0e4_546a_c140, 1, 20),
            "8d967d88f6caa9d714800ab3d48051d63f73a312"
        );
        // The closing zero of an empty password, and more than one block of output.
        let salt = [1, 2, 3, 4, 5, 6, 7, 8];
        let long = |text: &Text| hex(&derive(Digest::Sha256, Key, text, &salt, 100, 64));
        assert_eq!(
            long(&Text::of("")),
            "4a8bd650518803030f2e71ae5665d0f8c59f498feede48a0ccad0e027ef1b4e1\
             bdd4176c6872da5112d0a190b2fd2aa1afb968086ca3ad44abff0a3ca53b96eb"
        );
        assert_ne!(long(&Text::of("")), long(&Text::absent()));
    }
}
