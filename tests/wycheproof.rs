//! Wycheproof's vectors against the very functions of the provider that the CMS room calls: what is
//! valid must be taken, what is invalid must be refused, and both providers must agree.

use std::sync::Arc;

use ravelin::crypto::algorithm::{
    ContentCipher, Curve, Digest, ID_X25519, KeyWrap, SignatureScheme,
};
use ravelin::crypto::aws_lc::AwsLc;
use ravelin::crypto::keys::PrivateKey;
use ravelin::crypto::provider::Provider;
use ravelin::crypto::rust_crypto::RustCrypto;
use wycheproof::{HashFunction, TestResult};

const BOTH: [&dyn Provider; 2] = [&AwsLc, &RustCrypto];

/// How many vectors of each kind were held against a function.
#[derive(Default)]
struct Count {
    valid: usize,
    invalid: usize,
}

impl Count {
    /// Whether the result is what the vector says; what it leaves open counts for nothing.
    fn hold(&mut self, expected: TestResult, taken: bool, which: &str) {
        match expected {
            TestResult::Valid => {
                self.valid += 1;
                assert!(taken, "{which}: valid, and refused");
            }
            TestResult::Invalid => {
                self.invalid += 1;
                assert!(!taken, "{which}: invalid, and taken");
            }
            TestResult::Acceptable => {}
        }
    }

    fn at_least(&self, valid: usize, invalid: usize) {
        println!("{} valid, {} invalid", self.valid, self.invalid);
        assert!(self.valid >= valid && self.invalid >= invalid);
    }
}

fn digest(hash: HashFunction) -> Option<Digest> {
    match hash {
        HashFunction::Sha1 => Some(Digest::Sha1),
        HashFunction::Sha2_256 => Some(Digest::Sha256),
        HashFunction::Sha2_384 => Some(Digest::Sha384),
        HashFunction::Sha2_512 => Some(Digest::Sha512),
        _ => None,
    }
}

#[test]
fn ecdsa() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let mut count = Count::default();
    for name in [
        TestName::EcdsaSecp256r1Sha256,
        TestName::EcdsaSecp256r1Sha512,
        TestName::EcdsaSecp384r1Sha256,
        TestName::EcdsaSecp384r1Sha384,
        TestName::EcdsaSecp384r1Sha512,
        TestName::EcdsaSecp521r1Sha512,
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let scheme = SignatureScheme::Ecdsa(digest(group.hash).unwrap());
            for test in group.tests {
                for one in BOTH {
                    let taken = one
                        .verify(&group.der, &scheme, &test.msg, &test.sig)
                        .is_ok();
                    let which = format!("{name:?} {} {}", test.tc_id, one.name());
                    count.hold(test.result, taken, &which);
                }
            }
        }
    }
    count.at_least(2_000, 2_000);
}

#[test]
fn ed25519() {
    use wycheproof::eddsa::{TestName, TestSet};
    let mut count = Count::default();
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        for test in group.tests {
            let scheme = SignatureScheme::Ed25519;
            let taken = AwsLc
                .verify(&group.der, &scheme, &test.msg, &test.sig)
                .is_ok();
            count.hold(test.result, taken, &format!("{}", test.tc_id));
        }
    }
    count.at_least(80, 50);
}

#[test]
fn rsa_signatures() {
    use wycheproof::rsa_pkcs1_verify as pkcs1;
    use wycheproof::rsa_pss_verify as pss;
    let mut count = Count::default();
    let mut hold = |der: &[u8], scheme, msg: &[u8], sig: &[u8], result, which: String| {
        for one in BOTH {
            let taken = one.verify(der, &scheme, msg, sig).is_ok();
            count.hold(result, taken, &format!("{which} {}", one.name()));
        }
    };
    for name in [
        pkcs1::TestName::Rsa2048Sha256,
        pkcs1::TestName::Rsa2048Sha384,
        pkcs1::TestName::Rsa2048Sha512,
        pkcs1::TestName::Rsa3072Sha384,
        pkcs1::TestName::Rsa4096Sha512,
    ] {
        for group in pkcs1::TestSet::load(name).unwrap().test_groups {
            let scheme = SignatureScheme::RsaPkcs1(digest(group.hash).unwrap());
            for test in group.tests {
                let which = format!("{name:?} {}", test.tc_id);
                hold(&group.der, scheme, &test.msg, &test.sig, test.result, which);
            }
        }
    }
    for name in [
        pss::TestName::RsaPss2048Sha256Mgf1SaltLen0,
        pss::TestName::RsaPss2048Sha256Mgf1SaltLen32,
        pss::TestName::RsaPss2048Sha384Mgf1SaltLen48,
        pss::TestName::RsaPss3072Sha256Mgf1SaltLen32,
        pss::TestName::RsaPss4096Sha384Mgf1SaltLen48,
        pss::TestName::RsaPss4096Sha512Mgf1SaltLen32,
        pss::TestName::RsaPss4096Sha512Mgf1SaltLen64,
    ] {
        for group in pss::TestSet::load(name).unwrap().test_groups {
            let digest = digest(group.hash).unwrap();
            assert_eq!(group.mgf_hash, Some(group.hash));
            let scheme = SignatureScheme::RsaPss {
                digest,
                salt_length: group.salt_size,
            };
            for test in group.tests {
                let which = format!("{name:?} {}", test.tc_id);
                hold(&group.der, scheme, &test.msg, &test.sig, test.result, which);
            }
        }
    }
    count.at_least(500, 1_000);
}

