//! Layers that openssl does not write, but others do.

use super::*;
use crate::clock::Timestamp;
use crate::crypto::algorithm::{KeyDerivation, KeyWrap};
use crate::crypto::ber::{Node, Tag, set_of};
use crate::crypto::certificate::PublicKey;
use crate::crypto::cms::agreement::key_encryption_key;
use crate::crypto::cms::oid;
use crate::crypto::cms::read::{ContentInfo, Limits, parse};
use crate::crypto::cms::sign::content_info;
use crate::crypto::lab::{Authority, Request, Usage};
use crate::crypto::provider::{CBC_IV, GCM_NONCE};

const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nhello\r\n";

fn identity() -> Identity {
    let now = Timestamp::now();
    let authority = Authority::new("Test", now).unwrap();
    authority
        .issue(Request::new("Bob", Usage::Encrypt, now))
        .unwrap()
}

/// How a layer differs from those that we make.
#[derive(Clone)]
struct Unusual {
    wrap_parameters: Option<Node<'static>>,
    material: Option<&'static [u8]>,
    point_parameters: Option<Node<'static>>,
    tag: Option<usize>,
}

const USUAL: Unusual = Unusual {
    wrap_parameters: None,
    material: None,
    point_parameters: None,
    tag: None,
};

fn layer(identity: &Identity, unusual: &Unusual) -> Vec<u8> {
    let provider = provider::default();
    let PublicKey::Ec(curve, point) = identity.certificate().public_key() else {
        panic!("the lab makes EC keys");
    };
    let key = [7; 32];
    let wrap = KeyWrap::Aes256;
    let mut wrap_fields = vec![Node::oid(&wrap.oid())];
    wrap_fields.extend(unusual.wrap_parameters.clone());
    let wrap_algorithm = Node::sequence(wrap_fields).to_vec();
    let (ephemeral, secret) = provider.agree_ephemeral(*curve, point).unwrap();
    let digest = curve.digest();
    let derivation = KeyDerivation::X963(digest);
    let kek = key_encryption_key(derivation, &secret, wrap, &wrap_algorithm, unusual.material);
    let kek = kek.unwrap();
    let mut point_fields = vec![Node::oid(&oid::EC_PUBLIC_KEY)];
    point_fields.extend(unusual.point_parameters.clone());
    let mut fields = vec![
        Node::unsigned(3),
        Node::explicit(
            0,
            Node::tagged(
                Tag::context_constructed(1),
                vec![Node::sequence(point_fields), Node::bit_string(&ephemeral)],
            ),
        ),
    ];
    if let Some(material) = unusual.material {
        fields.push(Node::explicit(1, Node::octet_string(material)));
    }
    fields.push(Node::sequence(vec![
        Node::oid(&derivation.oid()),
        Node::encoded(&wrap_algorithm),
    ]));
    fields.push(Node::sequence(vec![Node::sequence(vec![
        Node::from(identity.certificate().issuer_and_serial_der()),
        Node::octet_string(provider.wrap_key(wrap, kek.as_bytes(), &key).unwrap()),
    ])]));
    let recipient = Node::tagged(Tag::context_constructed(1), fields).to_vec();
    let recipients = set_of(Tag::SET, vec![recipient]);
    match unusual.tag {
        None => {
            let cipher = ContentCipher::Aes256Cbc;
            let iv = [9; CBC_IV];
            let octets = provider.cbc_encrypt(cipher, &key, &iv, CONTENT).unwrap();
            let data = Node::sequence(vec![
                Node::unsigned(2),
                recipients,
                content(cipher, Node::octet_string(iv.to_vec()), octets),
            ]);
            content_info(&oid::ENVELOPED_DATA, data).to_vec()
        }
        Some(length) => {
            let cipher = ContentCipher::Aes256Gcm;
            let nonce = [9; GCM_NONCE];
            let sealed = provider
                .gcm_seal(cipher, &key, &nonce, &[], CONTENT)
                .unwrap();
            let mut parameters = vec![Node::octet_string(nonce.to_vec())];
            if length != 12 {
                parameters.push(Node::unsigned(u64::try_from(length).unwrap()));
            }
            let data = Node::sequence(vec![
                Node::unsigned(0),
                recipients,
                content(cipher, Node::sequence(parameters), sealed.ciphertext),
                Node::octet_string(sealed.tag[..length].to_vec()),
            ]);
            content_info(&oid::AUTH_ENVELOPED_DATA, data).to_vec()
        }
    }
}

