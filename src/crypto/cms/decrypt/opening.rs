//! From the content key to the content.
//!
//! Promises: everything here is public until the key comes; a cipher that does not authenticate
//! never opens content that was made for one that does.
//! Refuses: tags below sixteen octets; 3DES, RC2 and other ciphers that no longer protect, by name.
//! Standards: RFC 3565; RFC 5083 section 2; RFC 5084; RFC 9709.

use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use crate::crypto::algorithm::{ContentCipher, Mode};
use crate::crypto::ber::{Reader, Tag};
use crate::crypto::cms::binding::bound_key;
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{AlgorithmIdentifier, AuthEnvelopedData};
use crate::crypto::keys::Secret;
use crate::crypto::provider;

use super::{DecryptError, Envelope};

/// RFC 5084 §3.2 allows 12 to 16 octets. Only the full tag is taken: RFC 8755 §7.
const TAG_LENGTH: u64 = 16;
/// RFC 5084 §3.2: the length when it is not written.
const DEFAULT_TAG_LENGTH: u64 = 12;

/// Ciphers that are refused by their names.
const WEAK: [(ObjectIdentifier, &str); 4] = [
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.3.7"),
        "3DES-CBC",
    ),
    (
        ObjectIdentifier::new_unwrap("1.2.840.113549.3.2"),
        "RC2-CBC",
    ),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.3.4"), "RC4"),
    (ObjectIdentifier::new_unwrap("1.3.14.3.2.7"), "DES-CBC"),
];

/// The name of a cipher that no longer protects.
pub(super) fn weak_cipher(oid: &ObjectIdentifier) -> Option<&'static str> {
    WEAK.iter()
        .find(|(weak, _)| weak == oid)
        .map(|(_, name)| *name)
}

/// The cipher that encrypts, also where the key that travels is bound to it.
pub(super) fn cipher_oid(algorithm: &AlgorithmIdentifier<'_>) -> ObjectIdentifier {
    match bound_algorithm(algorithm) {
        Ok(Some(bound)) => bound.oid,
        _ => algorithm.oid,
    }
}

fn bound_algorithm<'a>(
    algorithm: &AlgorithmIdentifier<'a>,
) -> Result<Option<AlgorithmIdentifier<'a>>, DecryptError> {
    if algorithm.oid != oid::CEK_HKDF_SHA256 {
        return Ok(None);
    }
    algorithm
        .parameters
        .and_then(|inner| AlgorithmIdentifier::parse(inner, Default::default()).ok())
        .map(Some)
        .ok_or(DecryptError::NotAccepted(
            "the cipher to which its key is bound cannot be read",
        ))
}

/// How the content is decrypted once its key is there. All of it is public.
pub(super) struct Opening<'a> {
    cipher: ContentCipher,
    /// Initialisation vector, or nonce.
    start: Vec<u8>,
    authenticated: Vec<u8>,
    tag: &'a [u8],
    /// The cipher's AlgorithmIdentifier, when the key that travels is bound to it.
    bound_to: Option<&'a [u8]>,
}

impl<'a> Opening<'a> {
    pub(super) fn of(envelope: Envelope<'a>) -> Result<Self, DecryptError> {
        let outer = &envelope.content().algorithm;
        // RFC 9709 §3: the parameters are the algorithm that encrypts.
        let bound = bound_algorithm(outer)?;
        let algorithm = bound.as_ref().unwrap_or(outer);
        let bound_to = bound.as_ref().map(|bound| bound.raw);
        let cipher = ContentCipher::from_oid(&algorithm.oid).ok_or_else(|| {
            weak_cipher(&algorithm.oid).map_or(
                DecryptError::UnknownCipher(algorithm.oid),
                DecryptError::WeakCipher,
            )
        })?;
        match (envelope, cipher.mode()) {
            (Envelope::Plain(_), Mode::Cbc) => Ok(Self {
                cipher,
                start: initialisation_vector(algorithm)?,
                authenticated: Vec::new(),
                tag: &[],
                bound_to,
            }),
            (Envelope::Authenticated(data), Mode::Gcm) => {
                let (start, tag_length) = gcm_parameters(algorithm)?;
                // RFC 5084 §3.2: the tag has the length that the parameters say.
                if u64::try_from(data.mac.len()) != Ok(tag_length) {
                    return Err(DecryptError::NotAccepted(
                        "the tag has another length than its parameters say",
                    ));
                }
                check_authenticated(data)?;
                // RFC 5083 §2.2: authenticated under the tag SET OF.
                let mut authenticated = data
                    .authenticated_attributes
                    .map(<[u8]>::to_vec)
                    .unwrap_or_default();
                if let Some(first) = authenticated.first_mut() {
                    *first = Tag::SET.0;
                }
                Ok(Self {
                    cipher,
                    start,
                    authenticated,
                    tag: &data.mac,
                    bound_to,
                })
            }
            // A cipher of the other kind: content made for authentication would be decrypted
            // without it.
            (Envelope::Plain(_), Mode::Gcm) | (Envelope::Authenticated(_), Mode::Cbc) => Err(
                DecryptError::NotAccepted("the cipher does not belong into this kind of layer"),
            ),
        }
    }

