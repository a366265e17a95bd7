//! From a recipient that is us to the content key.
//!
//! Promises: what a method needs is looked at before a key is used; after that there is a content
//! key or nothing, and nobody learns why.
//! Refuses: PKCS#1 v1.5 unless it is asked for, SHA-1 derivations, wraps that are not AES.
//! Standards: RFC 5652 section 6.2; RFC 5753; RFC 8418; RFC 3560; RFC 3218.

use const_oid::ObjectIdentifier;

use crate::crypto::algorithm::{ID_X25519, KeyWrap, oaep_digest};
use crate::crypto::certificate::PublicKey;
use crate::crypto::cms::agreement::{derivation, key_encryption_key};
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{
    CertificateIdentifier, KeyAgreement, KeyTransport, PasswordRecipient, RecipientInfo,
};
use crate::crypto::keys::{Identity, Secret};
use crate::crypto::provider::{self, CryptoError};

use super::{DecryptError, Envelope, Keys, Pkcs1Transport, SharedKey};

mod password;

/// Private-key operations that one layer may cost.
const MOST_ATTEMPTS: usize = 4;

/// One recipient that is one of the identities, by a method that is accepted.
pub(super) enum Attempt<'a> {
    Agreement {
        identity: &'a Identity,
        agreement: &'a KeyAgreement<'a>,
        encrypted_key: &'a [u8],
    },
    OldTransport {
        identity: &'a Identity,
        transport: &'a KeyTransport<'a>,
    },
    Password {
        password: &'a Secret,
        recipient: &'a PasswordRecipient<'a>,
    },
    Shared {
        key: &'a SharedKey,
        wrap: KeyWrap,
        encrypted_key: &'a [u8],
    },
    Transport {
        identity: &'a Identity,
        transport: &'a KeyTransport<'a>,
    },
}

/// The token with the key does not answer: nothing is known of the message.
pub(super) struct KeyAway;

impl Attempt<'_> {
    /// The content key, or nothing for whatever reason that lies in the message.
    pub(super) fn content_key(&self) -> Result<Option<Secret>, KeyAway> {
        Ok(match self {
            Self::Agreement {
                identity,
                agreement,
                encrypted_key,
            } => agreed_key(identity, agreement, encrypted_key)?,
            Self::OldTransport {
                identity,
                transport,
            } => present(identity.key().decrypt_pkcs1(&transport.encrypted_key))?,
            Self::Password {
                password,
                recipient,
            } => password::content_key(recipient, password),
            Self::Shared {
                key,
                wrap,
                encrypted_key,
            } => provider::default()
                .unwrap_key(*wrap, key.key.as_bytes(), encrypted_key)
                .ok(),
            Self::Transport {
                identity,
                transport,
            } => {
                let algorithm = transport.algorithm.to_spki();
                match algorithm.and_then(|algorithm| oaep_digest(&algorithm).ok()) {
                    Some(digest) => present(
                        identity
                            .key()
                            .decrypt_oaep(digest, &transport.encrypted_key),
                    )?,
                    None => None,
                }
            }
        })
    }
}

/// What a present key came to.
fn present(outcome: Result<Secret, CryptoError>) -> Result<Option<Secret>, KeyAway> {
    match outcome {
        Ok(secret) => Ok(Some(secret)),
        Err(CryptoError::Away) => Err(KeyAway),
        Err(_) => Ok(None),
    }
}

/// The recipients that are us. Several certificates can have one key identifier, and one identity
/// can be named twice, so there can be several.
pub(super) fn attempts<'a>(
    envelope: Envelope<'a>,
    keys: &Keys<'a>,
) -> Result<Vec<Attempt<'a>>, DecryptError> {
    let mut attempts = Vec::new();
    let mut refused = None;
    for info in envelope.recipients() {
        match of_recipient(info, keys) {
            Ok(more) => attempts.extend(more),
            Err(problem) => refused = Some(problem),
        }
    }
    attempts.truncate(MOST_ATTEMPTS);
    match (attempts.is_empty(), refused) {
        (false, _) => Ok(attempts),
        (true, Some(problem)) => Err(DecryptError::NotAccepted(problem)),
        (true, None) => Err(DecryptError::NotForUs),
    }
}

