//! One provider against the other: the same answers, both ways round, good input and bad.

use std::sync::Arc;

use super::algorithm::{ContentCipher, Curve, Digest, KeyKind, KeyWrap, Mode, SignatureScheme};
use super::aws_lc::AwsLc;
use super::certificate::PublicKey;
use super::keys::PrivateKey;
use super::provider::{BadSignature, CryptoError, Provider};
use super::rust_crypto::RustCrypto;

const BOTH: [&dyn Provider; 2] = [&AwsLc, &RustCrypto];
const DIGESTS: [Digest; 4] = [Digest::Sha1, Digest::Sha256, Digest::Sha384, Digest::Sha512];
const CIPHERS: [ContentCipher; 6] = [
    ContentCipher::Aes128Cbc,
    ContentCipher::Aes192Cbc,
    ContentCipher::Aes256Cbc,
    ContentCipher::Aes128Gcm,
    ContentCipher::Aes192Gcm,
    ContentCipher::Aes256Gcm,
];

/// Octets that differ from each other and from run to run not at all.
fn octets(length: usize, seed: u8) -> Vec<u8> {
    (0..length)
        .map(|index| (index as u8).wrapping_mul(31).wrapping_add(seed))
        .collect()
}

/// The same key in both providers.
fn twins(kind: KeyKind) -> [Arc<dyn PrivateKey>; 2] {
    let key = AwsLc.generate_key(kind).unwrap();
    let pkcs8 = key.pkcs8().unwrap();
    let twin = RustCrypto.load_key(pkcs8.as_bytes()).unwrap();
    assert_eq!(key.public_spki(), twin.public_spki());
    [key, twin]
}

fn point(spki: &[u8]) -> Vec<u8> {
    match PublicKey::from_spki(spki).unwrap() {
        PublicKey::Ec(_, point) => point,
        other => panic!("{}", other.name()),
    }
}

#[test]
fn digests_macs_and_password_keys_agree() {
    for digest in DIGESTS {
        for length in [0, 1, 55, 56, 63, 64, 111, 112, 127, 128, 1000] {
            let (data, key) = (octets(length, 3), octets(length, 5));
            let (front, back) = data.split_at(length / 3);
            let both = BOTH.map(|one| {
                assert_eq!(
                    one.digest(digest, &[&data]),
                    one.digest(digest, &[front, back])
                );
                assert_eq!(
                    one.hmac(digest, &key, &[&data]),
                    one.hmac(digest, &key, &[front, back])
                );
                let password = one.pbkdf2(digest, &key, b"salt", 7, 40).unwrap();
                assert_eq!(one.digest(digest, &[]).len(), digest.length());
                let parts = [
                    one.digest(digest, &[&data]),
                    one.hmac(digest, &key, &[&data]),
                ];
                (parts, password.as_bytes().to_vec())
            });
            assert_eq!(both[0], both[1]);
        }
    }
    for one in BOTH {
        assert_eq!(
            one.pbkdf2(Digest::Sha256, b"", b"", 0, 1).err(),
            Some(CryptoError::Failed)
        );
    }
}

