//! Modules, and tokens under them: loaded once for the process, logged in once for each PIN.
//!
//! Promises: a PIN that a token refused is not said to it again; nobody calls a module while it is
//! started anew; what a module writes about a PIN is its error code alone.
//! Refuses: a login that may be the last one that a token allows.
//! Standards: PKCS #11 §5.4, §5.5, §5.6.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Limit, Slot, TokenInfo};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::session::{MOST_SESSIONS, Pool};
use super::uri::TokenName;
use super::{TokenError, TokenUri};

/// Every module that this process has loaded. A module can be started once in a process.
static MODULES: Mutex<BTreeMap<PathBuf, Arc<Module>>> = Mutex::new(BTreeMap::new());

/// A module that is loaded.
pub(super) struct Module {
    path: PathBuf,
    /// Held for reading by whoever calls the module, for writing by whoever starts it anew.
    pub gate: RwLock<Running>,
    tokens: Mutex<Vec<Arc<Token>>>,
}

/// A module that is started.
pub(super) struct Running {
    context: Pkcs11,
    /// How often it was started: handles of another start mean nothing.
    pub start: u64,
    pub since: Instant,
}

/// A token that a configuration names, with one PIN.
pub(super) struct Token {
    pub module: Arc<Module>,
    name: TokenName,
    pin: Option<Zeroizing<String>>,
    login: Mutex<Login>,
    pub pool: Mutex<Pool>,
    /// Told when a session comes back.
    pub came_back: Condvar,
}

/// How the PIN has fared.
enum Login {
    /// The token took it, or was not asked yet.
    Allowed,
    /// The token refused it.
    Barred(TokenError),
}

/// The token that `uri` names: one value for each token and PIN, however many keys stand on it.
pub(super) fn token(uri: &TokenUri, pin: Option<&str>) -> Result<Arc<Token>, TokenError> {
    let module = loaded(uri.module())?;
    let mut tokens = locked(&module.tokens);
    let known = tokens
        .iter()
        .find(|token| token.name == uri.token && token.pin.as_ref().map(|pin| pin.as_str()) == pin);
    if let Some(known) = known {
        return Ok(Arc::clone(known));
    }
    let token = Arc::new(Token {
        module: Arc::clone(&module),
        name: uri.token.clone(),
        pin: pin.map(|pin| Zeroizing::new(pin.to_owned())),
        login: Mutex::new(Login::Allowed),
        pool: Mutex::new(Pool::default()),
        came_back: Condvar::new(),
    });
    tokens.push(Arc::clone(&token));
    Ok(token)
}

fn loaded(path: &Path) -> Result<Arc<Module>, TokenError> {
    let mut modules = locked(&MODULES);
    if let Some(module) = modules.get(path) {
        return Ok(Arc::clone(module));
    }
    let wrong = |error: Error| TokenError::Module {
        path: path.to_owned(),
        text: error.to_string(),
    };
    let context = Pkcs11::new(path).map_err(wrong)?;
    start(&context).map_err(wrong)?;
    let module = Arc::new(Module {
        path: path.to_owned(),
        gate: RwLock::new(Running {
            context,
            start: 0,
            since: Instant::now(),
        }),
        tokens: Mutex::new(Vec::new()),
    });
    modules.insert(path.to_owned(), Arc::clone(&module));
    Ok(module)
}

fn start(context: &Pkcs11) -> Result<(), Error> {
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
        other => other,
    }
}

impl Module {
    /// Ends the module and starts it again, so that it looks for its tokens anew. Nobody is in it
    /// meanwhile: the gate is held, and every session is idle and closed first.
    pub fn restart(&self, running: &mut Running) -> Result<(), TokenError> {
        for token in locked(&self.tokens).iter() {
            locked(&token.pool).close_idle();
        }
        let wrong = |error: Error| TokenError::Module {
            path: self.path.clone(),
            text: error.to_string(),
        };
        match running.context.clone().finalize() {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => {}
            Err(error) => return Err(wrong(error)),
        }
        running.start = running.start.wrapping_add(1);
        running.since = Instant::now();
        start(&running.context).map_err(wrong)
    }
}

impl Token {
    /// A new session that is logged in, and how many the token allows.
    pub fn open(&self, running: &Running) -> Result<(Session, usize), TokenError> {
        self.open_as(running, false)
    }

    /// As [`Token::open`], to make something on the token.
    pub fn open_to_write(&self, running: &Running) -> Result<(Session, usize), TokenError> {
        self.open_as(running, true)
    }

