//! The key by itself: what it signs, agrees on and decrypts, and what happens without its token.

use std::sync::Arc;
use std::time::Duration;

use ravelin::clock::Timestamp;
use ravelin::crypto::algorithm::{ContentCipher, Curve, Digest, KeyKind, SignatureScheme};
use ravelin::crypto::cms::envelope::envelope;
use ravelin::crypto::keys::{Identity, PrivateKey};
use ravelin::crypto::lab::{self, Authority};
use ravelin::crypto::provider::{self, CryptoError};
use ravelin::crypto::request::{self, CertificateRequest};
use ravelin::crypto::token::{self, TokenError, TokenUri};

use super::room::{PIN, Room};

pub fn now() -> Timestamp {
    "2026-11-21T08:30:00Z".parse().unwrap()
}

fn made(room: &Room, object: &str, kind: KeyKind) -> Arc<dyn PrivateKey> {
    let uri = TokenUri::parse(&room.uri("border", object)).unwrap();
    token::generate(&uri, Some(PIN), kind).unwrap()
}

fn verifies(key: &dyn PrivateKey, scheme: &SignatureScheme) {
    let signature = key.sign(scheme, b"what is signed").unwrap();
    let provider = provider::default();
    provider
        .verify(key.public_spki(), scheme, b"what is signed", &signature)
        .unwrap();
    provider
        .verify(key.public_spki(), scheme, b"something else", &signature)
        .unwrap_err();
}

#[test]
fn keys_on_nist_curves_sign_and_agree() {
    let Some(room) = Room::enter("keys::keys_on_nist_curves_sign_and_agree") else {
        return;
    };
    room.token("border");
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let key = made(&room, curve.name(), KeyKind::Ec(curve));
        verifies(key.as_ref(), &SignatureScheme::Ecdsa(curve.digest()));
        let spki = key.public_spki().to_vec();
        let point = spki[spki.len() - 2 * curve.field_length() - 1..].to_vec();
        let (peer, secret) = provider::default().agree_ephemeral(curve, &point).unwrap();
        let agreed = key.agree(&peer).unwrap();
        assert_eq!(agreed.as_bytes(), secret.as_bytes());
        // What is not on the curve, or on another one, is the message's fault and nothing of ours.
        let mut off = peer.clone();
        *off.last_mut().unwrap() ^= 1;
        for wrong in [&off[..], &peer[1..], &[]] {
            assert!(matches!(key.agree(wrong), Err(CryptoError::Failed)));
        }
        assert!(
            key.sign(&SignatureScheme::pss(Digest::Sha384), b"")
                .is_err()
        );
        assert!(key.decrypt_oaep(Digest::Sha256, &[0; 384]).is_err());
        assert!(key.pkcs8().is_none(), "a key that stays on its token");
    }
    // The same name twice is no second key.
    let uri = TokenUri::parse(&room.uri("border", "P-384")).unwrap();
    token::generate(&uri, Some(PIN), KeyKind::Ec(Curve::P384))
        .map(drop)
        .unwrap_err();
    assert_eq!(token::list(&uri, Some(PIN)).unwrap().len(), 1);
}

#[test]
fn rsa_keys_sign_and_decrypt() {
    let Some(room) = Room::enter("keys::rsa_keys_sign_and_decrypt") else {
        return;
    };
    room.token("border");
    let key = made(&room, "rsa", KeyKind::Rsa(3072));
    for digest in [Digest::Sha256, Digest::Sha384, Digest::Sha512] {
        verifies(key.as_ref(), &SignatureScheme::RsaPkcs1(digest));
        verifies(key.as_ref(), &SignatureScheme::pss(digest));
        // SoftHSM takes OAEP off with SHA-1 alone; with the others it gives the bare operation.
        let sealed = provider::default()
            .oaep_encrypt(key.public_spki(), digest, &[7; 32])
            .unwrap();
        let opened = key.decrypt_oaep(digest, &sealed).unwrap();
        assert_eq!(opened.as_bytes(), [7; 32], "{digest:?}");
        // Another digest, a changed octet, another length: one and the same failure, none of ours.
        let other = if digest == Digest::Sha256 {
            Digest::Sha384
        } else {
            Digest::Sha256
        };
        let mut changed = sealed.clone();
        changed[200] ^= 1;
        for (digest, wrong) in [
            (other, &sealed[..]),
            (digest, &changed),
            (Digest::Sha1, &sealed),
            (digest, &[0xff; 384]),
            (digest, &sealed[1..]),
            (digest, &[]),
        ] {
            let failed = key.decrypt_oaep(digest, wrong).map(drop);
            assert_eq!(failed, Err(CryptoError::Failed));
        }
    }
    assert!(
        key.sign(&SignatureScheme::RsaPkcs1(Digest::Sha1), b"")
            .is_err()
    );
    assert!(key.agree(&[4; 97]).is_err());
}

