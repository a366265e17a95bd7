//! PKCS #12 files: a person's or a switch's keys and certificates under one password.
//!
//! Promises: nothing is used before the integrity check; what OpenSSL 3 and others write with
//! PBES2 is read, what is written here they read; 3DES and RC2 of old files are read and never
//! written; NSS writes BER, which is read, too; work and size are bounded.
//! Refuses: files without integrity check, RC4 and other encryption (named in the error), nested bags.
//! Standards: RFC 7292, 8018, 9579 (PBMAC1 is not supported).

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader, Tag, Tagged};
use zeroize::Zeroizing;

use super::algorithm::Digest;
use super::ber;
use super::certificate::{Certificate, CertificateError, PublicKey, sequence_of};
use super::keys::{Identity, KeyError, PrivateKey};
use super::pbes2::{self, MOST_ITERATIONS, PasswordError};
use super::provider::{self, CryptoError};
use super::tlv;

mod derivation;
mod integrity;
mod legacy;

use derivation::Text;
use legacy::Legacy;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERTIFICATE_BAG: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.3");
const CRL_BAG: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.12.10.1.4");
const X509: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.22.1");
const LOCAL_KEY_ID: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.21");

/// Bags in one file.
const MOST_BAGS: usize = 256;
/// Octets of a salt.
const LONGEST_SALT: usize = 1024;

/// Why a PKCS #12 file gives no identity.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs12Error {
    /// One of its certificates is not right.
    #[error("a certificate in the PKCS #12 file cannot be read")]
    Certificate(#[from] CertificateError),
    /// Key and certificate do not fit, or the key is of an unknown kind.
    #[error("a key in the PKCS #12 file cannot be used")]
    Key(#[from] KeyError),
    /// The structure is wrong.
    #[error("the PKCS #12 file is malformed: {0}")]
    Malformed(&'static str),
    /// A key without its certificate.
    #[error("the PKCS #12 file has a private key without a certificate that belongs to it")]
    NoCertificate,
    /// Only a password-based MAC says that the file is whole.
    #[error("the PKCS #12 file has no integrity check; export it again with one")]
    NoIntegrity,
    /// No private key.
    #[error("the PKCS #12 file has no private key")]
    NoKey,
    /// A part of it cannot be decrypted.
    #[error("a part of the PKCS #12 file cannot be opened")]
    Part(#[from] PasswordError),
    /// Something known to the standard that is not done here.
    #[error("the PKCS #12 file uses {0}, which is not supported; export it again with AES-256")]
    Unsupported(String),
    /// The MAC is not right.
    #[error("the password of the PKCS #12 file is wrong, or the file is damaged")]
    WrongPassword,
}

/// What a PKCS #12 file holds.
pub struct Opened {
    /// Each private key with its certificate and the chain that is there.
    pub identities: Vec<Identity>,
    /// The legacy cipher under which a part of the file is, if there is one: such a file is to be
    /// made anew.
    pub legacy: Option<&'static str>,
}

/// Every identity in the file: each private key with its certificate and the chain that is there.
/// A file with legacy encryption is read, with a warning in the log.
///
/// # Errors
/// See [`Pkcs12Error`].
pub fn read(file: &[u8], password: &str) -> Result<Vec<Identity>, Pkcs12Error> {
    let opened = open(file, password)?;
    if let Some(cipher) = opened.legacy {
        tracing::warn!(
            "a PKCS #12 file is under {cipher}, which protects little: make it anew with `ravelin key export`"
        );
    }
    Ok(opened.identities)
}

/// As [`read`], and says under which legacy cipher the file is.
///
/// # Errors
/// See [`Pkcs12Error`].
pub fn open(file: &[u8], password: &str) -> Result<Opened, Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("not a PFX structure");
    let file = in_der(file, "not a PFX structure")?;
    // RFC 7292 §4
    let mut pfx = SliceReader::new(sequence_of(&file).map_err(malformed)?).map_err(malformed)?;
    if u8::decode(&mut pfx).map_err(malformed)? != 3 {
        return Err(Pkcs12Error::Malformed("the version is not 3"));
    }
    let (kind, content) = content_info(pfx.tlv_bytes().map_err(malformed)?)?;
    if kind != DATA {
        return Err(Pkcs12Error::Unsupported(format!("integrity by {kind}")));
    }
    let safe = octets(content)?;
    if pfx.is_finished() {
        return Err(Pkcs12Error::NoIntegrity);
    }
    let text = integrity::check(pfx.tlv_bytes().map_err(malformed)?, safe, password)?;
    pfx.finish().map_err(malformed)?;

    let mut lock = Lock {
        password,
        text,
        legacy: None,
    };
    let mut bags = Bags::default();
    let safe = in_der(safe, "the authenticated safe")?;
    for info in elements(&safe, "the authenticated safe")? {
        let (kind, content) = content_info(info)?;
        match kind {
            DATA => bags.read(octets(content)?, &mut lock)?,
            ENCRYPTED_DATA => {
                let contents = decrypt(content, &mut lock)?;
                bags.read(&contents, &mut lock)?;
            }
            other => return Err(Pkcs12Error::Unsupported(format!("a part of kind {other}"))),
        }
    }
    Ok(Opened {
        identities: bags.into_identities()?,
        legacy: lock.legacy,
    })
}

/// The password in both its forms, and what was found under it.
struct Lock<'a> {
    password: &'a str,
    text: Text,
    legacy: Option<&'static str>,
}

impl Lock<'_> {
    fn open(
        &mut self,
        algorithm: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
        let Some(cipher) = Legacy::of(algorithm) else {
            return pbes2::open(algorithm, ciphertext, self.password);
        };
        let out = cipher.open(algorithm, ciphertext, &self.text)?;
        self.legacy.get_or_insert(cipher.name());
        Ok(out)
    }

    fn open_key(&mut self, pkcs8: &[u8]) -> Result<Zeroizing<Vec<u8>>, PasswordError> {
        let (algorithm, ciphertext) = pbes2::parts_of_pkcs8(pkcs8)?;
        self.open(algorithm, ciphertext)
    }
}