    fn open_as(&self, running: &Running, write: bool) -> Result<(Session, usize), TokenError> {
        let (slot, info) = self.slot(&running.context)?;
        let session = match write {
            true => running.context.open_rw_session(slot),
            false => running.context.open_ro_session(slot),
        };
        let session = session.map_err(away)?;
        if info.login_required() {
            self.log_in(&session, &info)?;
        }
        let most = match info.max_session_count() {
            Limit::Max(most) => usize::try_from(most).unwrap_or(MOST_SESSIONS),
            Limit::Unavailable | Limit::Infinite => MOST_SESSIONS,
        };
        Ok((session, most.clamp(1, MOST_SESSIONS)))
    }

    /// The slot with this token, and not with another.
    fn slot(&self, context: &Pkcs11) -> Result<(Slot, TokenInfo), TokenError> {
        let mut found = None;
        for slot in context.get_slots_with_token().map_err(away)? {
            // A slot that does not answer holds no token that could be used.
            let Ok(info) = context.get_token_info(slot) else {
                continue;
            };
            if !info.token_initialized() || !self.name.fits(&info) {
                continue;
            }
            if found.is_some() {
                return Err(TokenError::Several);
            }
            found = Some((slot, info));
        }
        found.ok_or(TokenError::NoToken)
    }

    // PKCS #11 §5.6.7: the login counts for every session of the process.
    fn log_in(&self, session: &Session, info: &TokenInfo) -> Result<(), TokenError> {
        let mut login = locked(&self.login);
        if let Login::Barred(error) = &*login {
            return Err(error.clone());
        }
        let state = session.get_session_info().map_err(away)?.session_state();
        if matches!(state, SessionState::RoUser | SessionState::RwUser) {
            return Ok(());
        }
        let pin = self.pin.as_ref().ok_or(TokenError::PinMissing)?;
        if at_risk(info.user_pin_final_try(), info.user_pin_locked()) {
            return Err(TokenError::PinAtRisk);
        }
        let pin = AuthPin::from(pin.as_str());
        match session.login(UserType::User, Some(&pin)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(code, function)) if refuses_pin(&code) => {
                let error = TokenError::PinRefused(format!("{code:?} at {function}"));
                *login = Login::Barred(error.clone());
                Err(error)
            }
            Err(error) => Err(away(error)),
        }
    }
}

/// Whether one more wrong PIN may lock the token, or has.
fn at_risk(final_try: bool, locked: bool) -> bool {
    final_try || locked
}

fn refuses_pin(code: &RvError) -> bool {
    matches!(
        code,
        RvError::PinIncorrect
            | RvError::PinInvalid
            | RvError::PinLenRange
            | RvError::PinExpired
            | RvError::PinLocked
            | RvError::UserPinNotInitialized
    )
}

impl TokenName {
    fn fits(&self, info: &TokenInfo) -> bool {
        let fits = |wanted: &Option<String>, found: &str| {
            // PKCS #11 §3.2: the fields of a token are padded with blanks.
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted == found.trim_end())
        };
        fits(&self.label, info.label())
            && fits(&self.manufacturer, info.manufacturer_id())
            && fits(&self.model, info.model())
            && fits(&self.serial, info.serial_number())
    }
}

/// What a call came to, with the name of the call and the code: never what was given to it.
pub(super) fn away(error: Error) -> TokenError {
    TokenError::Away(match error {
        Error::Pkcs11(code, function) => format!("{code:?} at {function}"),
        other => other.to_string(),
    })
}

/// Whether an operation failed while it began: the token does not do it in this way.
pub(super) fn at_begin(function: Function) -> bool {
    matches!(
        function,
        Function::DecryptInit | Function::SignInit | Function::DeriveKey
    )
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pin_is_tried_that_may_be_the_last() {
        assert!(at_risk(true, false));
        assert!(at_risk(false, true));
        assert!(!at_risk(false, false));
    }

    #[test]
    fn a_refused_pin_is_told_from_a_token_that_is_away() {
        for code in [
            RvError::PinIncorrect,
            RvError::PinLocked,
            RvError::PinExpired,
        ] {
            assert!(refuses_pin(&code));
        }
        for code in [RvError::DeviceRemoved, RvError::TokenNotPresent] {
            assert!(!refuses_pin(&code));
        }
    }

    #[test]
    fn a_module_that_is_not_there_is_named() {
        let uri = TokenUri::parse("pkcs11:token=a?module-path=/nowhere/m.so").unwrap();
        let error = token(&uri, None).map(drop).unwrap_err();
        assert!(error.to_string().contains("/nowhere/m.so"), "{error}");
    }
}