#[test]
fn signatures_of_one_are_verified_by_both() {
    let rsa = [
        SignatureScheme::RsaPkcs1(Digest::Sha256),
        SignatureScheme::RsaPkcs1(Digest::Sha384),
        SignatureScheme::RsaPkcs1(Digest::Sha512),
        SignatureScheme::pss(Digest::Sha256),
        SignatureScheme::pss(Digest::Sha384),
        SignatureScheme::pss(Digest::Sha512),
    ];
    let ec = [
        SignatureScheme::Ecdsa(Digest::Sha256),
        SignatureScheme::Ecdsa(Digest::Sha384),
        SignatureScheme::Ecdsa(Digest::Sha512),
    ];
    let message = octets(300, 1);
    for (kind, schemes) in [
        (KeyKind::Ec(Curve::P256), &ec[..1]),
        (KeyKind::Ec(Curve::P384), &ec[1..2]),
        (KeyKind::Ec(Curve::P521), &ec[2..]),
        (KeyKind::Rsa(2048), &rsa[..]),
    ] {
        let keys = twins(kind);
        let stranger = AwsLc.generate_key(kind).unwrap();
        for scheme in schemes {
            for key in &keys {
                let signature = key.sign(scheme, &message).unwrap();
                for one in BOTH {
                    let verify = |spki: &[u8], scheme: &_, message: &[u8], signature: &[u8]| {
                        one.verify(spki, scheme, message, signature)
                    };
                    let spki = key.public_spki();
                    verify(spki, scheme, &message, &signature).unwrap();
                    let invalid = Err(BadSignature::Invalid);
                    assert_eq!(verify(spki, scheme, b"other", &signature), invalid);
                    assert_eq!(
                        verify(stranger.public_spki(), scheme, &message, &signature),
                        invalid
                    );
                    for position in [0, signature.len() / 2, signature.len() - 1] {
                        let mut bad = signature.clone();
                        bad[position] ^= 1;
                        assert_eq!(verify(spki, scheme, &message, &bad), invalid);
                    }
                    assert_eq!(verify(spki, scheme, &message, &signature[1..]), invalid);
                    assert_eq!(verify(spki, scheme, &message, b""), invalid);
                    let other = schemes.iter().find(|other| *other != scheme);
                    if let Some(other) = other {
                        assert_eq!(verify(spki, other, &message, &signature), invalid);
                    }
                }
            }
        }
        if let KeyKind::Ec(curve) = kind {
            let other = match curve {
                Curve::P384 => SignatureScheme::Ecdsa(Digest::Sha256),
                _ => SignatureScheme::Ecdsa(Digest::Sha384),
            };
            assert!(keys.iter().all(|key| key.sign(&other, &message).is_err()));
        }
        let wrong_kind = match kind {
            KeyKind::Rsa(_) => ec[0],
            _ => rsa[0],
        };
        for (key, one) in keys.iter().zip(BOTH) {
            assert!(key.sign(&wrong_kind, &message).is_err());
            let result = one.verify(key.public_spki(), &wrong_kind, &message, b"x");
            assert!(matches!(result, Err(BadSignature::BadKey(_))), "{result:?}");
            assert!(
                key.sign(&SignatureScheme::RsaPkcs1(Digest::Sha1), &message)
                    .is_err()
            );
        }
    }
}

#[test]
fn an_unusual_salt_is_read() {
    let keys = twins(KeyKind::Rsa(2048));
    let scheme = SignatureScheme::RsaPss {
        digest: Digest::Sha256,
        salt_length: 20,
    };
    // Only the second provider can make such a signature; both verify it.
    assert!(keys[0].sign(&scheme, b"message").is_err());
    let signature = keys[1].sign(&scheme, b"message").unwrap();
    for one in BOTH {
        one.verify(keys[0].public_spki(), &scheme, b"message", &signature)
            .unwrap();
        let usual = SignatureScheme::pss(Digest::Sha256);
        assert!(
            one.verify(keys[0].public_spki(), &usual, b"message", &signature)
                .is_err()
        );
    }
}

/// A digest of another strength than the curve's is read, also one shorter than half the curve, and
/// SHA-1 as the weakness that it is.
#[test]
fn ecdsa_with_any_digest_is_read_by_both() {
    use p384::ecdsa::signature::hazmat::PrehashSigner;
    for digest in DIGESTS {
        let hashed = AwsLc.digest(digest, &[b"message"]);
        let key = AwsLc.generate_key(KeyKind::Ec(Curve::P384)).unwrap();
        let pkcs8 = key.pkcs8().unwrap();
        let scalar: p384::SecretKey =
            pkcs8::DecodePrivateKey::from_pkcs8_der(pkcs8.as_bytes()).unwrap();
        let mut number = vec![0; 48usize.saturating_sub(hashed.len())];
        number.extend(&hashed);
        let signature: p384::ecdsa::DerSignature = p384::ecdsa::SigningKey::from(&scalar)
            .sign_prehash(&number)
            .unwrap();
        let scheme = SignatureScheme::Ecdsa(digest);
        for one in BOTH {
            let verify = |message: &[u8]| {
                one.verify(key.public_spki(), &scheme, message, signature.as_bytes())
            };
            assert_eq!(verify(b"message"), Ok(()), "{digest:?} {}", one.name());
            assert_eq!(verify(b"massage"), Err(BadSignature::Invalid));
        }
    }
}

