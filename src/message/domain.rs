//! Internationalized domain names: when two spellings are one name.
//!
//! Promises: an A-label (`xn--...`) and the U-label that it stands for give the same form; nothing
//! else is changed but ASCII case. Refuses: an A-label that stands for nothing a U-label can be (ASCII
//! alone, upper case, other than letters and digits, another spelling of the same): it stays as it is
//! and equals only itself.
//! Standards: RFC 3492 §5, §6; RFC 5890 §2.3.2.1; RFC 9598 §5.

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;

/// A label is at most 63 octets, so no more characters come out of one.
const MOST_CHARACTERS: usize = 63;

/// The form of a domain that equality looks at: ASCII in lower case, A-labels as their U-labels.
pub(super) fn comparable(domain: &str) -> String {
    if !is_international(domain) {
        return domain.to_ascii_lowercase();
    }
    let labels = domain.split('.').map(|label| {
        let label = label.to_ascii_lowercase();
        unicode(&label).unwrap_or(label)
    });
    labels.collect::<Vec<_>>().join(".")
}

/// Whether two domains are one: ASCII case and the spelling of internationalized labels do not count.
// RFC 8550 §3, RFC 9598 §5
pub fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (is_international(left) || is_international(right))
            && comparable(left) == comparable(right)
}

/// Whether a domain may have another spelling.
fn is_international(domain: &str) -> bool {
    let is_encoded = |label: &str| {
        label
            .get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"))
    };
    !domain.is_ascii() || domain.split('.').any(is_encoded)
}

/// Whether `domain` is `ancestor` or below it, label by label.
pub fn is_within(domain: &str, ancestor: &str) -> bool {
    let (domain, ancestor) = (comparable(domain), comparable(ancestor));
    !ancestor.is_empty()
        && domain
            .strip_suffix(&ancestor)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The U-label of an A-label in lower case.
// RFC 5890 §2.3.2.1: they stand for one another, so back again must give the same
fn unicode(label: &str) -> Option<String> {
    let encoded = label.strip_prefix("xn--")?;
    let decoded = decode(encoded)?;
    let is_letter = |c: &char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || *c == '-'
            || (!c.is_ascii() && (c.is_alphanumeric() || is_mark(*c)) && is_small(*c))
    };
    let is_label = !decoded.iter().all(char::is_ascii) && decoded.iter().all(is_letter);
    (is_label && encode(&decoded)? == encoded).then(|| decoded.into_iter().collect())
}

/// Combining marks that letters of some scripts need (RFC 5892 §2.8 lists their classes).
fn is_mark(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0900}'..='\u{0dff}' | '\u{0e31}'..='\u{0e4e}' | '\u{3099}'..='\u{309a}')
}

/// A U-label has no upper case (RFC 5892 §2.2).
fn is_small(c: char) -> bool {
    c.to_lowercase().eq(std::iter::once(c))
}

// RFC 3492 §6.1
fn adapt(delta: u32, points: u32, first: bool) -> Option<u32> {
    let mut delta = delta.checked_div(if first { DAMP } else { 2 })?;
    delta = delta.checked_add(delta.checked_div(points)?)?;
    let mut k = 0u32;
    while delta > 455 {
        delta = delta.checked_div(BASE.checked_sub(T_MIN)?)?;
        k = k.checked_add(BASE)?;
    }
    let above = BASE
        .checked_sub(T_MIN)?
        .checked_add(1)?
        .checked_mul(delta)?;
    k.checked_add(above.checked_div(delta.checked_add(SKEW)?)?)
}

/// The threshold of a digit (RFC 3492 §6.2).
fn threshold(k: u32, bias: u32) -> u32 {
    k.saturating_sub(bias).clamp(T_MIN, T_MAX)
}

// RFC 3492 §6.2
fn decode(encoded: &str) -> Option<Vec<char>> {
    let (basic, extended) = encoded.rsplit_once('-').unwrap_or(("", encoded));
    let mut out: Vec<char> = basic.chars().collect();
    let (mut n, mut i, mut bias) = (INITIAL_N, 0u32, INITIAL_BIAS);
    let mut digits = extended.bytes().peekable();
    while digits.peek().is_some() {
        let (before, mut weight, mut k) = (i, 1u32, BASE);
        loop {
            let digit = match digits.next()? {
                letter @ b'a'..=b'z' => u32::from(letter).checked_sub(u32::from(b'a'))?,
                number @ b'0'..=b'9' => u32::from(number)
                    .checked_sub(u32::from(b'0'))?
                    .checked_add(26)?,
                _ => return None,
            };
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let threshold = threshold(k, bias);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(BASE.checked_sub(threshold)?)?;
            k = k.checked_add(BASE)?;
        }
        let points = u32::try_from(out.len()).ok()?.checked_add(1)?;
        bias = adapt(i.checked_sub(before)?, points, before == 0)?;
        n = n.checked_add(i.checked_div(points)?)?;
        i = i.checked_rem(points)?;
        let place = usize::try_from(i).ok()?;
        if out.len() >= MOST_CHARACTERS || place > out.len() {
            return None;
        }
        out.insert(place, char::from_u32(n)?);
        i = i.checked_add(1)?;
    }
    Some(out)
}

