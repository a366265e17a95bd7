//! `Content-Type`, and every other value with parameters.
//!
//! Promises: type, subtype and parameter names in lower case; values as meant (quotes removed,
//! RFC 2231 continuations joined and decoded).
//! Refuses: the same parameter twice, in any spelling: two programs would pick two boundaries.
//! Standards: RFC 2045 §5.1; RFC 2231 §3, §4; RFC 2183 (Content-Disposition).

use std::fmt;

/// A media type and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// The type, in lower case.
    pub type_: String,
    /// The subtype, in lower case.
    pub subtype: String,
    /// Parameter names in lower case, and values.
    pub params: Vec<(String, String)>,
}

/// A value that cannot be read as `type/subtype; name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("octet {position} of the value: {kind}")]
pub struct ParameterError {
    /// What is wrong.
    pub kind: ParameterProblem,
    /// Where, in octets from the start of the value.
    pub position: usize,
}

/// What is wrong with a value that has parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterProblem {
    /// The same parameter twice.
    #[error("a parameter stands twice")]
    Duplicate,
    /// An RFC 2231 value with a gap in its numbers, or in an unknown character set.
    #[error("an RFC 2231 value has a gap, bad percent signs, or a character set other than UTF-8")]
    Extended,
    /// Something else than was expected.
    #[error("`type/subtype` and then `; name=value` are expected")]
    Syntax,
}

impl ContentType {
    /// Reads the unfolded value of `Content-Type`.
    pub fn parse(value: &str) -> Result<Self, ParameterError> {
        let mut reader = Reader { value, at: 0 };
        reader.skip_gap()?;
        let type_ = reader.token()?;
        reader.expect('/')?;
        let subtype = reader.token()?;
        Ok(Self {
            type_: type_.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            params: reader.parameters()?,
        })
    }

    // RFC 2045 §5.2
    /// What an entity without `Content-Type` is: `text/plain; charset=us-ascii`.
    pub fn text_plain() -> Self {
        Self {
            type_: "text".into(),
            subtype: "plain".into(),
            params: vec![("charset".into(), "us-ascii".into())],
        }
    }

    /// Whether it is this type and subtype (in lower case).
    pub fn is(&self, type_: &str, subtype: &str) -> bool {
        self.type_ == type_ && self.subtype == subtype
    }

    /// The parameter of this name (in lower case).
    pub fn param(&self, name: &str) -> Option<&str> {
        find(&self.params, name)
    }
}

impl fmt::Display for ContentType {
    /// Type and subtype, without parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.type_, self.subtype)
    }
}

/// The value of `Content-Disposition`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposition {
    /// `inline`, `attachment` or another word, in lower case.
    pub kind: String,
    /// Parameter names in lower case, and values.
    pub params: Vec<(String, String)>,
}

impl Disposition {
    /// Reads the unfolded value of `Content-Disposition`.
    pub fn parse(value: &str) -> Result<Self, ParameterError> {
        let mut reader = Reader { value, at: 0 };
        reader.skip_gap()?;
        Ok(Self {
            kind: reader.token()?.to_ascii_lowercase(),
            params: reader.parameters()?,
        })
    }

    /// The name of the file, without any path.
    pub fn file_name(&self) -> Option<&str> {
        let name = find(&self.params, "filename")?;
        name.rsplit(['/', '\\']).next().filter(|n| !n.is_empty())
    }
}

fn find<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    params
        .iter()
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.as_str())
}