#[test]
fn shared_secrets_are_equal_and_points_are_checked() {
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let keys = twins(KeyKind::Ec(curve));
        let peer = point(keys[0].public_spki());
        let length = peer.len();
        let other = if curve == Curve::P384 {
            Curve::P256
        } else {
            Curve::P384
        };
        for one in BOTH {
            let (ephemeral, secrets) = one.agree_ephemeral_each(curve, &[&peer, &peer]).unwrap();
            assert_eq!((ephemeral.len(), secrets.len()), (length, 2));
            assert_eq!(secrets[0].len(), curve.field_length());
            for (key, secret) in keys.iter().zip(&secrets) {
                assert!(key.agree(&ephemeral).unwrap().as_bytes() == secret.as_bytes());
            }
            let (again, _) = one.agree_ephemeral(curve, &peer).unwrap();
            assert_ne!(ephemeral, again);
            let mut off_curve = peer.clone();
            off_curve[length - 1] ^= 1;
            let mut hybrid = peer.clone();
            hybrid[0] = 6 | (peer[length - 1] & 1);
            for bad in [
                &off_curve[..],
                &hybrid,
                &[0],
                &[],
                &peer[..length - 1],
                keys[0].public_spki(),
            ] {
                assert!(one.agree_ephemeral(curve, bad).is_err());
            }
            assert!(one.agree_ephemeral(other, &peer).is_err());
        }
        for key in &keys {
            assert!(key.agree(&[0]).is_err());
            assert!(key.agree(keys[0].public_spki()).is_err());
            assert!(key.decrypt_oaep(Digest::Sha384, &[0; 256]).is_err());
            assert!(key.decrypt_pkcs1(&[0; 256]).is_err());
        }
    }
}

/// What only the default provider does; the other one says so.
#[test]
fn the_curves_of_25519_sign_and_agree() {
    let key = AwsLc.generate_key(KeyKind::Ed25519).unwrap();
    let signature = key.sign(&SignatureScheme::Ed25519, b"message").unwrap();
    let verify = |message: &[u8], signature: &[u8]| {
        AwsLc.verify(
            key.public_spki(),
            &SignatureScheme::Ed25519,
            message,
            signature,
        )
    };
    assert_eq!(verify(b"message", &signature), Ok(()));
    assert_eq!(verify(b"massage", &signature), Err(BadSignature::Invalid));
    let mut bad = signature.clone();
    bad[40] ^= 1;
    assert_eq!(verify(b"message", &bad), Err(BadSignature::Invalid));
    assert!(
        key.sign(&SignatureScheme::Ecdsa(Digest::Sha384), b"m")
            .is_err()
    );
    assert!(key.agree(&[9; 32]).is_err() && key.decrypt_oaep(Digest::Sha256, b"x").is_err());
    let pkcs8 = key.pkcs8().unwrap();
    let again = AwsLc.load_key(pkcs8.as_bytes()).unwrap();
    assert_eq!(again.public_spki(), key.public_spki());

    let key = AwsLc.generate_key(KeyKind::X25519).unwrap();
    let public = match PublicKey::from_spki(key.public_spki()).unwrap() {
        PublicKey::X25519(public) => public,
        other => panic!("{}", other.name()),
    };
    let (ephemeral, secrets) = AwsLc.agree_x25519_each(&[&public, &public]).unwrap();
    assert_eq!((ephemeral.len(), secrets.len()), (32, 2));
    assert!(key.agree(&ephemeral).unwrap().as_bytes() == secrets[0].as_bytes());
    // RFC 7748 §6.1: a point of small order gives zeros, and nothing is agreed.
    for bad in [&[0; 32][..], &[9; 31], &[]] {
        assert!(key.agree(bad).is_err());
        assert!(AwsLc.agree_x25519_each(&[bad]).is_err());
    }
    assert!(key.sign(&SignatureScheme::Ed25519, b"m").is_err());
    let pkcs8 = key.pkcs8().unwrap();
    let again = AwsLc.load_key(pkcs8.as_bytes()).unwrap();
    assert_eq!(again.public_spki(), key.public_spki());
    let unsupported = |result: Option<CryptoError>| {
        assert!(
            matches!(result, Some(CryptoError::Unsupported(_))),
            "{result:?}"
        );
    };
    unsupported(RustCrypto.load_key(pkcs8.as_bytes()).err());
    unsupported(RustCrypto.generate_key(KeyKind::Ed25519).err());
    unsupported(RustCrypto.agree_x25519_each(&[&public]).err());
}

