//! EnvelopedData and AuthEnvelopedData, both ways.

use ravelin::crypto::algorithm::{ContentCipher, KeyWrap};
use ravelin::crypto::certificate::Certificate;
use ravelin::crypto::cms::decrypt::{self, DecryptError};
use ravelin::crypto::cms::envelope::{EnvelopeError, EnvelopeOrder, envelope, seal};
use ravelin::crypto::cms::oid;
use ravelin::crypto::cms::read::{
    AuthEnvelopedData, ContentInfo, EnvelopedData, Limits, RecipientInfo, parse,
};
use ravelin::crypto::cms::sign::{Form, Signer};
use ravelin::crypto::ess;
use ravelin::crypto::keys::Identity;
use ravelin::crypto::provider;

use crate::lab::{CONTENT, lab};
use crate::{damaged, make, open};

const CIPHERS: [ContentCipher; 4] = [
    ContentCipher::Aes256Cbc,
    ContentCipher::Aes256Gcm,
    ContentCipher::Aes128Cbc,
    ContentCipher::Aes128Gcm,
];

#[test]
fn openssl_decrypts_what_we_encrypt_and_a_constant_key_does_not() {
    let Some(lab) = lab() else { return };
    let names = ["enc-p256", "enc-p384", "enc-p384b", "enc-p521", "enc-rsa"];
    let certificates: Vec<Certificate> = names.iter().map(|name| lab.certificate(name)).collect();
    for cipher in CIPHERS {
        let cms = envelope(CONTENT, &certificates, cipher).unwrap();
        for name in names {
            assert!(
                lab.decrypts(&cms, name).as_deref() == Some(CONTENT),
                "{name} {cipher:?}"
            );
            let opened = open(&cms, &[lab.identity(name)]);
            assert!(opened.as_deref() == Ok(CONTENT), "{name} {cipher:?}");
        }
        assert_eq!(lab.decrypts(&cms, "enc-other"), None);
        assert_eq!(
            open(&cms, &[lab.identity("enc-other")]),
            Err(DecryptError::NotForUs)
        );
        let recipients = recipient_infos(&cms, |infos| infos.len());
        assert_eq!(recipients, 4, "one for each curve, one for the RSA key");
        assert_eq!(no_constant_key_unwraps(&cms), 4);
    }
    // Each alone, too.
    for (name, certificate) in names.iter().zip(&certificates) {
        let cms = envelope(CONTENT, std::slice::from_ref(certificate), CIPHERS[1]).unwrap();
        assert!(
            lab.decrypts(&cms, name).as_deref() == Some(CONTENT),
            "{name}"
        );
        no_constant_key_unwraps(&cms);
    }
}

/// How many wrapped keys were tried.
fn no_constant_key_unwraps(cms: &[u8]) -> usize {
    recipient_infos(cms, |infos| {
        let mut tried = 0;
        for info in infos {
            let RecipientInfo::KeyAgreement(agreement) = info else {
                continue;
            };
            let wrap = KeyWrap::from_oid(&agreement.wrap.oid).unwrap();
            for key in &agreement.keys {
                for octet in [0x00, 0xff] {
                    let constant = vec![octet; wrap.key_length()];
                    let unwrapped =
                        provider::default().unwrap_key(wrap, &constant, &key.encrypted_key);
                    assert!(unwrapped.is_err(), "a constant key unwraps the content key");
                }
                tried += 1;
            }
        }
        tried
    })
}

fn recipient_infos<T>(cms: &[u8], look: impl Fn(&[RecipientInfo<'_>]) -> T) -> T {
    match parse(cms, &Limits::default()).unwrap() {
        ContentInfo::Enveloped(data) => look(&data.recipients),
        ContentInfo::AuthEnveloped(data) => look(&data.recipients),
        other => panic!("{other:?}"),
    }
}

fn enveloped(cms: &[u8]) -> EnvelopedData<'_> {
    match parse(cms, &Limits::default()) {
        Ok(ContentInfo::Enveloped(data)) => data,
        other => panic!("{other:?}"),
    }
}

fn auth_enveloped(cms: &[u8]) -> AuthEnvelopedData<'_> {
    match parse(cms, &Limits::default()) {
        Ok(ContentInfo::AuthEnveloped(data)) => data,
        other => panic!("{other:?}"),
    }
}

