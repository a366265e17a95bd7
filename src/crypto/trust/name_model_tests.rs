//! Name constraints against a model of their own: labels in place of strings, written from the RFC.
//!
//! The model knows nothing of `names.rs`. Letters are few, so that names meet constraints often.

use der::Decode;
use proptest::prelude::*;
use x509_cert::ext::pkix::NameConstraints;
use x509_cert::ext::pkix::name::GeneralName;

use super::name_tests::{SMTP_UTF8_MAILBOX, host, mail, named, other, resource, trees};
use super::names::Constraints;
use crate::crypto::certificate::sequence_of;
use crate::crypto::{lab, tlv};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Directory,
    Host,
    Mailbox,
    Place,
    /// SmtpUTF8Mailbox: only names are of this kind, never constraints.
    Utf8Mailbox,
}

/// A name. The labels of a directory name begin at the top, those of a domain at the bottom.
#[derive(Clone, Debug)]
struct Sample {
    kind: Kind,
    local: String,
    labels: Vec<String>,
}

/// How much a constraint speaks of.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reach {
    /// `.domain`: what is below it.
    Below,
    /// `domain`: the host itself; of DNS and directory names all that is below too.
    Here,
    /// `local@domain`.
    One,
}

#[derive(Clone, Debug)]
struct Tree {
    name: Sample,
    reach: Reach,
    /// Written in capitals, which must make no difference but to a local part.
    loud: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fit {
    Inside,
    Outside,
    OtherKind,
    Unclear,
}

// RFC 5280 §4.2.1.10, 9598 §6
fn fit(name: &Sample, tree: &Tree) -> Fit {
    let (own, base) = (&name.labels, &tree.name.labels);
    let below = own.len() > base.len() && own.ends_with(base);
    let inside = match (name.kind, tree.name.kind, tree.reach) {
        (Kind::Utf8Mailbox, Kind::Mailbox, Reach::One) => return Fit::Unclear,
        (Kind::Mailbox, Kind::Mailbox, Reach::One) => name.local == tree.name.local && own == base,
        (Kind::Mailbox | Kind::Utf8Mailbox, Kind::Mailbox, Reach::Here)
        | (Kind::Place, Kind::Place, Reach::Here) => own == base,
        (Kind::Mailbox | Kind::Utf8Mailbox, Kind::Mailbox, Reach::Below)
        | (Kind::Place, Kind::Place, Reach::Below) => below,
        (Kind::Host, Kind::Host, _) => own.ends_with(base),
        (Kind::Directory, Kind::Directory, _) => own.starts_with(base),
        _ => return Fit::OtherKind,
    };
    if inside { Fit::Inside } else { Fit::Outside }
}

/// One authority's word.
#[derive(Clone, Debug, Default)]
struct Word {
    permitted: Vec<Tree>,
    excluded: Vec<Tree>,
}

// RFC 5280 §6.1.3 (b), (c), §6.1.4 (g)
fn model(names: &[Sample], words: &[Word]) -> bool {
    names.iter().all(|name| {
        let excluded = words.iter().flat_map(|word| &word.excluded);
        let clear = |tree| matches!(fit(name, tree), Fit::Outside | Fit::OtherKind);
        excluded.clone().all(clear)
            && words.iter().all(|word| {
                let fits = || word.permitted.iter().map(|tree| fit(name, tree));
                fits().all(|fit| fit == Fit::OtherKind) || fits().any(|fit| fit == Fit::Inside)
            })
    })
}

fn directory(labels: &[String]) -> GeneralName {
    let parts: Vec<Vec<u8>> = labels
        .iter()
        .map(|label| {
            let der = lab::name_der(&format!("OU={label}")).unwrap();
            sequence_of(&der).unwrap().to_vec()
        })
        .collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let name = x509_cert::name::Name::from_der(&tlv::sequence(&parts)).unwrap();
    GeneralName::DirectoryName(name)
}

fn written(sample: &Sample) -> GeneralName {
    let domain = sample.labels.join(".");
    match sample.kind {
        Kind::Directory => directory(&sample.labels),
        Kind::Host => host(&domain),
        Kind::Mailbox => mail(&format!("{}@{domain}", sample.local)),
        Kind::Place => resource(&format!("https://{domain}/x")),
        Kind::Utf8Mailbox => other(SMTP_UTF8_MAILBOX, &format!("ä{}@{domain}", sample.local)),
    }
}

fn base(tree: &Tree) -> GeneralName {
    let shout = |text: &str| match tree.loud {
        true => text.to_ascii_uppercase(),
        false => text.to_owned(),
    };
    let domain = shout(&tree.name.labels.join("."));
    let domain = match tree.reach {
        Reach::Below => format!(".{domain}"),
        Reach::Here => domain,
        Reach::One => format!("{}@{domain}", tree.name.local),
    };
    match tree.name.kind {
        Kind::Directory => {
            let labels: Vec<String> = tree.name.labels.iter().map(|one| shout(one)).collect();
            directory(&labels)
        }
        Kind::Host => host(&domain),
        Kind::Place => resource(&domain),
        Kind::Mailbox | Kind::Utf8Mailbox => mail(&domain),
    }
}

/// What the validator says. The subject of the certificate, CN=End, is a name too: the model has no
/// constraint that it could lie in, so it is outside each of its kind.
fn validator(names: &[Sample], words: &[Word]) -> bool {
    let mut constraints = Constraints::default();
    for word in words {
        constraints
            .include(NameConstraints {
                permitted_subtrees: trees(word.permitted.iter().map(base).collect()),
                excluded_subtrees: trees(word.excluded.iter().map(base).collect()),
            })
            .unwrap();
    }
    let certificate = named(names.iter().map(written).collect());
    constraints.check(&certificate).is_ok()
}

/// As [`model`], with the subject.
fn expected(names: &[Sample], words: &[Word]) -> bool {
    let mut all = names.to_vec();
    all.push(Sample {
        kind: Kind::Directory,
        local: String::new(),
        labels: vec!["(the subject)".to_owned()],
    });
    model(&all, words)
}

fn labels() -> impl Strategy<Value = Vec<String>> {
    let label = prop::sample::select(vec!["a", "b", "ab"]).prop_map(str::to_owned);
    prop::collection::vec(label, 1..4)
}

fn sample(kinds: &'static [Kind]) -> impl Strategy<Value = Sample> {
    let local = prop::sample::select(vec!["x", "X", "y"]).prop_map(str::to_owned);
    let kind = prop::sample::select(kinds);
    (kind, local, labels()).prop_map(|(kind, local, labels)| Sample {
        kind,
        local,
        labels,
    })
}

fn name() -> impl Strategy<Value = Sample> {
    sample(&[
        Kind::Directory,
        Kind::Host,
        Kind::Mailbox,
        Kind::Mailbox,
        Kind::Place,
        Kind::Utf8Mailbox,
    ])
}

fn tree() -> impl Strategy<Value = Tree> {
    let reach = prop::sample::select(vec![Reach::Below, Reach::Here, Reach::One]);
    let kinds = &[
        Kind::Directory,
        Kind::Host,
        Kind::Mailbox,
        Kind::Mailbox,
        Kind::Place,
    ];
    (sample(kinds), reach, any::<bool>()).prop_map(|(name, reach, loud)| Tree {
        reach: match (name.kind, reach) {
            (Kind::Mailbox, reach) | (Kind::Place, reach @ (Reach::Below | Reach::Here)) => reach,
            _ => Reach::Here,
        },
        name,
        loud,
    })
}

fn word() -> impl Strategy<Value = Word> {
    let trees = || prop::collection::vec(tree(), 0..4);
    (trees(), trees()).prop_map(|(permitted, excluded)| Word {
        permitted,
        excluded,
    })
}

fn names() -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::vec(name(), 1..3)
}

