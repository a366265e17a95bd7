//! Sessions with a token: a few that are kept, and new ones in the place of those that are lost.
//!
//! Duty: [`Token::run`] does one operation. Promises: an operation that failed because the token was
//! gone is tried again on a new session, then once more after the module was started anew; after
//! that it is the token's absence that is told. A token that answers and still says no has refused
//! the input. Nobody waits for a session for ever.
//! Standards: PKCS #11 §5.6, §5.1.6 (error codes).

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use cryptoki::error::{Error, RvError};
use cryptoki::session::Session;

use super::TokenError;
use super::module::{Running, Token, away, locked};

/// Sessions that one token has at once, at most.
pub(super) const MOST_SESSIONS: usize = 8;

/// How long an operation waits for a session.
const PATIENCE: Duration = Duration::from_secs(10);

/// The shortest time between two starts of a module: a token that is away is not looked for with
/// every message.
const BETWEEN_STARTS: Duration = Duration::from_secs(1);

/// Sessions that nobody uses, and how many are in use.
#[derive(Default)]
pub(super) struct Pool {
    idle: Vec<Session>,
    out: usize,
    most: Option<usize>,
}

impl Pool {
    pub fn close_idle(&mut self) {
        self.idle.clear();
    }
}

/// Why an operation gave no result.
pub(super) enum Stopped {
    /// The token does not take this input: the message is at fault.
    Input,
    /// The token does not do the operation in this way.
    Way(String),
    /// The token is away: we are at fault.
    Token(TokenError),
}

/// What is to be done about an error.
enum Kind {
    /// The input, and nothing else.
    Input,
    /// Session, login or token are gone.
    Gone,
    /// The way of doing it, said before anything was done.
    Way,
    /// Either: the token has to be asked.
    Unclear,
}

impl Token {
    /// Does `work`, which gets the number of the module's start: handles of another start are void.
    /// `alive` looks whether the token still has what the work needs.
    pub fn run<T>(
        &self,
        work: impl Fn(&Session, u64) -> Result<T, Error>,
        alive: impl Fn(&Session, u64) -> bool,
    ) -> Result<T, Stopped> {
        let mut seen = None;
        for attempt in 0..3u8 {
            let gate = match attempt {
                0 | 1 => self.gate(),
                _ => self.restarted(seen)?,
            };
            seen = Some(gate.start);
            let session = match self.take(&gate, attempt) {
                Ok(session) => session,
                // What a new start of the module cannot mend.
                Err(
                    error @ (TokenError::PinRefused(_)
                    | TokenError::PinMissing
                    | TokenError::PinAtRisk
                    | TokenError::Several),
                ) => return Err(Stopped::Token(error)),
                Err(error) if attempt == 2 => return Err(Stopped::Token(error)),
                Err(_) => continue,
            };
            let error = match work(&session, gate.start) {
                Ok(done) => {
                    self.put_back(session);
                    return Ok(done);
                }
                Err(error) => error,
            };
            let stopped = match kind(&error) {
                Kind::Input => Stopped::Input,
                Kind::Way => Stopped::Way(away(error).to_string()),
                Kind::Unclear if alive(&session, gate.start) => Stopped::Input,
                Kind::Gone | Kind::Unclear => {
                    tracing::warn!(error = %away(error), attempt, "a token did not answer");
                    self.lose(session);
                    continue;
                }
            };
            self.put_back(session);
            return Err(stopped);
        }
        Err(Stopped::Token(TokenError::Away(
            "it was looked for anew and does not answer".to_owned(),
        )))
    }

    /// As [`Token::run`], for what only looks.
    pub fn lookup<T>(
        &self,
        look: impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        self.once(false, look)
    }

    /// As [`Token::lookup`], for what changes the token.
    pub fn make<T>(
        &self,
        make: impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        self.once(true, make)
    }

    fn once<T>(
        &self,
        write: bool,
        act: impl Fn(&Session) -> Result<T, TokenError>,
    ) -> Result<T, TokenError> {
        let open = |running: &Running| match write {
            true => self.open_to_write(running),
            false => self.open(running),
        };
        let mut gate = self.gate();
        let mut opened = open(&gate);
        // A token that came after the module was started.
        if matches!(opened, Err(TokenError::NoToken | TokenError::Away(_))) {
            let start = gate.start;
            drop(gate);
            gate = match self.restarted(Some(start)) {
                Ok(gate) => gate,
                Err(Stopped::Token(error)) => return Err(error),
                Err(_) => return Err(TokenError::NoToken),
            };
            opened = open(&gate);
        }
        act(&opened?.0)
    }

