//! Encryption under a password: PBES2, for PKCS #8 keys and PKCS #12 files.
//!
//! Promises: the work that a file can ask for is bounded; a wrong password and damage look alike
//! (they cannot be told apart), an unknown algorithm is named.
//! Refuses: PBES1, RC2, DES, 3DES, RC4, scrypt (`pkcs12::legacy` reads two of them, in PKCS #12 files
//! alone). Standards: RFC 8018 §6.2, 5958 §3.

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader};
use pkcs5::EncryptionScheme;
use pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Pbkdf2Prf};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::algorithm::{ContentCipher, Digest};
use super::certificate::sequence_of;
use super::keys::Secret;
use super::provider::{self, CryptoError};
use super::tlv;

/// Rounds that a file may ask for. More than ten million is an attack on our time.
pub(crate) const MOST_ITERATIONS: u32 = 10_000_000;
/// Rounds that we ask for.
pub(crate) const OUR_ITERATIONS: u32 = 100_000;

const PBES2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.13");
const PBKDF2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.5.12");
const HMAC_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.2.9");

/// Why something encrypted under a password does not open.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordError {
    /// Asks for more work than is reasonable.
    #[error("asks for {0} rounds of key derivation, more than {MOST_ITERATIONS}")]
    Costly(u32),
    /// The structure is broken.
    #[error("is malformed: {0}")]
    Malformed(&'static str),
    /// It is encrypted, and no password was given.
    #[error("is encrypted: a password is needed")]
    Missing,
    /// Random octets or the cipher failed on our side.
    #[error("cannot be processed")]
    Provider(#[from] CryptoError),
    /// An algorithm that is too weak or not known.
    #[error("uses {0}, which is not supported; save it again with PBES2, PBKDF2 and AES-CBC")]
    Unsupported(String),
    /// Wrong password, or damage.
    #[error("does not open: the password is wrong, or the file is damaged")]
    Wrong,
}

/// Opens an EncryptedPrivateKeyInfo.
pub fn open_pkcs8(der: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let (algorithm, ciphertext) = parts_of_pkcs8(der)?;
    open(algorithm, ciphertext, password)
}

/// The AlgorithmIdentifier and the ciphertext of an EncryptedPrivateKeyInfo.
// RFC 5958 §3
pub(crate) fn parts_of_pkcs8(der: &[u8]) -> Result<(&[u8], &[u8]), PasswordError> {
    let malformed = |_| PasswordError::Malformed("not an EncryptedPrivateKeyInfo");
    let mut reader = SliceReader::new(sequence_of(der).map_err(malformed)?).map_err(malformed)?;
    let algorithm = reader.tlv_bytes().map_err(malformed)?;
    let ciphertext = <&OctetStringRef>::decode(&mut reader).map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    Ok((algorithm, ciphertext.as_bytes()))
}

/// Makes an EncryptedPrivateKeyInfo of a PKCS #8 key.
pub fn seal_pkcs8(pkcs8: &[u8], password: &str) -> Result<Vec<u8>, CryptoError> {
    let (algorithm, ciphertext) = seal(pkcs8, password)?;
    let ciphertext = tlv::element(tlv::OCTET_STRING, &[&ciphertext]);
    Ok(tlv::sequence(&[&algorithm, &ciphertext]))
}

/// Decrypts under the AlgorithmIdentifier `algorithm`.
pub(crate) fn open(
    algorithm: &[u8],
    ciphertext: &[u8],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
    let named = AlgorithmIdentifierRef::from_der(algorithm)
        .map_err(|_| PasswordError::Malformed("the encryption algorithm"))?;
    if named.oid != PBES2 {
        return Err(PasswordError::Unsupported(name_of(&named.oid)));
    }
    let scheme = EncryptionScheme::from_der(algorithm)
        .map_err(|_| PasswordError::Unsupported(inner_names(named.parameters)))?;
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Err(PasswordError::Unsupported(name_of(&named.oid)));
    };
    let (cipher, iv) = match &parameters.encryption {
        Cipher::Aes128Cbc { iv } => (ContentCipher::Aes128Cbc, iv),
        Cipher::Aes192Cbc { iv } => (ContentCipher::Aes192Cbc, iv),
        Cipher::Aes256Cbc { iv } => (ContentCipher::Aes256Cbc, iv),
        _ => {
            return Err(PasswordError::Unsupported(
                "a cipher other than AES-CBC".to_owned(),
            ));
        }
    };
    let key = derive(
        &parameters.kdf,
        password.as_bytes(),
        cipher.key_length(),
        MOST_ITERATIONS,
    )?;
    provider::default()
        .cbc_decrypt(cipher, key.as_bytes(), iv, ciphertext)
        .map_err(|_| PasswordError::Wrong)
}

/// The key of `length` octets that this AlgorithmIdentifier (PBKDF2, in DER) makes of a password,
/// at a cost of at most `most_iterations`.
pub(crate) fn derived_key(
    algorithm: &[u8],
    password: &[u8],
    length: usize,
    most_iterations: u32,
) -> Result<Secret, PasswordError> {
    let derivation = AlgorithmIdentifierRef::from_der(algorithm)
        .and_then(Kdf::try_from)
        .map_err(|_| PasswordError::Unsupported("this key derivation".to_owned()))?;
    derive(&derivation, password, length, most_iterations)
}