#[test]
fn a_request_is_signed_and_an_envelope_opened_on_the_token() {
    let Some(room) = Room::enter("keys::a_request_is_signed_and_an_envelope_opened_on_the_token")
    else {
        return;
    };
    room.token("border");
    let root = Authority::new("Root", now()).unwrap();
    let later = now()
        .checked_add(jiff::SignedDuration::from_hours(24))
        .unwrap();
    for (name, kind) in [
        ("ec", KeyKind::Ec(Curve::P384)),
        ("rsa", KeyKind::Rsa(3072)),
    ] {
        let key = made(&room, name, kind);
        let subject = lab::name_der("CN=Border,O=Alder").unwrap();
        let der = request::make(key.as_ref(), &subject, &[]).unwrap();
        let read = CertificateRequest::from_der(&der).unwrap();
        let certificate = root
            .certify(
                read.subject_der(),
                read.spki_der(),
                now(),
                later,
                read.extensions().to_vec(),
            )
            .unwrap();
        let identity = Identity::new(certificate.clone(), key, Vec::new()).unwrap();
        let sealed = envelope(b"for the border", &[certificate], ContentCipher::Aes256Gcm).unwrap();
        let opened = open(&sealed, &[identity]);
        assert_eq!(opened.as_deref(), Ok(&b"for the border"[..]), "{name}");
        let stranger = root
            .issue(lab::Request::new("CN=Other", lab::Usage::Encrypt, now()))
            .unwrap();
        assert!(open(&sealed, &[stranger]).is_err());
    }
}

fn open(
    cms: &[u8],
    keys: &[Identity],
) -> Result<Vec<u8>, ravelin::crypto::cms::decrypt::DecryptError> {
    use ravelin::crypto::cms::decrypt;
    use ravelin::crypto::cms::read::{self, ContentInfo};
    match read::parse(cms, &Default::default()).unwrap() {
        ContentInfo::AuthEnveloped(layer) => decrypt::decrypt(&layer, keys),
        ContentInfo::Enveloped(layer) => decrypt::decrypt(&layer, keys),
        _ => panic!("an envelope"),
    }
    .map(|octets| octets.to_vec())
}

#[test]
fn a_wrong_pin_is_said_once() {
    let Some(room) = Room::enter("keys::a_wrong_pin_is_said_once") else {
        return;
    };
    room.token("border");
    let uri = TokenUri::parse(&room.uri("border", "sign")).unwrap();
    let without = token::key(&uri, None).map(drop);
    assert!(matches!(without, Err(TokenError::PinMissing)));
    let first = token::key(&uri, Some("wrong")).map(drop).unwrap_err();
    assert!(matches!(first, TokenError::PinRefused(_)), "{first}");
    assert!(!first.to_string().contains("wrong"), "{first}");
    // Were it said again now, the token would take it.
    change_pin(&room, PIN, "wrong");
    for _ in 0..5 {
        let again = token::key(&uri, Some("wrong")).map(drop).unwrap_err();
        assert!(matches!(again, TokenError::PinRefused(_)), "{again}");
    }
    change_pin(&room, "wrong", PIN);
    // Another PIN is another configuration.
    let key = token::generate(&uri, Some(PIN), KeyKind::Ec(Curve::P384)).unwrap();
    verifies(key.as_ref(), &SignatureScheme::Ecdsa(Digest::Sha384));
}

fn change_pin(room: &Room, old: &str, new: &str) {
    use cryptoki::context::Pkcs11;
    use cryptoki::session::UserType;
    use cryptoki::types::AuthPin;
    // The same module, which this process has started already.
    let module = Pkcs11::new(room.module).unwrap();
    let slot = module.get_slots_with_initialized_token().unwrap()[0];
    let session = module.open_rw_session(slot).unwrap();
    let (old, new) = (AuthPin::from(old), AuthPin::from(new));
    session.login(UserType::User, Some(&old)).unwrap();
    session.set_pin(&old, &new).unwrap();
}