    fn gate(&self) -> std::sync::RwLockReadGuard<'_, Running> {
        self.module
            .gate
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The module, started anew unless somebody did so since `seen`, or did so just now.
    fn restarted(
        &self,
        seen: Option<u64>,
    ) -> Result<std::sync::RwLockReadGuard<'_, Running>, Stopped> {
        let mut running = self
            .module
            .gate
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let is_stale = seen.is_none_or(|seen| seen == running.start);
        if is_stale && running.since.elapsed() >= BETWEEN_STARTS {
            self.module.restart(&mut running).map_err(Stopped::Token)?;
        }
        drop(running);
        Ok(self.gate())
    }

    /// A session: on the first attempt one that was kept, else a new one.
    fn take(&self, running: &Running, attempt: u8) -> Result<Session, TokenError> {
        let mut pool = self.place()?;
        if attempt > 0 {
            pool.close_idle();
        }
        pool.out = pool.out.saturating_add(1);
        if let Some(session) = pool.idle.pop() {
            return Ok(session);
        }
        drop(pool);
        let opened = self.open(running);
        let mut pool = locked(&self.pool);
        match opened {
            Ok((session, most)) => {
                pool.most = Some(most);
                Ok(session)
            }
            Err(error) => {
                pool.out = pool.out.saturating_sub(1);
                drop(pool);
                self.came_back.notify_one();
                Err(error)
            }
        }
    }

    /// The pool, when fewer sessions are out than there may be.
    fn place(&self) -> Result<MutexGuard<'_, Pool>, TokenError> {
        let (pool, waited) = self
            .came_back
            .wait_timeout_while(locked(&self.pool), PATIENCE, |pool| {
                pool.out >= pool.most.unwrap_or(MOST_SESSIONS)
            })
            .unwrap_or_else(PoisonError::into_inner);
        match waited.timed_out() {
            true => Err(TokenError::Away("all its sessions are in use".to_owned())),
            false => Ok(pool),
        }
    }

    fn put_back(&self, session: Session) {
        let mut pool = locked(&self.pool);
        pool.out = pool.out.saturating_sub(1);
        pool.idle.push(session);
        drop(pool);
        self.came_back.notify_one();
    }

    fn lose(&self, session: Session) {
        drop(session);
        let mut pool = locked(&self.pool);
        pool.out = pool.out.saturating_sub(1);
        drop(pool);
        self.came_back.notify_one();
    }
}

/// Tells apart what a code means for the operation.
// PKCS #11 §5.1.6
fn kind(error: &Error) -> Kind {
    let Error::Pkcs11(code, function) = error else {
        return Kind::Gone;
    };
    match code {
        RvError::EncryptedDataInvalid
        | RvError::EncryptedDataLenRange
        | RvError::DataInvalid
        | RvError::DataLenRange => Kind::Input,
        RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::ArgumentsBad
        | RvError::KeyFunctionNotPermitted
        | RvError::KeyTypeInconsistent
        | RvError::KeySizeRange
        | RvError::TemplateInconsistent
        | RvError::AttributeValueInvalid
        | RvError::AttributeSensitive
        | RvError::FunctionNotSupported
            if super::module::at_begin(*function) =>
        {
            Kind::Way
        }
        RvError::GeneralError
        | RvError::FunctionFailed
        | RvError::DeviceError
        | RvError::ArgumentsBad
        | RvError::MechanismParamInvalid => Kind::Unclear,
        _ => Kind::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cryptoki::context::Function;

    #[test]
    fn lost_tokens_are_told_from_bad_input() {
        let of = |code, function| kind(&Error::Pkcs11(code, function));
        for code in [
            RvError::DeviceRemoved,
            RvError::SessionHandleInvalid,
            RvError::SessionClosed,
            RvError::TokenNotPresent,
            RvError::UserNotLoggedIn,
            RvError::KeyHandleInvalid,
            RvError::ObjectHandleInvalid,
            RvError::CryptokiNotInitialized,
        ] {
            assert!(matches!(of(code, Function::Sign), Kind::Gone), "{code:?}");
        }
        assert!(matches!(
            of(RvError::EncryptedDataInvalid, Function::Decrypt),
            Kind::Input
        ));
        assert!(matches!(
            of(RvError::GeneralError, Function::Decrypt),
            Kind::Unclear
        ));
        // The same code is the way of asking while the operation begins.
        assert!(matches!(
            of(RvError::ArgumentsBad, Function::DecryptInit),
            Kind::Way
        ));
        assert!(matches!(
            of(RvError::ArgumentsBad, Function::Decrypt),
            Kind::Unclear
        ));
    }
}