/// What can be tried for one recipient: nothing when it is somebody else; the reason when it is us
/// by a method that is not accepted.
fn of_recipient<'a>(
    info: &'a RecipientInfo<'a>,
    keys: &Keys<'a>,
) -> Result<Vec<Attempt<'a>>, &'static str> {
    let ours = |rid: &'a CertificateIdentifier<'a>| {
        keys.identities
            .iter()
            .filter(|identity| rid.matches(identity.certificate()))
    };
    let mut attempts = Vec::new();
    match info {
        RecipientInfo::KeyAgreement(agreement) => {
            for key in &agreement.keys {
                for identity in ours(&key.rid) {
                    if let Some(problem) = agreement_problem(agreement) {
                        return Err(problem);
                    }
                    attempts.push(Attempt::Agreement {
                        identity,
                        agreement,
                        encrypted_key: &key.encrypted_key,
                    });
                }
            }
        }
        RecipientInfo::KeyEncryption(recipient) => {
            let mine = |key: &&SharedKey| key.identifier == recipient.identifier.as_ref();
            for key in keys.shared.iter().filter(mine) {
                // RFC 3565 §2.3.2: parameters absent; some senders write NULL.
                let wrap = KeyWrap::from_oid(&recipient.algorithm.oid)
                    .filter(|_| recipient.algorithm.parameters_but_null().is_none())
                    .ok_or("its key wrap is not that of AES")?;
                attempts.push(Attempt::Shared {
                    key,
                    wrap,
                    encrypted_key: &recipient.encrypted_key,
                });
            }
        }
        RecipientInfo::KeyTransport(transport) => {
            for identity in ours(&transport.rid) {
                let pkcs1 = match identity.pkcs1() {
                    Pkcs1Transport::Read => Pkcs1Transport::Read,
                    Pkcs1Transport::Refused => keys.pkcs1,
                };
                attempts.push(match transport_problem(transport, pkcs1) {
                    Some(problem) => return Err(problem),
                    None if transport.algorithm.oid == oid::RSA_ENCRYPTION => {
                        Attempt::OldTransport {
                            identity,
                            transport,
                        }
                    }
                    None => Attempt::Transport {
                        identity,
                        transport,
                    },
                });
            }
        }
        RecipientInfo::Password(recipient) => {
            attempts.extend(keys.passwords.iter().map(|password| Attempt::Password {
                password,
                recipient,
            }));
        }
        RecipientInfo::Unsupported { .. } => {}
    }
    Ok(attempts)
}

fn transport_problem(transport: &KeyTransport<'_>, pkcs1: Pkcs1Transport) -> Option<&'static str> {
    if transport.algorithm.oid == oid::RSA_ENCRYPTION {
        return match pkcs1 {
            Pkcs1Transport::Read => None,
            Pkcs1Transport::Refused => {
                Some("its key was transported with PKCS#1 v1.5; ask the sender for OAEP")
            }
        };
    }
    match transport
        .algorithm
        .to_spki()
        .map(|algorithm| oaep_digest(&algorithm))
    {
        Some(Ok(_)) => None,
        _ => Some("its key transport is not OAEP with one hash"),
    }
}

fn agreement_problem(agreement: &KeyAgreement<'_>) -> Option<&'static str> {
    if derivation(&agreement.algorithm.oid).is_none() {
        return Some("its key agreement is not ECDH with SHA-2");
    }
    let wrap = &agreement.wrap;
    // RFC 3565 §2.3.2: parameters absent; some senders write NULL.
    if KeyWrap::from_oid(&wrap.oid).is_none() || wrap.parameters_but_null().is_some() {
        return Some("its key wrap is not that of AES");
    }
    if ![oid::EC_PUBLIC_KEY, ID_X25519].contains(&agreement.originator.algorithm.oid) {
        return Some("the originator's key is not on a named curve");
    }
    None
}

fn agreed_key(
    identity: &Identity,
    agreement: &KeyAgreement<'_>,
    encrypted_key: &[u8],
) -> Result<Option<Secret>, KeyAway> {
    let Some(point) = originator_point(identity, agreement) else {
        return Ok(None);
    };
    let secret = present(identity.key().agree(point))?;
    Ok(secret.and_then(|secret| unwrapped(&secret, agreement, encrypted_key)))
}

/// The originator's key, when it is of the kind of the identity's.
fn originator_point<'a>(identity: &Identity, agreement: &'a KeyAgreement<'_>) -> Option<&'a [u8]> {
    let algorithm = &agreement.originator.algorithm;
    match identity.certificate().public_key() {
        PublicKey::Ec(curve, _) if algorithm.oid == oid::EC_PUBLIC_KEY => {
            // RFC 5753 §7.1.2: absent, NULL, or the name of the curve; a described curve never.
            if let Some(parameters) = &algorithm.parameters
                && !parameters.is_null()
                && parameters.decode_as::<ObjectIdentifier>().ok() != Some(curve.oid())
            {
                return None;
            }
        }
        // RFC 8418 §3: parameters absent.
        PublicKey::X25519(_) if algorithm.oid == ID_X25519 && algorithm.parameters.is_none() => {}
        _ => return None,
    }
    agreement.originator.public_key.as_bytes()
}

fn unwrapped(
    secret: &Secret,
    agreement: &KeyAgreement<'_>,
    encrypted_key: &[u8],
) -> Option<Secret> {
    let derivation = derivation(&agreement.algorithm.oid)?;
    let wrap = KeyWrap::from_oid(&agreement.wrap.oid)?;
    let kek = key_encryption_key(
        derivation,
        secret,
        wrap,
        agreement.wrap.raw,
        agreement.user_keying_material.as_deref(),
    )
    .ok()?;
    provider::default()
        .unwrap_key(wrap, kek.as_bytes(), encrypted_key)
        .ok()
}