#[test]
fn what_is_not_there_is_named() {
    let Some(room) = Room::enter("keys::what_is_not_there_is_named") else {
        return;
    };
    room.token("border");
    made(&room, "sign", KeyKind::Ec(Curve::P256));
    let find = |text: &str| {
        let uri = TokenUri::parse(text).unwrap();
        token::key(&uri, Some(PIN)).map(drop)
    };
    find(&room.uri("border", "sign")).unwrap();
    assert!(matches!(
        find(&room.uri("border", "other")),
        Err(TokenError::NoKey)
    ));
    assert!(matches!(
        find(&room.uri("other", "sign")),
        Err(TokenError::NoToken)
    ));
    let whole = format!("pkcs11:token=border?module-path={}", room.module);
    assert!(matches!(find(&whole), Err(TokenError::Several)));
    assert!(matches!(
        find("pkcs11:token=border;object=sign?module-path=/usr/lib/none.so"),
        Err(TokenError::Module { .. })
    ));
    // Two keys under one label are told apart by their identifiers.
    let second = TokenUri::parse(&format!(
        "pkcs11:token=border;object=second;id=%01?module-path={}",
        room.module
    ))
    .unwrap();
    token::generate(&second, Some(PIN), KeyKind::Ec(Curve::P256)).unwrap();
    find(&format!(
        "pkcs11:token=border;id=%01?module-path={}",
        room.module
    ))
    .unwrap();
}

#[test]
fn a_token_that_goes_away_is_our_fault_until_it_is_back() {
    let Some(room) = Room::enter("keys::a_token_that_goes_away_is_our_fault_until_it_is_back")
    else {
        return;
    };
    room.token("border");
    let ec = made(&room, "ec", KeyKind::Ec(Curve::P384));
    let rsa = made(&room, "rsa", KeyKind::Rsa(3072));
    let scheme = SignatureScheme::Ecdsa(Digest::Sha384);
    let sealed = provider::default()
        .oaep_encrypt(rsa.public_spki(), Digest::Sha256, &[7; 32])
        .unwrap();
    verifies(ec.as_ref(), &scheme);
    rsa.decrypt_oaep(Digest::Sha256, &sealed).unwrap();
    for round in 0..2 {
        room.pull();
        for _ in 0..3 {
            assert_eq!(ec.sign(&scheme, b""), Err(CryptoError::Away), "{round}");
            let opened = rsa.decrypt_oaep(Digest::Sha256, &sealed).map(drop);
            assert_eq!(opened, Err(CryptoError::Away), "{round}");
        }
        room.plug();
        // It is looked for again with the next use, not more than once in a second.
        let mut tries = 0;
        while ec.sign(&scheme, b"").is_err() {
            tries += 1;
            assert!(tries < 100, "the token did not come back");
            std::thread::sleep(Duration::from_millis(100));
        }
        verifies(ec.as_ref(), &scheme);
        let opened = rsa.decrypt_oaep(Digest::Sha256, &sealed).unwrap();
        assert_eq!(opened.as_bytes(), [7; 32]);
    }
}

#[test]
fn a_certificate_on_the_token_is_found_beside_its_key() {
    use ravelin::crypto::keys::{KeyError, Source, identities};
    let name = "keys::a_certificate_on_the_token_is_found_beside_its_key";
    let Some(room) = Room::enter(name) else {
        return;
    };
    room.token("card");
    let root = Authority::new("Root", now()).unwrap();
    let request = lab::Request::new("CN=Anna,O=Alder", lab::Usage::Sign, now());
    let anna = root.issue(request).unwrap();
    let pem = room.secret("anna.pem", &anna.key_to_pem().unwrap());
    room.import("card", "anna", 7, &pem);
    let source = || Source::Token(TokenUri::parse(&room.uri("card", "anna")).unwrap());
    let found = identities(&source(), None, Some(PIN)).map(drop);
    assert!(matches!(found, Err(KeyError::NoCertificate)));
    // Another's under the same identifier is not hers.
    let other = root
        .issue(lab::Request::new("CN=Other", lab::Usage::Sign, now()))
        .unwrap();
    let put = |id, identity: &Identity| {
        let certificate = identity.certificate();
        room.put_certificate("card", id, certificate.der(), certificate.subject_der());
    };
    put(7, &other);
    let found = identities(&source(), None, Some(PIN)).map(drop);
    assert!(matches!(found, Err(KeyError::NoCertificate)));
    put(7, &anna);
    let found = identities(&source(), None, Some(PIN)).unwrap();
    assert_eq!(found[0].certificate(), anna.certificate());
    // A file that is named wins, and must fit.
    let wrong = other.certificate().to_pem();
    let found = identities(&source(), Some(wrong.as_bytes()), Some(PIN)).map(drop);
    assert!(matches!(found, Err(KeyError::Mismatch { .. })));
}

#[test]
fn many_threads_share_the_sessions_of_a_token() {
    let Some(room) = Room::enter("keys::many_threads_share_the_sessions_of_a_token") else {
        return;
    };
    room.token("border");
    let key = made(&room, "ec", KeyKind::Ec(Curve::P384));
    let scheme = SignatureScheme::Ecdsa(Digest::Sha384);
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                for _ in 0..10 {
                    verifies(key.as_ref(), &scheme);
                }
            });
        }
    });
    let each = began.elapsed() / 240;
    eprintln!("measured: a P-384 signature on SoftHSM, made and verified twice: {each:?}");
}
