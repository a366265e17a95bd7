//! A draft for tests of the store alone, which never look inside one.

use ravelin::clock::Timestamp;
use ravelin::message::{DraftId, MessageId, Precedence};
use ravelin::store::{DraftRow, DraftState};

pub fn draft(id: DraftId) -> DraftRow {
    DraftRow {
        id,
        message: MessageId::new(*id.octets()),
        state: DraftState::Submitted,
        submitted_at: Timestamp::UNIX_EPOCH,
        expires: Timestamp::MAX,
        precedence: Precedence::Flash,
        submitted_by: "drafter".into(),
        payload: id.octets().to_vec(),
        size: 0,
        revision: 0,
    }
}