#[test]
fn wrapped_keys_are_equal() {
    // RFC 3394 §4.6
    let kek: Vec<u8> = (0..32).collect();
    let key: Vec<u8> = (0..16).map(|index| index * 0x11).chain(0..16).collect();
    let expected =
        "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21";
    for one in BOTH {
        let wrapped = one.wrap_key(KeyWrap::Aes256, &kek, &key).unwrap();
        assert_eq!(super::certificate::hex(&wrapped), expected);
    }
    // RFC 5649 §6
    let kek = hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8");
    let key = hex("c37b7e6492584340bed12207808941155068f738");
    let expected = hex("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a");
    for one in BOTH {
        let wrap = KeyWrap::Aes192Pad;
        assert_eq!(one.wrap_key(wrap, &kek, &key).unwrap(), expected);
        assert_eq!(
            one.unwrap_key(wrap, &kek, &expected).unwrap().as_bytes(),
            key
        );
    }
    padded_keys_are_equal();
    for wrap in [KeyWrap::Aes128, KeyWrap::Aes192, KeyWrap::Aes256] {
        let kek = octets(wrap.key_length(), 9);
        for length in [16, 24, 32, 64] {
            let key = octets(length, 2);
            let [left, right] = BOTH.map(|one| one.wrap_key(wrap, &kek, &key).unwrap());
            assert_eq!(left, right);
            for one in BOTH {
                assert_eq!(one.unwrap_key(wrap, &kek, &left).unwrap().as_bytes(), key);
                let mut bad = left.clone();
                bad[length / 2] ^= 1;
                assert_eq!(
                    one.unwrap_key(wrap, &kek, &bad).err(),
                    Some(CryptoError::Failed)
                );
                let other = octets(wrap.key_length(), 10);
                assert_eq!(
                    one.unwrap_key(wrap, &other, &left).err(),
                    Some(CryptoError::Failed)
                );
                assert!(one.unwrap_key(wrap, &kek[1..], &left).is_err());
            }
        }
        for one in BOTH {
            for length in [0, 7, 8, 15, 17] {
                assert!(
                    one.wrap_key(wrap, &kek, &octets(length, 2)).is_err(),
                    "{length}"
                );
                assert!(
                    one.unwrap_key(wrap, &kek, &octets(length, 2)).is_err(),
                    "{length}"
                );
            }
        }
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn padded_keys_are_equal() {
    for wrap in [KeyWrap::Aes128Pad, KeyWrap::Aes192Pad, KeyWrap::Aes256Pad] {
        let kek = octets(wrap.key_length(), 9);
        for length in [1, 7, 8, 9, 16, 20, 32, 48] {
            let key = octets(length, 2);
            let [left, right] = BOTH.map(|one| one.wrap_key(wrap, &kek, &key).unwrap());
            assert_eq!(left, right);
            for one in BOTH {
                assert_eq!(one.unwrap_key(wrap, &kek, &left).unwrap().as_bytes(), key);
                for position in [0, left.len() / 2, left.len() - 1] {
                    let mut bad = left.clone();
                    bad[position] ^= 1;
                    let failed = Some(CryptoError::Failed);
                    assert_eq!(one.unwrap_key(wrap, &kek, &bad).err(), failed);
                }
                assert!(one.unwrap_key(wrap, &kek, &left[1..]).is_err());
                assert!(one.unwrap_key(wrap, &kek[1..], &left).is_err());
                // A wrap that does not pad is another wrap.
                let plain = KeyWrap::of_length(wrap.key_length(), false);
                assert!(one.unwrap_key(plain, &kek, &left).is_err());
            }
        }
        for one in BOTH {
            assert!(one.wrap_key(wrap, &kek, &[]).is_err());
            assert!(one.unwrap_key(wrap, &kek, &[0; 8]).is_err());
        }
    }
}

#[test]
fn content_ciphers_agree() {
    for cipher in CIPHERS {
        let key = octets(cipher.key_length(), 4);
        for length in [0, 1, 15, 16, 17, 1000] {
            let data = octets(length, 8);
            match cipher.mode() {
                Mode::Cbc => cbc_agrees(cipher, &key, &data),
                Mode::Gcm => gcm_agrees(cipher, &key, &data),
            }
        }
        for one in BOTH {
            let short = &key[1..];
            assert!(one.cbc_encrypt(cipher, short, &[0; 16], b"x").is_err());
            assert!(one.gcm_seal(cipher, short, &[0; 12], b"", b"x").is_err());
        }
    }
}

fn cbc_agrees(cipher: ContentCipher, key: &[u8], data: &[u8]) {
    let iv = octets(16, 6);
    let [left, right] = BOTH.map(|one| one.cbc_encrypt(cipher, key, &iv, data).unwrap());
    assert_eq!(left, right);
    for one in BOTH {
        assert_eq!(
            one.cbc_decrypt(cipher, key, &iv, &left).unwrap().as_slice(),
            data
        );
        assert!(one.cbc_decrypt(cipher, key, &iv[1..], &left).is_err());
        // Whatever is wrong, the error is the same.
        let failed = Some(CryptoError::Failed);
        for cut in [0, 1, left.len() - 1] {
            assert_eq!(
                one.cbc_decrypt(cipher, key, &iv, &left[..cut]).err(),
                failed
            );
        }
        assert!(
            one.gcm_open(cipher, key, &[0; 12], b"", &left, &[0; 16])
                .is_err()
        );
    }
    // A damaged last octet of the block before the last one: both providers judge alike.
    for value in 0..=255u8 {
        let mut bad = iv
            .iter()
            .copied()
            .chain(left.iter().copied())
            .collect::<Vec<u8>>();
        let position = bad.len() - 17;
        bad[position] = value;
        let (iv, bad) = bad.split_at(16);
        let [left, right] = BOTH.map(|one| one.cbc_decrypt(cipher, key, iv, bad));
        assert_eq!(left, right);
    }
}

fn gcm_agrees(cipher: ContentCipher, key: &[u8], data: &[u8]) {
    let nonce = octets(12, 7);
    let [left, right] = BOTH.map(|one| one.gcm_seal(cipher, key, &nonce, b"ad", data).unwrap());
    assert_eq!(left, right);
    for one in BOTH {
        let open = |nonce: &[u8], associated: &[u8], data: &[u8], tag: &[u8]| {
            one.gcm_open(cipher, key, nonce, associated, data, tag)
                .map(|plain| plain.to_vec())
        };
        let failed = Err(CryptoError::Failed);
        assert_eq!(
            open(&nonce, b"ad", &left.ciphertext, &left.tag).unwrap(),
            data
        );
        let mut bad = left.tag;
        bad[15] ^= 1;
        assert_eq!(open(&nonce, b"ad", &left.ciphertext, &bad), failed);
        assert_eq!(open(&nonce, b"", &left.ciphertext, &left.tag), failed);
        assert_eq!(open(&[0; 12], b"ad", &left.ciphertext, &left.tag), failed);
        for length in [0, 4, 8, 11, 12, 15] {
            assert_eq!(
                open(&nonce, b"ad", &left.ciphertext, &left.tag[..length]),
                failed
            );
        }
        assert!(open(&nonce[1..], b"ad", &left.ciphertext, &left.tag).is_err());
        assert!(one.gcm_seal(cipher, key, &nonce[1..], b"", data).is_err());
        assert!(one.cbc_encrypt(cipher, key, &[0; 16], data).is_err());
    }
}

#[test]
fn key_transport_crosses_over() {
    let keys = twins(KeyKind::Rsa(2048));
    let secret = octets(32, 1);
    for digest in DIGESTS {
        for one in BOTH {
            let sealed = one
                .oaep_encrypt(keys[0].public_spki(), digest, &secret)
                .unwrap();
            assert_eq!(sealed.len(), 256);
            for key in &keys {
                assert!(key.decrypt_oaep(digest, &sealed).unwrap().as_bytes() == secret);
                let mut bad = sealed.clone();
                bad[100] ^= 1;
                assert_eq!(
                    key.decrypt_oaep(digest, &bad).err(),
                    Some(CryptoError::Failed)
                );
                assert_eq!(
                    key.decrypt_oaep(digest, &sealed[1..]).err(),
                    Some(CryptoError::Failed)
                );
                assert!(key.agree(&sealed).is_err());
            }
        }
    }
    for one in BOTH {
        let crossed = one
            .oaep_encrypt(keys[0].public_spki(), Digest::Sha256, &secret)
            .unwrap();
        assert!(
            keys.iter()
                .all(|key| key.decrypt_oaep(Digest::Sha384, &crossed).is_err())
        );
        assert!(
            one.oaep_encrypt(b"no key", Digest::Sha384, &secret)
                .is_err()
        );
        assert!(
            one.oaep_encrypt(keys[0].public_spki(), Digest::Sha512, &[0; 200])
                .is_err()
        );
    }
}

#[test]
fn records_at_rest_open_only_whole_and_in_their_place() {
    let key = [7; 32];
    for (maker, reader) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let sealed = maker.aead_seal(&key, b"row 1", b"a message").unwrap();
        assert_eq!(sealed.len(), 12 + 9 + 16);
        assert_ne!(
            sealed,
            maker.aead_seal(&key, b"row 1", b"a message").unwrap()
        );
        let open =
            |key: &[u8; 32], place: &[u8], sealed: &[u8]| reader.aead_open(key, place, sealed);
        assert_eq!(
            open(&key, b"row 1", &sealed).unwrap().as_slice(),
            b"a message"
        );
        assert!(open(&key, b"row 2", &sealed).is_err());
        assert!(open(&[8; 32], b"row 1", &sealed).is_err());
        for cut in [0, 11, 27, sealed.len() - 1] {
            assert!(open(&key, b"row 1", &sealed[..cut]).is_err());
        }
    }
}

#[test]
fn made_keys_load_in_the_other_provider_and_damaged_ones_in_none() {
    let key = RustCrypto.generate_key(KeyKind::Ec(Curve::P384)).unwrap();
    let pkcs8 = key.pkcs8().unwrap();
    let twin = AwsLc.load_key(pkcs8.as_bytes()).unwrap();
    assert_eq!(twin.public_spki(), key.public_spki());
    for one in BOTH {
        for length in (0..pkcs8.len()).step_by(7) {
            assert!(one.load_key(&pkcs8.as_bytes()[..length]).is_err());
        }
        assert!(one.generate_key(KeyKind::Rsa(1024)).is_err());
    }
    let mut random = [[0; 32]; 2];
    for (one, out) in BOTH.iter().zip(&mut random) {
        one.random(out).unwrap();
    }
    assert_ne!(random[0], random[1]);
}
