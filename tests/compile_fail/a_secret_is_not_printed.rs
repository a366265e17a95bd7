//~ E0277
use ravelin::crypto::keys::Secret;

pub fn print(secret: &Secret) -> String {
    format!("{secret:?}")
}