#[test]
fn we_decrypt_what_openssl_encrypts() {
    let Some(lab) = lab() else { return };
    let sha384 = ["-keyopt", "ecdh_kdf_md:sha384"];
    let cases: &[(&str, &str, &[&str])] = &[
        ("enc-p384", "-aes-256-cbc", &["-aes256-wrap"]),
        ("enc-p384", "-aes-256-cbc", &["-aes256-wrap", "-stream"]),
        ("enc-p384", "-aes-256-gcm", &["-aes256-wrap"]),
        ("enc-p384", "-aes-256-gcm", &["-aes256-wrap", "-stream"]),
        ("enc-p384", "-aes-128-cbc", &["-aes128-wrap"]),
        ("enc-p384", "-aes-192-cbc", &["-aes192-wrap"]),
        ("enc-p256", "-aes-256-cbc", &["-aes256-wrap"]),
        ("enc-p521", "-aes-256-gcm", &["-aes256-wrap"]),
    ];
    for (name, cipher, options) in cases {
        for keyid in [&[][..], &["-keyid"][..]] {
            let mut all = vec![*cipher];
            all.extend_from_slice(options);
            all.extend_from_slice(keyid);
            let cms = lab.encrypt(name, &all, &sha384);
            let opened = open(&cms, &[lab.identity("enc-other"), lab.identity(name)]);
            assert!(opened.as_deref() == Ok(CONTENT), "{name} {all:?}");
            assert_eq!(
                open(&cms, &[lab.identity("enc-other")]),
                Err(DecryptError::NotForUs)
            );
        }
    }
    for more in [
        &["-keyopt", "ecdh_kdf_md:sha256"][..],
        &["-keyopt", "ecdh_kdf_md:sha512"],
        &[
            "-keyopt",
            "ecdh_kdf_md:sha384",
            "-keyopt",
            "ecdh_cofactor_mode:1",
        ],
    ] {
        let cms = lab.encrypt("enc-p384", &["-aes-256-cbc", "-aes256-wrap"], more);
        assert!(
            open(&cms, &[lab.identity("enc-p384")]).as_deref() == Ok(CONTENT),
            "{more:?}"
        );
    }
}

#[test]
fn oaep_is_read_and_pkcs1_and_sha1_agreement_are_refused() {
    let Some(lab) = lab() else { return };
    let rsa = [lab.identity("enc-rsa")];
    for md in ["sha1", "sha256", "sha384", "sha512"] {
        let (hash, mask) = (format!("rsa_oaep_md:{md}"), format!("rsa_mgf1_md:{md}"));
        let oaep = [
            "-keyopt",
            "rsa_padding_mode:oaep",
            "-keyopt",
            &hash,
            "-keyopt",
            &mask,
        ];
        let cms = lab.encrypt("enc-rsa", &["-aes-256-cbc"], &oaep);
        assert!(open(&cms, &rsa).as_deref() == Ok(CONTENT), "{md}");
        let wrong = damaged(&cms, &transported_key(&cms));
        nothing_comes_out(&wrong, &rsa, ContentCipher::Aes256Cbc);
    }
    let pkcs1 = lab.encrypt("enc-rsa", &["-aes-256-cbc"], &[]);
    assert!(matches!(
        open(&pkcs1, &rsa),
        Err(DecryptError::NotAccepted(_))
    ));
    let sha1 = lab.encrypt("enc-p384", &["-aes-256-cbc", "-aes256-wrap"], &[]);
    let p384 = [lab.identity("enc-p384")];
    assert!(matches!(
        open(&sha1, &p384),
        Err(DecryptError::NotAccepted(_))
    ));
    let two = lab.encrypt_two();
    for name in ["enc-p384", "enc-rsa"] {
        assert!(
            open(&two, &[lab.identity(name)]).as_deref() == Ok(CONTENT),
            "{name}"
        );
    }
    assert_eq!(decrypt::recipients((&enveloped(&two)).into()).len(), 2);
}

fn transported_key(cms: &[u8]) -> Vec<u8> {
    recipient_infos(cms, |infos| match &infos[0] {
        RecipientInfo::KeyTransport(transport) => transport.encrypted_key.to_vec(),
        other => panic!("{other:?}"),
    })
}