/// One identity as a file: PBES2 with AES-256-CBC, and an HMAC-SHA-256 over all of it.
/// Fails with [`CryptoError::Unsupported`] where the key does not leave its token.
pub fn write(identity: &Identity, password: &str) -> Result<Vec<u8>, CryptoError> {
    write_all(std::slice::from_ref(identity), password)
}

/// As [`write`], with several identities in one file. A certificate stands in it once.
pub fn write_all(identities: &[Identity], password: &str) -> Result<Vec<u8>, CryptoError> {
    let mut certificates: Vec<Vec<u8>> = Vec::new();
    let mut keys: Vec<Vec<u8>> = Vec::new();
    let mut written: Vec<&Certificate> = identities.iter().map(Identity::certificate).collect();
    for identity in identities {
        let key = identity.pkcs8_der().ok_or(CryptoError::Unsupported(
            "exporting a key that is kept in a token",
        ))?;
        let own = identity.certificate();
        let digest = provider::default().digest(Digest::Sha256, &[own.der()]);
        // RFC 7292 §4.2: localKeyId joins the key with its certificate.
        let key_id = tlv::element(tlv::OCTET_STRING, &[digest.get(..20).unwrap_or_default()]);
        let attributes = tlv::element(
            tlv::SET,
            &[&tlv::sequence(&[
                &tlv::oid(&LOCAL_KEY_ID),
                &tlv::element(tlv::SET, &[&key_id]),
            ])],
        );
        certificates.push(certificate_bag(own, &attributes));
        for above in identity.chain() {
            if !written.contains(&above) {
                certificates.push(certificate_bag(above, &[]));
                written.push(above);
            }
        }
        let shrouded = pbes2::seal_pkcs8(key.as_bytes(), password)?;
        keys.push(tlv::sequence(&[
            &tlv::oid(&SHROUDED_BAG),
            &tlv::element(tlv::CONTEXT_0, &[&shrouded]),
            &attributes,
        ]));
    }
    let certificates: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let (algorithm, ciphertext) = pbes2::seal(&tlv::sequence(&certificates), password)?;
    // RFC 5652 §8: EncryptedData
    let encrypted = tlv::sequence(&[
        &tlv::integer(0),
        &tlv::sequence(&[
            &tlv::oid(&DATA),
            &algorithm,
            &tlv::element(0x80, &[&ciphertext]),
        ]),
    ]);
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let keys = tlv::sequence(&keys);
    let safe = tlv::sequence(&[&wrap(&ENCRYPTED_DATA, &encrypted), &wrap_data(&keys)]);
    let mac = integrity::make(&safe, password)?;
    Ok(tlv::sequence(&[&tlv::integer(3), &wrap_data(&safe), &mac]))
}