// RFC 3492 §6.3
fn encode(label: &[char]) -> Option<String> {
    let mut out: String = label.iter().filter(|c| c.is_ascii()).collect();
    let basic = u32::try_from(out.len()).ok()?;
    if basic > 0 {
        out.push('-');
    }
    let length = u32::try_from(label.len()).ok()?;
    let (mut n, mut delta, mut bias, mut handled) = (INITIAL_N, 0u32, INITIAL_BIAS, basic);
    while handled < length {
        let next = label
            .iter()
            .map(|c| u32::from(*c))
            .filter(|c| *c >= n)
            .min()?;
        let step = next.checked_sub(n)?.checked_mul(handled.checked_add(1)?)?;
        delta = delta.checked_add(step)?;
        n = next;
        for c in label.iter().map(|c| u32::from(*c)) {
            if c < n {
                delta = delta.checked_add(1)?;
            }
            if c == n {
                let (mut left, mut k) = (delta, BASE);
                loop {
                    let threshold = threshold(k, bias);
                    if left < threshold {
                        break;
                    }
                    let span = BASE.checked_sub(threshold)?;
                    let over = left.checked_sub(threshold)?;
                    out.push(digit(threshold.checked_add(over.checked_rem(span)?)?)?);
                    left = over.checked_div(span)?;
                    k = k.checked_add(BASE)?;
                }
                out.push(digit(left)?);
                bias = adapt(delta, handled.checked_add(1)?, handled == basic)?;
                delta = 0;
                handled = handled.checked_add(1)?;
            }
        }
        delta = delta.checked_add(1)?;
        n = n.checked_add(1)?;
    }
    Some(out)
}

fn digit(value: u32) -> Option<char> {
    char::from_digit(value, BASE)?;
    let base = if value < 26 {
        u32::from(b'a')
    } else {
        u32::from(b'0').checked_sub(26)?
    };
    char::from_u32(base.checked_add(value)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_a_label_is_the_u_label_that_it_stands_for() {
        for (one, other) in [
            ("xn--bcher-kva.example", "bücher.example"),
            ("XN--Bcher-KVA.Example", "bücher.example"),
            ("mail.xn--mnchen-3ya.example", "mail.münchen.example"),
            // RFC 3492 §7.1 (B) and (L)
            ("xn--ihqwcrb4cv8a8dqg056pqjye", "他们为什么不说中文"),
            ("xn--3b-ww4c5e180e575a65lsy2b", "3年b組金八先生"),
        ] {
            assert!(same(one, other), "{one}: {}", comparable(one));
        }
    }

    #[test]
    fn other_spellings_are_other_domains() {
        for (one, other) in [
            ("bücher.example", "bucher.example"),
            ("xn--bcher-kva.example", "xn--bcher-kvb.example"),
            // Cyrillic a.
            ("al\u{0430}der.example", "alader.example"),
            // An A-label of nothing but ASCII is no A-label.
            ("xn--abc-.example", "abc.example"),
            // One of an upper-case letter: U-labels have none.
            ("xn--bcher-jva.example", "BÜCHER.example"),
            ("xn--.example", ".example"),
            ("xn--99999999999.example", "example"),
        ] {
            assert!(!same(one, other), "{one}: {}", comparable(one));
            assert!(same(one, &one.to_ascii_uppercase()), "{one}");
        }
    }

    #[test]
    fn ancestors_are_compared_by_label_not_by_suffix() {
        assert!(is_within("acme.example", "ACME.example"));
        assert!(is_within("Marketing.acme.example", "acme.example"));
        assert!(is_within("mail.xn--bcher-kva.example", "bücher.example"));
        assert!(!is_within("evilacme.example", "acme.example"));
        assert!(!is_within("example", "acme.example"));
        assert!(!is_within("acme.example", ""));
    }

    proptest! {
        #[test]
        fn back_and_forth_is_the_same(label in "[a-z0-9äöüßçéñ中文年金бгд-]{1,20}") {
            let characters: Vec<char> = label.chars().collect();
            prop_assume!(!label.is_ascii());
            let encoded = encode(&characters).unwrap();
            prop_assert_eq!(decode(&encoded).unwrap(), characters);
        }

        #[test]
        fn whatever_comes_there_is_an_answer(label in "\\PC{0,70}", encoded in "[a-z0-9-]{0,63}") {
            let _ = comparable(&label);
            let spelled = format!("xn--{encoded}");
            let shown = comparable(&spelled);
            prop_assert_eq!(comparable(&shown), shown);
        }
    }
}
