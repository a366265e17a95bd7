//! Objects on a token: the key that a name fits, its public half, certificates beside it.
//!
//! Promises: one key or an error; a key that is made stays on the token.
//! Refuses: keys that ask for the PIN at each use; kinds and curves that are not used here.
//! Standards: PKCS #11 §4 (objects), RFC 7512 §2.3.

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use der::Decode;
use der::asn1::ObjectIdentifier;

use super::module::away;
use super::{Standing, TokenError, TokenUri, ecdsa};
use crate::crypto::algorithm::{Curve, KeyKind, rsa_public_key_der};
use crate::crypto::certificate::Certificate;
use crate::crypto::{provider, tlv};

/// Objects of one kind that are looked at.
const MOST_OBJECTS: usize = 256;

/// The private key that the name fits.
pub(super) fn private_key(session: &Session, uri: &TokenUri) -> Result<ObjectHandle, TokenError> {
    if !uri.names_a_key() {
        return Err(TokenError::Several);
    }
    let found = session
        .find_objects(&wanted(uri, ObjectClass::PRIVATE_KEY))
        .map_err(away)?;
    match found.as_slice() {
        [] => Err(TokenError::NoKey),
        [one] => Ok(*one),
        _ => Err(TokenError::Several),
    }
}

/// SubjectPublicKeyInfo of a private key: from itself, its public half, or its certificate.
pub(super) fn spki(session: &Session, key: ObjectHandle) -> Result<Vec<u8>, TokenError> {
    if flag(session, key, AttributeType::AlwaysAuthenticate) {
        return Err(TokenError::Form("it asks for the PIN at each use"));
    }
    let id = octets(session, key, AttributeType::Id).filter(|id| !id.is_empty());
    let label = octets(session, key, AttributeType::Label).unwrap_or_default();
    if let Some(own) = half(session, key) {
        return Ok(own);
    }
    // The public half and the certificate carry the identifier of the key, or else its label.
    let mut template = vec![match id {
        Some(id) => Attribute::Id(id),
        None => Attribute::Label(label),
    }];
    template.push(Attribute::Class(ObjectClass::PUBLIC_KEY));
    for public in session.find_objects(&template).map_err(away)? {
        if let Some(found) = half(session, public) {
            return Ok(found);
        }
    }
    template.pop();
    template.push(Attribute::Class(ObjectClass::CERTIFICATE));
    for object in session.find_objects(&template).map_err(away)? {
        if let Some(found) = certificate(session, object) {
            return Ok(found.spki_der().to_vec());
        }
    }
    Err(TokenError::Form(
        "its public half is not known; put the public key or the certificate on the token too",
    ))
}

/// The public half, as far as this object tells it.
fn half(session: &Session, object: ObjectHandle) -> Option<Vec<u8>> {
    let kind = session
        .get_attributes(object, &[AttributeType::KeyType])
        .ok()?;
    match kind.first()? {
        Attribute::KeyType(KeyType::RSA) => {
            let modulus = octets(session, object, AttributeType::Modulus)?;
            let exponent = octets(session, object, AttributeType::PublicExponent)?;
            let numbers = [ecdsa::unsigned(&modulus), ecdsa::unsigned(&exponent)];
            let [modulus, exponent] = &numbers;
            Some(rsa_public_key_der(&tlv::sequence(&[modulus, exponent])))
        }
        Attribute::KeyType(KeyType::EC) => {
            let parameters = octets(session, object, AttributeType::EcParams)?;
            let curve = Curve::from_oid(&ObjectIdentifier::from_der(&parameters).ok()?)?;
            let point = octets(session, object, AttributeType::EcPoint)?;
            Some(curve.public_key_der(&ecdsa::point(curve, &point)?))
        }
        _ => None,
    }
}

/// The certificates that the name fits, or those that stand beside the key that it fits.
pub(super) fn certificates(
    session: &Session,
    uri: &TokenUri,
) -> Result<Vec<Certificate>, TokenError> {
    let key = private_key(session, uri)?;
    let mut template = vec![Attribute::Class(ObjectClass::CERTIFICATE)];
    match octets(session, key, AttributeType::Id).filter(|id| !id.is_empty()) {
        Some(id) => template.push(Attribute::Id(id)),
        None => template.extend(
            uri.object
                .as_ref()
                .map(|o| Attribute::Label(o.clone().into())),
        ),
    }
    let found = session.find_objects(&template).map_err(away)?;
    Ok(found
        .into_iter()
        .take(MOST_OBJECTS)
        .filter_map(|object| certificate(session, object))
        .collect())
}