#[test]
fn every_failure_after_the_key_is_the_same_failure() {
    let Some(lab) = lab() else { return };
    let identity = [lab.identity("enc-p384")];
    let certificate = [lab.certificate("enc-p384")];
    for cipher in [ContentCipher::Aes256Gcm, ContentCipher::Aes256Cbc] {
        let cms = envelope(CONTENT, &certificate, cipher).unwrap();
        let (wrapped, point) = recipient_infos(&cms, |infos| match &infos[0] {
            RecipientInfo::KeyAgreement(agreement) => (
                agreement.keys[0].encrypted_key.to_vec(),
                agreement.originator.public_key.raw_bytes().to_vec(),
            ),
            other => panic!("{other:?}"),
        });
        let mut parts = vec![wrapped, point];
        if cipher == ContentCipher::Aes256Gcm {
            let data = auth_enveloped(&cms);
            parts.push(data.mac.to_vec());
            parts.push(data.content.octets.as_deref().unwrap()[..32].to_vec());
        }
        for part in parts {
            nothing_comes_out(&damaged(&cms, &part), &identity, cipher);
        }
    }
    // The wrong key under the right name.
    let cms = envelope(CONTENT, &certificate, ContentCipher::Aes256Gcm).unwrap();
    assert_eq!(
        open(&cms, &[lab.identity("enc-p384-other-key")]),
        Err(DecryptError::Failed)
    );
}

/// A failure, and always the same one. Without authentication (CBC) a key that was not found is
/// replaced by a random one (RFC 3218 §2.3), under which one padding in 256 is right by chance: then
/// random octets come out, never the content.
fn nothing_comes_out(cms: &[u8], identities: &[Identity], cipher: ContentCipher) {
    match open(cms, identities) {
        Err(error) => assert_eq!(error, DecryptError::Failed),
        Ok(octets) => {
            assert_eq!(
                cipher,
                ContentCipher::Aes256Cbc,
                "a tag was right by chance"
            );
            assert!(octets != CONTENT && octets.get(..16) != CONTENT.get(..16));
        }
    }
}

#[test]
fn authenticated_attributes_are_bound_to_the_content() {
    let Some(lab) = lab() else { return };
    let label = ess::security_label(&[0x31, 6, 2, 1, 3, 6, 1, 0x29]);
    let order = EnvelopeOrder {
        content: CONTENT,
        content_type: oid::DATA,
        recipients: &[lab.certificate("enc-p384")],
        cipher: ContentCipher::Aes256Gcm,
        authenticated: std::slice::from_ref(&label),
    };
    let cms = seal(&order).unwrap();
    let identity = [lab.identity("enc-p384")];
    // OpenSSL 3.0 cannot be asked: it looks for authAttrs under [2], where RFC 5083 §2.1 has [1],
    // and does not authenticate them.
    assert!(open(&cms, &identity).as_deref() == Ok(CONTENT));
    let data = auth_enveloped(&cms);
    assert!(
        data.authenticated
            .iter()
            .any(|attribute| attribute.oid == ess::SECURITY_LABEL)
    );
    let broken = damaged(&cms, label.der());
    assert!(open(&broken, &identity).is_err());
    let cbc = EnvelopeOrder {
        cipher: ContentCipher::Aes256Cbc,
        ..order
    };
    assert_eq!(seal(&cbc), Err(EnvelopeError::Attributes));
    assert_eq!(
        envelope(CONTENT, &[], ContentCipher::Aes256Gcm),
        Err(EnvelopeError::NoRecipient)
    );
}

/// What is made by us reads back by an independent set of types.
#[test]
fn the_cms_crates_types_read_what_we_make() {
    use der::Decode;
    let Some(lab) = lab() else { return };
    let alice = lab.identity("alice");
    let cms = make(&[Signer::new(&alice, vec![])], Form::Attached);
    let info = cms::content_info::ContentInfo::from_der(&cms).unwrap();
    let data = info
        .content
        .decode_as::<cms::signed_data::SignedData>()
        .unwrap();
    assert_eq!(data.signer_infos.0.len(), 1);
    let certificate = [lab.certificate("enc-p384")];
    let sealed = envelope(CONTENT, &certificate, ContentCipher::Aes256Cbc).unwrap();
    let info = cms::content_info::ContentInfo::from_der(&sealed).unwrap();
    let data = info
        .content
        .decode_as::<cms::enveloped_data::EnvelopedData>()
        .unwrap();
    assert_eq!(data.recip_infos.0.len(), 1);
}
