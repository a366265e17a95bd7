//! Duty: whether a text is the policy's marking of another classification than a label's.
//! Promises: only a whole text counts; what merely has a marking in it is a text. The bare markings are
//! made once, so that an ordinary line costs a comparison and no marking is written for it.
//! Refuses: nothing; a marking that is not recognised contradicts nothing.
//! Standards: standards/labels.md section 8.

use super::marking::{Location, marking};
use super::policy::Policy;
use super::value::Label;

/// Longer texts are no markings.
const LENGTH_LIMIT: usize = 256;

/// Where people mark their messages.
const LOCATIONS: [Location; 3] = [
    Location::FirstLineOfText,
    Location::PageTop,
    Location::Subject,
];

/// The markings of a policy's classifications alone, without categories.
#[derive(Clone, Debug)]
pub struct Markings(Vec<(u64, String)>);

impl Markings {
    /// Those of this policy.
    pub fn of(policy: &Policy) -> Self {
        let bare = policy.classifications().flat_map(|(_, value)| {
            let label = Label::new(policy.oid, value);
            written(policy, &label).map(move |text| (value, text))
        });
        Self(bare.filter(|(_, text)| !text.is_empty()).collect())
    }

    /// The classification that `text` marks, when it is not the one of `label`. `policy` is the one that
    /// the markings were made of.
    pub fn contradicts<'p>(
        &self,
        policy: &'p Policy,
        label: &Label,
        text: &str,
    ) -> Option<&'p str> {
        let text = collapsed(text);
        if text.len() > LENGTH_LIMIT {
            return None;
        }
        let mut meant = Vec::new();
        for (value, bare) in self.0.iter().filter(|(_, bare)| text.contains(bare)) {
            let is_whole = *bare == text || {
                let mut same = label.clone();
                same.classification = Some(*value);
                written(policy, &same).any(|marking| marking == text)
            };
            if is_whole {
                meant.push(*value);
            }
        }
        let first = *meant.first()?;
        let own = label.classification;
        let agrees = meant.iter().any(|value| Some(*value) == own);
        (!agrees)
            .then(|| policy.classification_name(first))
            .flatten()
    }
}

/// Whether the policy writes `text` for a label, at one of the places where people mark their messages.
pub fn is_marking_of(policy: &Policy, label: &Label, text: &str) -> bool {
    let text = collapsed(text);
    written(policy, label).any(|marking| marking == text)
}

fn written(policy: &Policy, label: &Label) -> std::array::IntoIter<String, 3> {
    LOCATIONS
        .map(|at| collapsed(&marking(policy, label, at, None)))
        .into_iter()
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::super::naming;
    use super::*;

    #[test]
    fn a_marking_contradicts_only_when_it_is_the_whole_text() {
        let xml = include_bytes!("../../labels/alder.xml");
        let policy = Policy::from_spif(xml, "alder.xml").unwrap();
        let markings = Markings::of(&policy);
        let read = |text| naming::parse_label(&policy, text).unwrap();
        let label = read("RESTRICTED; Releasable To: ALDER, BIRCH");
        let secret = read("SECRET; Releasable To: ALDER, BIRCH");
        let whole = marking(&policy, &secret, Location::FirstLineOfText, None);
        assert_ne!(whole, "ALDER SECRET");
        for text in [whole.as_str(), "ALDER SECRET", "  ALDER  SECRET\r\n"] {
            let found = markings.contradicts(&policy, &label, text);
            assert_eq!(found, Some("SECRET"), "{text}");
            assert_eq!(markings.contradicts(&policy, &secret, text), None, "{text}");
        }
        let own = marking(&policy, &label, Location::FirstLineOfText, None);
        let long = "ALDER SECRET ".repeat(100);
        for text in [
            "",
            "Secret of the forest",
            "ALDER SECRET garden",
            "alder secret",
            &own,
            &long,
        ] {
            assert_eq!(markings.contradicts(&policy, &label, text), None, "{text}");
        }
        assert!(is_marking_of(&policy, &label, &own));
        assert!(!is_marking_of(&policy, &label, &whole));
    }
}
