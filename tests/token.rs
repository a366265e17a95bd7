//! Keys on tokens (PKCS #11), with SoftHSM in the place of the token.
//!
//! Each test runs in a process of its own: a module is started once in a process, and SoftHSM learns
//! from the environment where its tokens lie. Without the feature `pkcs11` or without SoftHSM
//! (package softhsm2) the tests say "skipped" and pass.

#[path = "token/room.rs"]
mod room;

#[cfg(feature = "pkcs11")]
#[path = "token/keys.rs"]
mod keys;

#[cfg(feature = "pkcs11")]
#[path = "token/switch.rs"]
mod switch;

#[cfg(feature = "pkcs11")]
#[path = "token/commands.rs"]
mod commands;

#[cfg(not(feature = "pkcs11"))]
#[test]
fn without_the_feature_there_is_no_token() {
    use ravelin::crypto::token::{self, TokenError, TokenUri};
    eprintln!("skipped: built without the feature pkcs11");
    let uri = TokenUri::parse("pkcs11:token=a;object=b?module-path=/m.so").unwrap();
    assert!(matches!(token::key(&uri, None), Err(TokenError::NotBuilt)));
}