fn words() -> impl Strategy<Value = Vec<Word>> {
    prop::collection::vec(word(), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_validator_and_the_model_agree(names in names(), words in words()) {
        prop_assert_eq!(validator(&names, &words), expected(&names, &words));
    }

    /// One name and one constraint of its own kind: what lies inside is met often.
    #[test]
    fn they_agree_on_one_constraint(name in name(), tree in tree()) {
        for word in [
            Word { permitted: vec![tree.clone()], ..Word::default() },
            Word { excluded: vec![tree.clone()], ..Word::default() },
        ] {
            let (names, words) = (std::slice::from_ref(&name), std::slice::from_ref(&word));
            prop_assert_eq!(validator(names, words), expected(names, words));
        }
    }

    #[test]
    fn what_is_excluded_more_never_makes_good(
        names in names(), words in words(), tree in tree(), place in any::<prop::sample::Index>()
    ) {
        let mut more = words.clone();
        more.push(Word::default());
        let place = place.index(more.len());
        more[place].excluded.push(tree);
        if validator(&names, &more) {
            prop_assert!(validator(&names, &words));
        }
    }

    #[test]
    fn what_an_authority_below_permits_never_widens(
        names in names(), words in words(), deeper in word(), tree in tree()
    ) {
        // Whatever it says, and whatever it permits beside: what stood above stands.
        let mut more = words.clone();
        more.push(deeper.clone());
        let mut wider = words.clone();
        wider.push(Word {
            permitted: deeper.permitted.into_iter().chain([tree]).collect(),
            excluded: deeper.excluded,
        });
        for said in [more, wider] {
            if validator(&names, &said) {
                prop_assert!(validator(&names, &words));
            }
        }
    }
}
