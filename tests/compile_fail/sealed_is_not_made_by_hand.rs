//~ E0451
use ravelin::seal::Sealed;

/// What was sealed with other octets in it: whatever fields `Sealed` has, none can be set.
pub fn forge(bytes: std::sync::Arc<[u8]>, sealed: Sealed) -> Sealed {
    Sealed { bytes, ..sealed }
}