/// Everything on the token that the name fits.
pub(super) fn list(session: &Session, uri: &TokenUri) -> Result<Vec<Standing>, TokenError> {
    let token = uri.token.label.clone().unwrap_or_default();
    let mut all = Vec::new();
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::CERTIFICATE] {
        let found = session.find_objects(&wanted(uri, class)).map_err(away)?;
        for object in found.into_iter().take(MOST_OBJECTS) {
            let label = octets(session, object, AttributeType::Label).unwrap_or_default();
            let certificate = match class {
                ObjectClass::CERTIFICATE => Some(certificate(session, object)),
                _ => None,
            };
            // A certificate that cannot be read is no certificate.
            if certificate.as_ref().is_some_and(Option::is_none) {
                continue;
            }
            all.push(Standing {
                token: token.clone(),
                label: String::from_utf8_lossy(&label).into_owned(),
                id: octets(session, object, AttributeType::Id).unwrap_or_default(),
                spki: match class {
                    ObjectClass::PRIVATE_KEY => spki(session, object).ok(),
                    _ => None,
                },
                certificate: certificate.flatten(),
            });
        }
    }
    Ok(all)
}

/// Makes a key pair that stays on the token.
pub(super) fn generate(session: &Session, uri: &TokenUri, kind: KeyKind) -> Result<(), TokenError> {
    let label = uri
        .object
        .as_ref()
        .ok_or(TokenError::Form("its name is missing; add object="))?;
    match private_key(session, uri) {
        Err(TokenError::NoKey) => {}
        Ok(_) | Err(TokenError::Several) => {
            return Err(TokenError::Form("a key of this name is there already"));
        }
        Err(error) => return Err(error),
    }
    let id = match &uri.id {
        Some(id) => id.clone(),
        None => {
            let mut id = vec![0; 16];
            provider::default()
                .random(&mut id)
                .map_err(|error| TokenError::Away(error.to_string()))?;
            id
        }
    };
    let named = [
        Attribute::Token(true),
        Attribute::Label(label.clone().into_bytes()),
        Attribute::Id(id),
    ];
    let mut public = named.to_vec();
    let mut private = named.to_vec();
    public.push(Attribute::Verify(true));
    private.extend([
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
    ]);
    let mechanism = match kind {
        KeyKind::Ec(curve) => {
            public.push(Attribute::EcParams(ecdsa::parameters(curve)));
            private.push(Attribute::Derive(true));
            Mechanism::EccKeyPairGen
        }
        KeyKind::Rsa(bits) => {
            public.extend([
                Attribute::ModulusBits(u64::from(bits).into()),
                Attribute::PublicExponent(vec![1, 0, 1]),
                Attribute::Encrypt(true),
            ]);
            private.push(Attribute::Decrypt(true));
            Mechanism::RsaPkcsKeyPairGen
        }
        KeyKind::Ed25519 | KeyKind::X25519 => {
            return Err(TokenError::Form("such keys are not made on tokens here"));
        }
    };
    session
        .generate_key_pair(&mechanism, &public, &private)
        .map(drop)
        .map_err(away)
}

fn wanted(uri: &TokenUri, class: ObjectClass) -> Vec<Attribute> {
    let mut template = vec![Attribute::Class(class)];
    template.extend(
        uri.object
            .as_ref()
            .map(|label| Attribute::Label(label.clone().into_bytes())),
    );
    template.extend(uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
    template
}

fn certificate(session: &Session, object: ObjectHandle) -> Option<Certificate> {
    Certificate::from_der(&octets(session, object, AttributeType::Value)?).ok()
}

fn octets(session: &Session, object: ObjectHandle, kind: AttributeType) -> Option<Vec<u8>> {
    let found = session.get_attributes(object, &[kind]).ok()?;
    found.into_iter().find_map(|attribute| match attribute {
        Attribute::EcParams(octets)
        | Attribute::EcPoint(octets)
        | Attribute::Id(octets)
        | Attribute::Label(octets)
        | Attribute::Modulus(octets)
        | Attribute::PublicExponent(octets)
        | Attribute::Value(octets) => Some(octets),
        _ => None,
    })
}

fn flag(session: &Session, object: ObjectHandle, kind: AttributeType) -> bool {
    session
        .get_attributes(object, &[kind])
        .is_ok_and(|found| matches!(found.first(), Some(Attribute::AlwaysAuthenticate(true))))
}
