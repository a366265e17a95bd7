//! Names of keys on tokens: `pkcs11:token=Ravelin;object=sign?module-path=/usr/lib/…/module.so`.
//!
//! Promises: what was written is what is looked for; every attribute is compared as octets.
//! Refuses: `pin-value` (a secret does not stand in a name), a `pin-source` that is a command,
//! attributes that are not known, an attribute that stands twice.
//! Standards: RFC 7512.

use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// How such a name begins.
pub const SCHEME: &str = "pkcs11:";

/// The longest name that is read.
const LONGEST: usize = 4096;

/// The name of a key on a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUri {
    text: String,
    pub(super) token: TokenName,
    pub(super) object: Option<String>,
    pub(super) id: Option<Vec<u8>>,
    module: PathBuf,
    pin_source: Option<PathBuf>,
}

/// Which token: what is not said matches every one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TokenName {
    pub label: Option<String>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
}

/// Why a text is not the name of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// An attribute that is not known here.
    #[error("the attribute {0:?} is not known; RFC 7512 lists token, object, id and others")]
    Attribute(String),
    /// The name is not of the form of RFC 7512.
    #[error("it is not of the form pkcs11:token=…;object=…?module-path=…: {0}")]
    Form(&'static str),
    /// No module is named.
    #[error("it names no module; add ?module-path=/path/of/the/module.so")]
    NoModule,
    /// The PIN stands in it.
    #[error("it holds a PIN; a PIN comes from a file, the environment or a credential")]
    PinValue,
}

/// Whether the text names a key on a token, rather than a file.
pub fn is_token(text: &Path) -> bool {
    text.to_str().is_some_and(|text| text.starts_with(SCHEME))
}

impl TokenUri {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong with it.
    // RFC 7512 §2.3
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > LONGEST {
            return Err(UriError::Form("it is too long"));
        }
        let rest = text
            .strip_prefix(SCHEME)
            .ok_or(UriError::Form("it does not begin with pkcs11:"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut token = TokenName::default();
        let (mut object, mut id, mut kind) = (None, None, None);
        for (name, value) in attributes(path, ';')? {
            match name {
                "token" => set(&mut token.label, utf8(value)?)?,
                "manufacturer" => set(&mut token.manufacturer, utf8(value)?)?,
                "model" => set(&mut token.model, utf8(value)?)?,
                "serial" => set(&mut token.serial, utf8(value)?)?,
                "object" => set(&mut object, utf8(value)?)?,
                "id" => set(&mut id, value)?,
                "type" => set(&mut kind, utf8(value)?)?,
                other => return Err(UriError::Attribute(other.to_owned())),
            }
        }
        if kind.is_some_and(|kind| kind != "private") {
            return Err(UriError::Form("type is private, or is left out"));
        }
        let (mut module, mut pin_source) = (None, None);
        for (name, value) in attributes(query, '&')? {
            match name {
                "module-path" => set(&mut module, PathBuf::from(os(value)))?,
                "pin-source" => set(&mut pin_source, pin_file(value)?)?,
                // RFC 7512 §2.4: who reads names with it says so; we do not.
                "pin-value" => return Err(UriError::PinValue),
                other => return Err(UriError::Attribute(other.to_owned())),
            }
        }
        Ok(Self {
            text: text.to_owned(),
            token,
            object,
            id,
            module: module.ok_or(UriError::NoModule)?,
            pin_source,
        })
    }

    /// The module that knows the token.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The file with the PIN, where the name says one.
    pub fn pin_source(&self) -> Option<&Path> {
        self.pin_source.as_deref()
    }

    /// Whether it names one key, and not only a token.
    pub fn names_a_key(&self) -> bool {
        self.object.is_some() || self.id.is_some()
    }
}

/// As it was written. There is no secret in it.
impl std::fmt::Display for TokenUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn attributes(part: &str, separator: char) -> Result<Vec<(&str, Vec<u8>)>, UriError> {
    part.split(separator)
        .filter(|attribute| !attribute.is_empty())
        .map(|attribute| {
            let (name, value) = attribute
                .split_once('=')
                .ok_or(UriError::Form("an attribute has no value"))?;
            Ok((name, decoded(value)?))
        })
        .collect()
}

/// Takes the percent-encoding off.
// RFC 3986 §2.1
fn decoded(value: &str) -> Result<Vec<u8>, UriError> {
    let wrong = UriError::Form("a percent sign stands before two hexadecimal digits");
    let mut octets = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err(wrong);
        };
        octets.push(high << 4 | low);
    }
    Ok(octets)
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), UriError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(UriError::Form("an attribute stands twice")),
    }
}

fn utf8(value: Vec<u8>) -> Result<String, UriError> {
    String::from_utf8(value).map_err(|_| UriError::Form("a name is not UTF-8"))
}

fn os(value: Vec<u8>) -> std::ffi::OsString {
    std::ffi::OsString::from_vec(value)
}

// RFC 7512 §2.4: a pipe names a command. None is run.
fn pin_file(value: Vec<u8>) -> Result<PathBuf, UriError> {
    if value.first() == Some(&b'|') {
        return Err(UriError::Form("pin-source is a file; no command is run"));
    }
    let path = match value.strip_prefix(b"file:") {
        Some(rest) => rest.strip_prefix(b"//").unwrap_or(rest).to_vec(),
        None => value,
    };
    let path = PathBuf::from(os(path));
    match path.is_absolute() {
        true => Ok(path),
        false => Err(UriError::Form("pin-source is an absolute path")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_and_what_is_not_known_is_refused() {
        let uri = TokenUri::parse(
            "pkcs11:token=Border%20One;serial=4711;object=sign%3b1;id=%01%ff;type=private\
             ?module-path=/usr/lib/m.so&pin-source=file:/run/pin",
        )
        .unwrap();
        assert_eq!(uri.token.label.as_deref(), Some("Border One"));
        assert_eq!(uri.token.serial.as_deref(), Some("4711"));
        assert_eq!(uri.object.as_deref(), Some("sign;1"));
        assert_eq!(uri.id.as_deref(), Some(&[1, 255][..]));
        assert_eq!(uri.module(), Path::new("/usr/lib/m.so"));
        assert_eq!(uri.pin_source(), Some(Path::new("/run/pin")));
        assert!(uri.names_a_key());
        let whole = TokenUri::parse("pkcs11:?module-path=m").unwrap();
        assert!(!whole.names_a_key());
        assert_eq!(whole.token, TokenName::default());
        for (wrong, reason) in [
            ("file:token=a?module-path=m", "begin"),
            ("pkcs11:token=a", "no module"),
            ("pkcs11:token=a;token=b?module-path=m", "twice"),
            ("pkcs11:token?module-path=m", "no value"),
            ("pkcs11:token=%4?module-path=m", "percent"),
            ("pkcs11:token=%4x?module-path=m", "percent"),
            ("pkcs11:token=%ff?module-path=m", "UTF-8"),
            ("pkcs11:colour=red?module-path=m", "colour"),
            ("pkcs11:type=public?module-path=m", "private"),
            ("pkcs11:?module-path=m&pin-value=1234", "holds a PIN"),
            ("pkcs11:?module-path=m&pin-source=|cat%20pin", "no command"),
            ("pkcs11:?module-path=m&pin-source=pin", "absolute"),
        ] {
            let error = TokenUri::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(reason), "{wrong}: {error}");
            // Whatever is wrong, a PIN is not repeated.
            assert!(!error.contains("1234"), "{error}");
        }
        assert!(TokenUri::parse(&format!("pkcs11:token={}", "a".repeat(5000))).is_err());
    }
}
