//! What a slow directory said, kept for a while; and a dead one, left alone for a while.
//!
//! Promises: an answer is given again until it is as old as allowed, and no longer: a stale one
//! never stands in for a directory that is away. A directory that fails costs one question its time;
//! until the pause is over every other question is told at once that nobody can tell, and then one
//! alone tries again.
//! Refuses: to grow without bound, and to take "cannot tell" for "unknown".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::record::Record;
use super::{Directory, Found, Name};

/// Names that are kept.
const MOST_NAMES: usize = 100_000;

/// A source that is worth not asking.
pub trait Ask: Send + Sync {
    /// What it tells of a name that it knows.
    type Answer: Clone + Send + Sync;

    /// Asks it. Nothing means that it does not know the name.
    ///
    /// # Errors
    /// When it cannot tell.
    fn ask(&self, name: &Name) -> Result<Option<Self::Answer>, AskError>;
}

impl<A: Ask> Ask for Arc<A> {
    type Answer = A::Answer;

    fn ask(&self, name: &Name) -> Result<Option<Self::Answer>, AskError> {
        self.as_ref().ask(name)
    }
}

/// Why a source cannot tell.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AskError {
    /// About this name.
    #[error("{0}")]
    Name(String),
    /// About any name.
    #[error("{0}")]
    Server(String),
}

/// How long what is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ages {
    /// What is known of a name.
    pub known: Duration,
    /// That nothing is known of it.
    pub unknown: Duration,
    /// That the source cannot tell.
    pub pause: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        Self {
            known: Duration::from_secs(600),
            unknown: Duration::from_secs(60),
            pause: Duration::from_secs(15),
        }
    }
}

/// A source with what it said.
pub struct Kept<A: Ask> {
    source: A,
    ages: Ages,
    state: Mutex<State<A::Answer>>,
}

struct State<T> {
    said: HashMap<Name, (Option<T>, Instant)>,
    away: Option<(String, Instant)>,
}

impl<A: Ask> Kept<A> {
    /// Nothing is known before it is asked.
    pub fn new(source: A, ages: Ages) -> Self {
        Self {
            source,
            ages,
            state: Mutex::new(State {
                said: HashMap::new(),
                away: None,
            }),
        }
    }

    /// What the source says, or said not too long ago.
    ///
    /// # Errors
    /// Why nobody can tell.
    pub fn look(&self, name: &Name) -> Result<Option<A::Answer>, String> {
        self.look_at(name, Instant::now())
    }

