//! What a piece of work rests on: the statuses that it learned, and what it missed.
//!
//! Duty: whoever judges under a permit says so with [`noting`]; then every validation within, in
//! whatever room, fetches nothing, and what it came to is noted for whoever judges.
//! Promises: the notes are of this work alone, on this thread alone; they end with it, also when it
//! panics. Refuses: to grow without end.

use std::cell::RefCell;

use super::fetch::Missing;

/// Statuses noted for one piece of work.
const MOST_TOLD: usize = 64;
/// Missing things noted for one piece of work.
const MOST_MISSING: usize = 64;

/// What was noted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Noted {
    /// What told the status of each certificate, in words, each once.
    pub told: Vec<String>,
    /// What would have to be fetched to know more, each once.
    pub missing: Vec<Missing>,
}

thread_local! {
    static NOTES: RefCell<Option<Noted>> = const { RefCell::new(None) };
}

/// Puts back what was noted outside, whatever happens inside.
struct Outside(Option<Noted>);

impl Drop for Outside {
    fn drop(&mut self) {
        let outside = self.0.take();
        NOTES.with(|notes| *notes.borrow_mut() = outside);
    }
}

/// Does the work, in which no validation waits for anybody. What it gives back, and what was noted.
pub fn noting<T>(work: impl FnOnce() -> T) -> (T, Noted) {
    let before = NOTES.with(|notes| notes.borrow_mut().replace(Noted::default()));
    let _outside = Outside(before);
    let done = work();
    let noted = NOTES.with(|notes| notes.borrow_mut().take());
    (done, noted.unwrap_or_default())
}

/// Notes what one validation came to. Whether anybody wants to know.
pub(in crate::crypto) fn note(told: impl FnOnce() -> Vec<String>, missing: &[Missing]) -> bool {
    NOTES.with(|notes| {
        let mut notes = notes.borrow_mut();
        let Some(noted) = notes.as_mut() else {
            return false;
        };
        for line in told() {
            if noted.told.len() < MOST_TOLD && !noted.told.contains(&line) {
                noted.told.push(line);
            }
        }
        for one in missing {
            if noted.missing.len() < MOST_MISSING && !noted.missing.contains(one) {
                noted.missing.push(one.clone());
            }
        }
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_of_the_work_within_and_end_with_it() {
        let say = |text: &str| note(|| vec![text.to_owned()], &[Missing::list(text)]);
        assert!(!say("nobody asked"));
        let (done, noted) = noting(|| {
            assert!(say("one") && say("one") && say("two"));
            let (_, inner) = noting(|| say("three"));
            assert_eq!(inner.told, ["three"]);
            assert!(!std::thread::scope(|scope| scope
                .spawn(|| say("elsewhere"))
                .join()
                .unwrap()));
            7
        });
        assert_eq!((done, noted.told.len(), noted.missing.len()), (7, 2, 2));
        let broken = std::panic::catch_unwind(|| noting(|| panic!("in the work")));
        assert!(broken.is_err() && !say("after it"));
        let (_, many) = noting(|| (0..1000).for_each(|n| assert!(say(&n.to_string()))));
        assert_eq!(
            (many.told.len(), many.missing.len()),
            (MOST_TOLD, MOST_MISSING)
        );
    }
}
