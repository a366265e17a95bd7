//~ E0277
use ravelin::store::StoreKey;

pub fn print(key: &StoreKey) -> String {
    format!("{key:?}")
}
