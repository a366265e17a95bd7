//~ E0277
use ravelin::crypto::keys::PrivateKey;

pub fn print(key: &dyn PrivateKey) -> String {
    format!("{key:?}")
}