#[derive(Default)]
struct Bags {
    count: usize,
    keys: Vec<std::sync::Arc<dyn PrivateKey>>,
    certificates: Vec<Certificate>,
}

impl Bags {
    // RFC 7292 §4.2
    fn read(&mut self, contents: &[u8], lock: &mut Lock<'_>) -> Result<(), Pkcs12Error> {
        let contents = in_der(contents, "the safe contents")?;
        for bag in elements(&contents, "the safe contents")? {
            self.count = self.count.saturating_add(1);
            if self.count > MOST_BAGS {
                return Err(Pkcs12Error::Malformed("it has too many bags"));
            }
            let malformed = |_| Pkcs12Error::Malformed("a bag");
            let mut fields =
                SliceReader::new(sequence_of(bag).map_err(malformed)?).map_err(malformed)?;
            let kind = ObjectIdentifier::decode(&mut fields).map_err(malformed)?;
            let value = AnyRef::decode(&mut fields).map_err(malformed)?;
            match kind {
                KEY_BAG => self.add_key(value.value())?,
                SHROUDED_BAG => self.add_key(&lock.open_key(value.value())?)?,
                CERTIFICATE_BAG => {
                    let (kind, content) = content_info(value.value())?;
                    if kind == X509 {
                        self.certificates
                            .push(Certificate::from_der(octets(content)?)?);
                    }
                }
                // CRLs come to the switch by other ways.
                CRL_BAG => {}
                other => return Err(Pkcs12Error::Unsupported(format!("a bag of kind {other}"))),
            }
        }
        Ok(())
    }

    fn add_key(&mut self, pkcs8: &[u8]) -> Result<(), Pkcs12Error> {
        let key = provider::default()
            .load_key(pkcs8)
            .map_err(KeyError::from)?;
        self.keys.push(key);
        Ok(())
    }

    fn into_identities(self) -> Result<Vec<Identity>, Pkcs12Error> {
        if self.keys.is_empty() {
            return Err(Pkcs12Error::NoKey);
        }
        let mut identities = Vec::new();
        for key in self.keys {
            let public = PublicKey::from_spki(key.public_spki())?;
            let own = self
                .certificates
                .iter()
                .find(|certificate| *certificate.public_key() == public)
                .ok_or(Pkcs12Error::NoCertificate)?;
            let chain = chain_above(own, &self.certificates);
            identities.push(Identity::new(own.clone(), key, chain)?);
        }
        Ok(identities)
    }
}

/// The issuers of `own` that are in the file, nearest first.
fn chain_above(own: &Certificate, certificates: &[Certificate]) -> Vec<Certificate> {
    let mut chain: Vec<Certificate> = Vec::new();
    let mut below = own.clone();
    while let Some(above) = certificates.iter().find(|candidate| {
        candidate.subject_der() == below.issuer_der()
            && *candidate != own
            && !chain.contains(candidate)
    }) {
        chain.push(above.clone());
        below = above.clone();
    }
    chain
}

