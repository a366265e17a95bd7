//~ E0451
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::{MessageId, Precedence};
use ravelin::seal::Sealed;

pub fn forge(bytes: std::sync::Arc<[u8]>, to: Address) -> Sealed {
    Sealed {
        message: MessageId::new([0; 16]),
        next_hop: "birch".into(),
        from: ReversePath::Null,
        recipients: vec![to],
        bytes,
        precedence: Precedence::Flash,
        judged_under: String::new(),
        permitted: ravelin::store::Permitted::Own,
        terms: Default::default(),
    }
}