    fn look_at(&self, name: &Name, now: Instant) -> Result<Option<A::Answer>, String> {
        let after = |age| now.checked_add(age).unwrap_or(now);
        {
            let mut state = self.state();
            if let Some((said, until)) = state.said.get(name)
                && now < *until
            {
                return Ok(said.clone());
            }
            if let Some((reason, until)) = &mut state.away {
                if now < *until {
                    return Err(reason.clone());
                }
                // This question tries it; those that come meanwhile are told as before.
                *until = after(self.ages.pause);
            }
        }
        let asked = self.source.ask(name);
        let mut state = self.state();
        match asked {
            Ok(said) => {
                state.away = None;
                if state.said.len() >= MOST_NAMES {
                    state.said.retain(|_, (_, until)| now < *until);
                }
                if state.said.len() >= MOST_NAMES {
                    state.said.clear();
                }
                let age = match said {
                    Some(_) => self.ages.known,
                    None => self.ages.unknown,
                };
                state.said.insert(name.clone(), (said.clone(), after(age)));
                Ok(said)
            }
            Err(AskError::Name(reason)) => {
                state.away = None;
                Err(reason)
            }
            Err(AskError::Server(reason)) => {
                let reason = format!("{reason} (not asked again for {:?})", self.ages.pause);
                // From now, not from when the question began: it may have waited long.
                let waited = Instant::now().max(now);
                let until = waited.checked_add(self.ages.pause).unwrap_or(waited);
                state.away = Some((reason.clone(), until));
                Err(reason)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<A::Answer>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A: Ask<Answer = Arc<Record>>> Directory for Kept<A> {
    fn find(&self, name: &Name) -> Found {
        match self.look(name) {
            Ok(Some(record)) => Found::Known(record),
            Ok(None) => Found::Unknown,
            Err(reason) => Found::Unavailable(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Says what it is told to, and counts.
    struct Told {
        answers: Mutex<std::vec::IntoIter<Result<Option<u8>, AskError>>>,
        asked: AtomicUsize,
    }

    impl Ask for Told {
        type Answer = u8;

        fn ask(&self, _name: &Name) -> Result<Option<u8>, AskError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.answers.lock().unwrap().next().unwrap()
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn kept(says: Vec<Result<Option<u8>, AskError>>) -> Kept<Told> {
        let ages = Ages {
            known: 3 * HOUR,
            unknown: 2 * HOUR,
            pause: HOUR,
        };
        let source = Told {
            answers: Mutex::new(says.into_iter()),
            asked: AtomicUsize::new(0),
        };
        Kept::new(source, ages)
    }

    fn asked(kept: &Kept<Told>) -> usize {
        kept.source.asked.load(Ordering::SeqCst)
    }

    fn name(text: &str) -> Name {
        Name::domain(text)
    }

    #[test]
    fn answers_are_given_again_until_they_are_old_and_then_never() {
        let away = || Err(AskError::Server("away".into()));
        let kept = kept(vec![Ok(Some(1)), Ok(None), Ok(Some(2)), away()]);
        let start = Instant::now();
        let at = |hours| start + HOUR * hours;
        assert_eq!(kept.look_at(&name("a"), at(0)), Ok(Some(1)));
        assert_eq!(kept.look_at(&name("b"), at(0)), Ok(None));
        assert_eq!(kept.look_at(&name("a"), at(2)), Ok(Some(1)));
        assert_eq!(kept.look_at(&name("b"), at(1)), Ok(None));
        assert_eq!(asked(&kept), 2);
        assert_eq!(kept.look_at(&name("b"), at(2)), Ok(Some(2)));
        // Too old, and the source is away: nobody can tell, whatever was said before.
        assert!(kept.look_at(&name("a"), at(3)).is_err());
        // What is young enough still counts meanwhile.
        assert_eq!(kept.look_at(&name("b"), at(3)), Ok(Some(2)));
    }

    #[test]
    fn a_dead_source_costs_one_question_and_one_alone_tries_again() {
        let away = || Err(AskError::Server("away".into()));
        let kept = kept(vec![away(), away(), Ok(Some(1)), Ok(Some(1))]);
        let start = Instant::now();
        assert!(kept.look_at(&name("a"), start).is_err());
        for text in ["a", "b", "c"] {
            let told = kept.look_at(&name(text), start).unwrap_err();
            assert!(told.contains("away"));
        }
        assert_eq!(asked(&kept), 1);
        assert!(kept.look_at(&name("b"), start + HOUR * 2).is_err());
        assert_eq!(asked(&kept), 2);
        assert_eq!(kept.look_at(&name("b"), start + HOUR * 4), Ok(Some(1)));
        assert_eq!(kept.look_at(&name("c"), start + HOUR * 4), Ok(Some(1)));
    }

    #[test]
    fn trouble_with_one_name_is_no_trouble_with_the_next() {
        let two = Err(AskError::Name("two entries".into()));
        let kept = kept(vec![two.clone(), Ok(Some(1)), two]);
        let now = Instant::now();
        assert_eq!(kept.look_at(&name("a"), now), Err("two entries".into()));
        assert_eq!(kept.look_at(&name("b"), now), Ok(Some(1)));
        // And is not kept: an operator may mend it.
        assert_eq!(kept.look_at(&name("a"), now), Err("two entries".into()));
        assert_eq!(asked(&kept), 3);
    }
}