/// A DER element with a length of up to 65535 octets.
fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let mut out = vec![tag];
    match contents.len() {
        length @ 0..=0x7f => out.push(length as u8),
        length @ 0x80..=0xff => out.extend([0x81, length as u8]),
        length => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(contents);
    out
}

/// PKCS #8 around this scalar (RFC 5915 inside).
fn ec_pkcs8(curve: Curve, scalar: &[u8]) -> Vec<u8> {
    let start = scalar.len().saturating_sub(curve.field_length());
    let mut fixed = vec![0; curve.field_length().saturating_sub(scalar.len())];
    fixed.extend(&scalar[start..]);
    let key = element(0x30, &[&[2, 1, 1], &element(4, &[&fixed])]);
    let algorithm = element(
        0x30,
        &[
            &element(6, &[ravelin::crypto::algorithm::ID_EC.as_bytes()]),
            &element(6, &[curve.oid().as_bytes()]),
        ],
    );
    element(0x30, &[&[2, 1, 0], &algorithm, &element(4, &[&key])])
}

#[test]
fn ecdh() {
    use wycheproof::ecdh::{TestName, TestSet};
    let mut count = Count::default();
    for (name, curve) in [
        (TestName::EcdhSecp256r1Ecpoint, Curve::P256),
        (TestName::EcdhSecp384r1Ecpoint, Curve::P384),
        (TestName::EcdhSecp521r1Ecpoint, Curve::P521),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                for one in BOTH {
                    let key = one.load_key(&ec_pkcs8(curve, &test.private_key));
                    let agreed = key.and_then(|key| key.agree(&test.public_key));
                    let taken = agreed.is_ok_and(|secret| secret.as_bytes() == *test.shared_secret);
                    let which = format!("{name:?} {} {}", test.tc_id, one.name());
                    count.hold(test.result, taken, &which);
                }
            }
        }
    }
    count.at_least(1_000, 20);
}

#[test]
fn x25519() {
    use wycheproof::xdh::{TestName, TestSet};
    let mut count = Count::default();
    let mut zeros = 0;
    for group in TestSet::load(TestName::X25519).unwrap().test_groups {
        for test in group.tests {
            let algorithm = element(0x30, &[&element(6, &[ID_X25519.as_bytes()])]);
            let inner = element(4, &[&test.private_key]);
            let pkcs8 = element(0x30, &[&[2, 1, 0], &algorithm, &element(4, &[&inner])]);
            let agreed = AwsLc.load_key(&pkcs8).unwrap().agree(&test.public_key);
            if test.shared_secret.iter().all(|octet| *octet == 0) {
                // RFC 7748 §6.1: what has no secret in it is not agreed.
                assert!(agreed.is_err(), "{}", test.tc_id);
                zeros += 1;
                continue;
            }
            let taken = agreed.is_ok_and(|secret| secret.as_bytes() == *test.shared_secret);
            count.hold(test.result, taken, &format!("{}", test.tc_id));
        }
    }
    count.at_least(200, 0);
    assert!(zeros > 10);
}