fn certificate_bag(certificate: &Certificate, attributes: &[u8]) -> Vec<u8> {
    let octets = tlv::element(tlv::OCTET_STRING, &[certificate.der()]);
    let value = wrap(&X509, &octets);
    tlv::sequence(&[
        &tlv::oid(&CERTIFICATE_BAG),
        &tlv::element(tlv::CONTEXT_0, &[&value]),
        attributes,
    ])
}

fn wrap(kind: &ObjectIdentifier, content: &[u8]) -> Vec<u8> {
    tlv::sequence(&[&tlv::oid(kind), &tlv::element(tlv::CONTEXT_0, &[content])])
}

fn wrap_data(content: &[u8]) -> Vec<u8> {
    wrap(&DATA, &tlv::element(tlv::OCTET_STRING, &[content]))
}

/// SEQUENCE { OID, [0] EXPLICIT content }: ContentInfo, CertBag.
fn content_info(der: &[u8]) -> Result<(ObjectIdentifier, &[u8]), Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("a content");
    let mut fields = SliceReader::new(sequence_of(der).map_err(malformed)?).map_err(malformed)?;
    let kind = ObjectIdentifier::decode(&mut fields).map_err(malformed)?;
    let content = AnyRef::decode(&mut fields).map_err(malformed)?;
    fields.finish().map_err(malformed)?;
    if !matches!(content.tag(), Tag::ContextSpecific { constructed: true, number } if number.value() == 0)
    {
        return Err(Pkcs12Error::Malformed("a content has the wrong tag"));
    }
    Ok((kind, content.value()))
}

fn octets(der: &[u8]) -> Result<&[u8], Pkcs12Error> {
    <&OctetStringRef>::from_der(der)
        .map(OctetStringRef::as_bytes)
        .map_err(|_| Pkcs12Error::Malformed("an OCTET STRING is expected"))
}

/// The elements of a SEQUENCE.
fn elements<'a>(der: &'a [u8], what: &'static str) -> Result<Vec<&'a [u8]>, Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed(what);
    let mut reader = SliceReader::new(sequence_of(der).map_err(malformed)?).map_err(malformed)?;
    let mut found = Vec::new();
    while !reader.is_finished() {
        found.push(reader.tlv_bytes().map_err(malformed)?);
    }
    Ok(found)
}

/// The one element that `octets` are, in DER: what is in DER already stays as it is.
fn in_der(octets: &[u8], what: &'static str) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed(what);
    let mut reader = ber::Reader::new(octets, ber::Limits::default());
    let element = reader.expect(ber::Tag::SEQUENCE).map_err(malformed)?;
    reader.finish().map_err(malformed)?;
    let der = element.to_der().map_err(malformed)?;
    Ok(Zeroizing::new(der.into_owned()))
}

// RFC 5652 §8
fn decrypt(der: &[u8], lock: &mut Lock<'_>) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    let malformed = |_| Pkcs12Error::Malformed("an encrypted part");
    let mut data = SliceReader::new(sequence_of(der).map_err(malformed)?).map_err(malformed)?;
    u8::decode(&mut data).map_err(malformed)?;
    let info = data.tlv_bytes().map_err(malformed)?;
    let mut info = SliceReader::new(sequence_of(info).map_err(malformed)?).map_err(malformed)?;
    let _: ObjectIdentifier = Decode::decode(&mut info).map_err(malformed)?;
    let algorithm = info.tlv_bytes().map_err(malformed)?;
    let malformed = |_| Pkcs12Error::Malformed("the ciphertext of an encrypted part");
    let ciphertext = info
        .tlv_bytes()
        .map_err(|_| Pkcs12Error::Malformed("an encrypted part has no ciphertext"))?;
    let mut reader = ber::Reader::new(ciphertext, ber::Limits::default());
    // In BER it may be in pieces.
    let ciphertext = reader
        .expect_string(ber::Tag::context(0))
        .and_then(|string| string.octets())
        .map_err(malformed)?;
    Ok(lock.open(algorithm, &ciphertext)?)
}

#[cfg(test)]
mod tests;
