//~ E0624
use ravelin::store::{Change, EntryRow};

pub fn past_the_queue(change: &mut Change, row: EntryRow, body: std::sync::Arc<[u8]>) {
    change.put_entry(row, body);
}