fn derive(
    derivation: &Kdf,
    password: &[u8],
    length: usize,
    most_iterations: u32,
) -> Result<Secret, PasswordError> {
    let Kdf::Pbkdf2(derivation) = derivation else {
        return Err(PasswordError::Unsupported("scrypt".to_owned()));
    };
    if derivation.iteration_count > most_iterations {
        return Err(PasswordError::Costly(derivation.iteration_count));
    }
    let digest = match derivation.prf {
        Pbkdf2Prf::HmacWithSha1 => Digest::Sha1,
        Pbkdf2Prf::HmacWithSha256 => Digest::Sha256,
        Pbkdf2Prf::HmacWithSha384 => Digest::Sha384,
        Pbkdf2Prf::HmacWithSha512 => Digest::Sha512,
        _ => return Err(PasswordError::Unsupported("this HMAC in PBKDF2".to_owned())),
    };
    Ok(provider::default().pbkdf2(
        digest,
        password,
        derivation.salt.as_ref(),
        derivation.iteration_count,
        length,
    )?)
}

/// Encrypts; returns the AlgorithmIdentifier and the ciphertext. PBKDF2-HMAC-SHA-256, AES-256-CBC.
pub(crate) fn seal(plaintext: &[u8], password: &str) -> Result<(Vec<u8>, Vec<u8>), CryptoError> {
    let provider = provider::default();
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    provider.random(&mut salt)?;
    provider.random(&mut iv)?;
    let cipher = ContentCipher::Aes256Cbc;
    let key = provider.pbkdf2(
        Digest::Sha256,
        password.as_bytes(),
        &salt,
        OUR_ITERATIONS,
        cipher.key_length(),
    )?;
    let ciphertext = provider.cbc_encrypt(cipher, key.as_bytes(), &iv, plaintext)?;
    // RFC 8018 A.2, A.4
    let derivation = tlv::sequence(&[
        &tlv::element(tlv::OCTET_STRING, &[&salt]),
        &tlv::integer(u64::from(OUR_ITERATIONS)),
        &tlv::sequence(&[&tlv::oid(&HMAC_SHA256), tlv::NULL]),
    ]);
    let parameters = tlv::sequence(&[
        &tlv::sequence(&[&tlv::oid(&PBKDF2), &derivation]),
        &tlv::sequence(&[
            &tlv::oid(&cipher.oid()),
            &tlv::element(tlv::OCTET_STRING, &[&iv]),
        ]),
    ]);
    Ok((tlv::sequence(&[&tlv::oid(&PBES2), &parameters]), ciphertext))
}

fn name_of(oid: &ObjectIdentifier) -> String {
    match oid.to_string().as_str() {
        "1.2.840.113549.1.12.1.3" => "PBE with SHA-1 and 3DES (PKCS #12, legacy)".to_owned(),
        "1.2.840.113549.1.12.1.6" => "PBE with SHA-1 and 40-bit RC2 (PKCS #12, legacy)".to_owned(),
        other => format!("encryption algorithm {other}"),
    }
}

fn inner_names(parameters: Option<AnyRef<'_>>) -> String {
    let inner = parameters.and_then(|any| {
        let mut reader = SliceReader::new(any.value()).ok()?;
        let derivation = AlgorithmIdentifierRef::decode(&mut reader).ok()?;
        let cipher = AlgorithmIdentifierRef::decode(&mut reader).ok()?;
        Some(format!("PBES2 with {} and {}", derivation.oid, cipher.oid))
    });
    inner.unwrap_or_else(|| "PBES2 with unreadable parameters".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Encode;

    #[test]
    fn opens_what_it_seals_and_nothing_else() {
        let sealed = seal_pkcs8(b"a key", "secret").unwrap();
        assert_eq!(open_pkcs8(&sealed, "secret").unwrap().as_slice(), b"a key");
        assert_ne!(
            open_pkcs8(&sealed, "Secret").ok().as_deref(),
            Some(&b"a key".to_vec())
        );
        assert!(matches!(
            open_pkcs8(b"\x30\x00", "x"),
            Err(PasswordError::Malformed(_))
        ));
    }

    #[test]
    fn too_many_rounds_are_refused_before_they_are_run() {
        let (algorithm, ciphertext) = seal(b"a key", "secret").unwrap();
        let ours = OUR_ITERATIONS.to_der().unwrap();
        let at = algorithm
            .windows(ours.len())
            .position(|w| w == ours)
            .unwrap();
        let mut costly = algorithm.clone();
        // 0x0186a0 becomes 0x7f86a0, which is below the limit; a fourth octet goes beyond it.
        costly[at + 2] = 0x7f;
        assert!(open(&costly, &ciphertext, "secret").is_err());
        let salt = tlv::element(tlv::OCTET_STRING, &[&[1; 16]]);
        let derivation = tlv::sequence(&[&salt, &tlv::integer(2_000_000_000)]);
        let parameters = tlv::sequence(&[
            &tlv::sequence(&[&tlv::oid(&PBKDF2), &derivation]),
            &tlv::sequence(&[
                &tlv::oid(&ContentCipher::Aes256Cbc.oid()),
                &tlv::element(tlv::OCTET_STRING, &[&[1; 16]]),
            ]),
        ]);
        let algorithm = tlv::sequence(&[&tlv::oid(&PBES2), &parameters]);
        assert_eq!(
            open(&algorithm, &ciphertext, "secret").err(),
            Some(PasswordError::Costly(2_000_000_000))
        );
    }
}