fn content(cipher: ContentCipher, parameters: Node<'static>, octets: Vec<u8>) -> Node<'static> {
    Node::sequence(vec![
        Node::oid(&oid::DATA),
        Node::sequence(vec![Node::oid(&cipher.oid()), parameters]),
        Node::tagged_bytes(Tag::context(0), octets),
    ])
}

fn open(layer: &[u8], identity: &Identity) -> Result<Vec<u8>, DecryptError> {
    let identities = std::slice::from_ref(identity);
    match parse(layer, &Limits::default()).unwrap() {
        ContentInfo::Enveloped(data) => decrypt(&data, identities),
        ContentInfo::AuthEnveloped(data) => decrypt(&data, identities),
        other => panic!("{other:?}"),
    }
    .map(|content| content.to_vec())
}

#[test]
fn null_parameters_and_keying_material_are_read_as_they_came() {
    let bob = identity();
    let null = Some(Node::null());
    for unusual in [
        USUAL,
        Unusual {
            wrap_parameters: null.clone(),
            ..USUAL
        },
        Unusual {
            material: Some(b"user keying material"),
            ..USUAL
        },
        Unusual {
            point_parameters: null,
            ..USUAL
        },
        Unusual {
            point_parameters: Some(Node::oid(&bob_curve(&bob))),
            ..USUAL
        },
    ] {
        assert_eq!(open(&layer(&bob, &unusual), &bob).as_deref(), Ok(CONTENT));
    }
    let other = ObjectIdentifier::new_unwrap("1.3.132.0.10");
    for wrong in [Node::oid(&other), Node::sequence(vec![Node::unsigned(1)])] {
        let unusual = Unusual {
            point_parameters: Some(wrong),
            ..USUAL
        };
        // RFC 3218 §2.3: a key that was not found is replaced by a random one, and without
        // authentication one padding in 256 is right by chance.
        let opened = open(&layer(&bob, &unusual), &bob);
        let is_closed = matches!(&opened, Ok(octets) if octets != CONTENT);
        assert!(is_closed || opened == Err(DecryptError::Failed));
    }
    let unusual = Unusual {
        wrap_parameters: Some(Node::unsigned(1)),
        ..USUAL
    };
    assert!(matches!(
        open(&layer(&bob, &unusual), &bob),
        Err(DecryptError::NotAccepted(_))
    ));
}

fn bob_curve(identity: &Identity) -> ObjectIdentifier {
    match identity.certificate().public_key() {
        PublicKey::Ec(curve, _) => curve.oid(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tags_have_sixteen_octets_and_the_length_that_is_written() {
    let bob = identity();
    let tagged = |length| {
        let tag = Some(length);
        layer(&bob, &Unusual { tag, ..USUAL })
    };
    let sealed = tagged(16);
    assert_eq!(open(&sealed, &bob).as_deref(), Ok(CONTENT));
    let mut broken = sealed.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(open(&broken, &bob), Err(DecryptError::Failed));
    // A tag that was cut off is easier to forge, whatever its parameters say of it.
    for length in [8, 12, 13, 14, 15] {
        let short = open(&tagged(length), &bob);
        assert!(
            matches!(short, Err(DecryptError::NotAccepted(_))),
            "{length}"
        );
    }
    // Parameters that say 16 with a tag of 12.
    let twelve = layer(
        &bob,
        &Unusual {
            tag: Some(16),
            ..USUAL
        },
    );
    let ContentInfo::AuthEnveloped(mut data) = parse(&twelve, &Limits::default()).unwrap() else {
        panic!("AuthEnvelopedData");
    };
    data.mac = data.mac[..12].to_vec().into();
    let result = decrypt(&data, std::slice::from_ref(&bob));
    assert!(matches!(result, Err(DecryptError::NotAccepted(_))));
}

#[test]
fn a_gcm_cipher_in_enveloped_data_is_refused() {
    let bob = identity();
    let cms = layer(&bob, &USUAL);
    let ContentInfo::Enveloped(mut data) = parse(&cms, &Limits::default()).unwrap() else {
        panic!("EnvelopedData");
    };
    data.content.algorithm.oid = ContentCipher::Aes256Gcm.oid();
    let own = std::slice::from_ref(&bob);
    assert!(matches!(
        decrypt(&data, own),
        Err(DecryptError::NotAccepted(_))
    ));
    data.content.algorithm.oid = oid::DATA;
    assert_eq!(
        decrypt(&data, own),
        Err(DecryptError::UnknownCipher(oid::DATA))
    );
    assert_eq!(
        decrypt(&data, &[]),
        Err(DecryptError::UnknownCipher(oid::DATA))
    );
}