    /// Octets of the content key, as it travels and as it is used.
    pub(super) fn key_length(&self) -> usize {
        self.cipher.key_length()
    }

    pub(super) fn open(
        &self,
        key: &Secret,
        octets: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let provider = provider::default();
        let bound;
        let key = match self.bound_to {
            Some(algorithm) => {
                bound = bound_key(key, algorithm, self.cipher.key_length())
                    .map_err(|_| DecryptError::Failed)?;
                &bound
            }
            None => key,
        };
        match self.cipher.mode() {
            Mode::Cbc => provider.cbc_decrypt(self.cipher, key.as_bytes(), &self.start, octets),
            Mode::Gcm => provider.gcm_open(
                self.cipher,
                key.as_bytes(),
                &self.start,
                &self.authenticated,
                octets,
                self.tag,
            ),
        }
        .map_err(|_| DecryptError::Failed)
    }
}

fn initialisation_vector(algorithm: &AlgorithmIdentifier<'_>) -> Result<Vec<u8>, DecryptError> {
    // RFC 3565 §2.2: the parameters are the vector.
    const WRONG: DecryptError = DecryptError::NotAccepted("its initialisation vector is missing");
    let parameters = algorithm.parameters.ok_or(WRONG)?;
    let mut reader = Reader::new(parameters, Default::default());
    let vector = reader
        .expect_string(Tag::OCTET_STRING)
        .and_then(|element| element.octets())
        .map_err(|_| WRONG)?;
    if vector.len() != provider::CBC_IV {
        return Err(WRONG);
    }
    Ok(vector.into_owned())
}

/// Nonce and length of the tag.
fn gcm_parameters(algorithm: &AlgorithmIdentifier<'_>) -> Result<(Vec<u8>, u64), DecryptError> {
    const WRONG: DecryptError = DecryptError::NotAccepted("its GCM parameters are not right");
    let parameters = algorithm.parameters.ok_or(WRONG)?;
    let read = || {
        let mut outer = Reader::new(parameters, Default::default());
        let mut fields = outer.sequence()?;
        let nonce = fields
            .expect_string(Tag::OCTET_STRING)?
            .octets()?
            .into_owned();
        let length = match fields.optional(Tag::INTEGER)? {
            Some(length) => length.unsigned()?,
            None => DEFAULT_TAG_LENGTH,
        };
        fields.finish()?;
        Ok::<_, crate::crypto::ber::BerError>((nonce, length))
    };
    match read() {
        Ok((nonce, TAG_LENGTH)) => Ok((nonce, TAG_LENGTH)),
        Ok(_) => Err(DecryptError::NotAccepted(
            "its tag is shorter than 16 octets",
        )),
        Err(_) => Err(WRONG),
    }
}

// RFC 5083 §2.1: content-type must be among the authenticated attributes unless the content is
// id-data, and it must be the type of the content.
fn check_authenticated(data: &AuthEnvelopedData<'_>) -> Result<(), DecryptError> {
    let mut types = data
        .authenticated
        .iter()
        .filter(|attribute| attribute.oid == oid::CONTENT_TYPE);
    let fits = match (types.next(), types.next()) {
        (None, _) => data.content.content_type == oid::DATA,
        (Some(attribute), None) => attribute.only_value().is_some_and(|value| {
            let mut reader = Reader::new(value, Default::default());
            reader
                .oid()
                .is_ok_and(|oid| oid == data.content.content_type)
        }),
        (Some(_), Some(_)) => false,
    };
    match fits {
        true => Ok(()),
        false => Err(DecryptError::NotAccepted(
            "its content-type attribute is not the type of the content",
        )),
    }
}