#[test]
fn rsa_decryption() {
    use wycheproof::rsa_oaep as oaep;
    use wycheproof::rsa_pkcs1_decrypt as pkcs1;
    let mut count = Count::default();
    let keys = |pkcs8: &[u8]| BOTH.map(|one| (one.name(), one.load_key(pkcs8).unwrap()));
    for name in [
        oaep::TestName::Rsa2048Sha1Mgf1Sha1,
        oaep::TestName::Rsa2048Sha256Mgf1Sha256,
        oaep::TestName::Rsa2048Sha384Mgf1Sha384,
        oaep::TestName::Rsa2048Sha512Mgf1Sha512,
        oaep::TestName::Rsa3072Sha256Mgf1Sha256,
        oaep::TestName::Rsa3072Sha512Mgf1Sha512,
    ] {
        for group in oaep::TestSet::load(name).unwrap().test_groups {
            let digest = digest(group.hash).unwrap();
            assert_eq!(group.mgf_hash, group.hash);
            let keys: [(&str, Arc<dyn PrivateKey>); 2] = keys(&group.pkcs8);
            for test in &group.tests {
                for (provider, key) in &keys {
                    let opened = key.decrypt_oaep(digest, &test.ct);
                    let taken = opened.is_ok_and(|secret| secret.as_bytes() == *test.pt);
                    // A label is never taken: what has one does not open.
                    let expected = match test.label.is_empty() {
                        true => test.result,
                        false => TestResult::Invalid,
                    };
                    count.hold(
                        expected,
                        taken,
                        &format!("{name:?} {} {provider}", test.tc_id),
                    );
                }
            }
        }
    }
    // Only the default provider reads PKCS #1 v1.5.
    for name in [pkcs1::TestName::Rsa2048, pkcs1::TestName::Rsa3072] {
        for group in pkcs1::TestSet::load(name).unwrap().test_groups {
            let key = AwsLc.load_key(&group.pkcs8).unwrap();
            for test in &group.tests {
                let opened = key.decrypt_pkcs1(&test.ct);
                let taken = opened.is_ok_and(|secret| secret.as_bytes() == *test.pt);
                count.hold(test.result, taken, &format!("{name:?} {}", test.tc_id));
            }
        }
    }
    count.at_least(100, 100);
}

#[test]
fn aes_gcm() {
    use wycheproof::aead::{TestName, TestSet};
    let mut count = Count::default();
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        let cipher = match group.key_size {
            128 => ContentCipher::Aes128Gcm,
            192 => ContentCipher::Aes192Gcm,
            _ => ContentCipher::Aes256Gcm,
        };
        let is_ours = group.nonce_size == 96 && group.tag_size == 128;
        for test in group.tests {
            for one in BOTH {
                let which = format!("{} {}", test.tc_id, one.name());
                let opened = one.gcm_open(
                    cipher,
                    &test.key,
                    &test.nonce,
                    &test.aad,
                    &test.ct,
                    &test.tag,
                );
                let taken = opened.is_ok_and(|content| content.as_slice() == *test.pt);
                // Other nonces and tags are right somewhere, and refused here.
                let expected = if is_ours {
                    test.result
                } else {
                    TestResult::Invalid
                };
                count.hold(expected, taken, &which);
                if is_ours && test.result == TestResult::Valid {
                    let sealed = one
                        .gcm_seal(cipher, &test.key, &test.nonce, &test.aad, &test.pt)
                        .unwrap();
                    assert!(
                        sealed.ciphertext == *test.ct && sealed.tag == test.tag[..],
                        "{which}"
                    );
                }
            }
        }
    }
    count.at_least(200, 200);
}

#[test]
fn aes_key_wrap() {
    use wycheproof::keywrap::{TestName, TestSet};
    let mut count = Count::default();
    for (name, padded) in [
        (TestName::AesKeyWrap, false),
        (TestName::AesKeyWrapWithPadding, true),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            let wrap = KeyWrap::of_length(group.key_size / 8, padded);
            for test in group.tests {
                for one in BOTH {
                    let which = format!("{name:?} {} {}", test.tc_id, one.name());
                    let opened = one.unwrap_key(wrap, &test.key, &test.ct);
                    let taken = opened.is_ok_and(|key| key.as_bytes() == *test.pt);
                    count.hold(test.result, taken, &which);
                    if test.result == TestResult::Valid {
                        let wrapped = one.wrap_key(wrap, &test.key, &test.pt).unwrap();
                        assert_eq!(wrapped, *test.ct, "{which}");
                    }
                }
            }
        }
    }
    count.at_least(100, 200);
}