struct Reader<'a> {
    value: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.value.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, octets: usize) {
        self.at = self.at.saturating_add(octets);
    }

    fn failed<T>(&self, kind: ParameterProblem) -> Result<T, ParameterError> {
        Err(ParameterError {
            kind,
            position: self.at,
        })
    }

    fn expect(&mut self, c: char) -> Result<(), ParameterError> {
        if !self.rest().starts_with(c) {
            return self.failed(ParameterProblem::Syntax);
        }
        self.skip(c.len_utf8());
        Ok(())
    }

    // RFC 5322 §3.2.2: white space and comments between tokens
    fn skip_gap(&mut self) -> Result<(), ParameterError> {
        let mut depth = 0_usize;
        let mut escaped = false;
        for c in self.rest().chars() {
            match (depth, c) {
                (0, ' ' | '\t') => {}
                (0, '(') => depth = 1,
                (0, _) => return Ok(()),
                _ if escaped => escaped = false,
                (_, '\\') => escaped = true,
                (_, '(') => depth = depth.saturating_add(1),
                (_, ')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.skip(c.len_utf8());
        }
        match depth {
            0 => Ok(()),
            _ => self.failed(ParameterProblem::Syntax),
        }
    }

    // RFC 2045 §5.1
    fn token(&mut self) -> Result<&'a str, ParameterError> {
        let rest = self.rest();
        let length = rest.find(|c| !is_token(c)).unwrap_or(rest.len());
        if length == 0 {
            return self.failed(ParameterProblem::Syntax);
        }
        self.skip(length);
        Ok(rest.get(..length).unwrap_or_default())
    }

    fn quoted(&mut self) -> Result<String, ParameterError> {
        let mut out = String::new();
        let mut escaped = false;
        let rest = self.rest();
        for (offset, c) in rest.char_indices().skip(1) {
            match (escaped, c) {
                (true, c) => {
                    escaped = false;
                    out.push(c);
                }
                (false, '\\') => escaped = true,
                (false, '"') => {
                    self.skip(offset.saturating_add(1));
                    return Ok(out);
                }
                (false, c) if c.is_control() && c != '\t' => break,
                (false, c) => out.push(c),
            }
        }
        self.failed(ParameterProblem::Syntax)
    }

    fn parameters(&mut self) -> Result<Vec<(String, String)>, ParameterError> {
        let mut raw: Vec<(String, String)> = Vec::new();
        loop {
            self.skip_gap()?;
            if self.rest().is_empty() {
                return join_extended(raw).or_else(|kind| self.failed(kind));
            }
            self.expect(';')?;
            self.skip_gap()?;
            // A semicolon at the end is common and has one reading.
            if self.rest().is_empty() {
                continue;
            }
            let name = self.token()?.to_ascii_lowercase();
            self.skip_gap()?;
            self.expect('=')?;
            self.skip_gap()?;
            let value = match self.rest().starts_with('"') {
                true => self.quoted()?,
                false => self.token()?.to_owned(),
            };
            if raw.iter().any(|(found, _)| *found == name) {
                return self.failed(ParameterProblem::Duplicate);
            }
            raw.push((name, value));
        }
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_graphic()
        && !matches!(
            c,
            '(' | ')'
                | '<'
                | '>'
                | '@'
                | ','
                | ';'
                | ':'
                | '\\'
                | '"'
                | '/'
                | '['
                | ']'
                | '?'
                | '='
        )
}

// RFC 2231 §3 and §4: name*, name*0, name*1*, ...
fn join_extended(raw: Vec<(String, String)>) -> Result<Vec<(String, String)>, ParameterProblem> {
    if !raw.iter().any(|(name, _)| name.contains('*')) {
        return Ok(raw);
    }
    let mut params: Vec<(String, String)> = Vec::new();
    let mut bases: Vec<String> = Vec::new();
    for (name, value) in &raw {
        match name.split_once('*') {
            None => params.push((name.clone(), value.clone())),
            Some((base, _)) if bases.iter().any(|b| b == base) => {}
            Some((base, _)) => bases.push(base.to_owned()),
        }
    }
    for base in bases {
        if params.iter().any(|(name, _)| *name == base) {
            return Err(ParameterProblem::Duplicate);
        }
        let mut octets = Vec::new();
        let mut used = 0_usize;
        let simple = format!("{base}*");
        if let Some((_, value)) = raw.iter().find(|(name, _)| *name == simple) {
            octets = percent(without_charset(value)?)?;
            used = 1;
        } else {
            for number in 0..raw.len() {
                let (plain, coded) = (format!("{base}*{number}"), format!("{base}*{number}*"));
                let Some((name, value)) = raw.iter().find(|(n, _)| *n == plain || *n == coded)
                else {
                    break;
                };
                used = used.saturating_add(1);
                match (*name == coded, number) {
                    (false, _) => octets.extend_from_slice(value.as_bytes()),
                    (true, 0) => octets.extend(percent(without_charset(value)?)?),
                    (true, _) => octets.extend(percent(value)?),
                }
            }
        }
        let prefix = format!("{base}*");
        let written = raw.iter().filter(|(n, _)| n.starts_with(&prefix)).count();
        // A piece left over (a gap in the numbers, two forms of one number) has no one meaning.
        if used != written {
            return Err(ParameterProblem::Extended);
        }
        let value = String::from_utf8(octets).map_err(|_| ParameterProblem::Extended)?;
        params.push((base, value));
    }
    Ok(params)
}

fn without_charset(value: &str) -> Result<&str, ParameterProblem> {
    let mut parts = value.splitn(3, '\'');
    let (charset, _language, text) = (parts.next(), parts.next(), parts.next());
    match (charset, text) {
        (Some(charset), Some(text))
            if ["", "utf-8", "us-ascii"].contains(&charset.to_ascii_lowercase().as_str()) =>
        {
            Ok(text)
        }
        _ => Err(ParameterProblem::Extended),
    }
}

fn percent(text: &str) -> Result<Vec<u8>, ParameterProblem> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'%' {
            out.push(octet);
            continue;
        }
        let digits = [octets.next(), octets.next()];
        let value = digits
            .iter()
            .try_fold(0_u32, |sum, digit| {
                let digit = char::from((*digit)?).to_digit(16)?;
                sum.checked_mul(16)?.checked_add(digit)
            })
            .and_then(|value| u8::try_from(value).ok());
        out.push(value.ok_or(ParameterProblem::Extended)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(value: &str) -> ParameterProblem {
        ContentType::parse(value).unwrap_err().kind
    }

    #[test]
    fn types_and_parameters_are_read() {
        let read = ContentType::parse(
            "Multipart/Signed; (c \\) ) protocol=\"application/pkcs7-signature\";\tmicalg=sha-384 ; \
             boundary=\"a\\\"b c\";",
        )
        .unwrap();
        assert!(read.is("multipart", "signed"));
        assert_eq!(read.param("protocol"), Some("application/pkcs7-signature"));
        assert_eq!(read.param("micalg"), Some("sha-384"));
        assert_eq!(read.param("boundary"), Some("a\"b c"));
        assert_eq!(read.param("charset"), None);
    }

    #[test]
    fn rfc_2231_values_are_joined_and_decoded() {
        let read = ContentType::parse(
            "a/b; title*0*=us-ascii'en'This%20is%20even%20more%20; title*1*=%2A%2A%2Afun%2A%2A%2A%20; \
             title*2=\"isn't it!\"; name*=UTF-8''%C3%A4.txt",
        )
        .unwrap();
        assert_eq!(
            read.param("title"),
            Some("This is even more ***fun*** isn't it!")
        );
        assert_eq!(read.param("name"), Some("ä.txt"));
    }

    #[test]
    fn values_with_two_readings_are_refused() {
        assert_eq!(problem("a/b; x=1; X=2"), ParameterProblem::Duplicate);
        assert_eq!(problem("a/b; x=1; x*=''2"), ParameterProblem::Duplicate);
        assert_eq!(problem("a/b; x*0=1; x*2=2"), ParameterProblem::Extended);
        assert_eq!(problem("a/b; x*=koi8-r''a"), ParameterProblem::Extended);
        assert_eq!(problem("a/b; x*=''%f"), ParameterProblem::Extended);
        for bad in [
            "",
            "text",
            "text/",
            "a/b; x",
            "a/b; x=",
            "a/b x=1",
            "a/b; x=\"1",
            "a/b (",
            "a/b; x=\"\u{0}\"",
        ] {
            assert_eq!(problem(bad), ParameterProblem::Syntax, "{bad}");
        }
    }

    #[test]
    fn a_file_name_has_no_path() {
        let read = Disposition::parse("attachment; filename=\"../../etc/smime.p7m\"").unwrap();
        assert_eq!(read.kind, "attachment");
        assert_eq!(read.file_name(), Some("smime.p7m"));
    }
}
