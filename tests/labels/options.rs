//! What a policy or a site may choose: the syntax of categories, values that people type, strict privacy
//! marks, tags that must be used, informative values that may go, and defaults for what is missing.

use ravelin::label::access::{Defaults, judge_with};
use ravelin::label::{
    CategorySyntax, Clearance, Direction, Kind, Label, Options, Policies, Policy, PrivacyMark,
    SyntaxProblem, authorize, clearance, compiled, detect, ess, lint, naming, nato, translate,
    validity::{self, Mode},
    xmpp::SecurityLabel,
};

use super::{at, oid, own};

const ACP_145: &str = "2.16.840.1.101.2.1.8.3";
const NAMES: &str = "1.2.840.113549.1.9.16.7.4";

fn alder(rbac: &str, privilege: &str) -> Policies {
    let text = own("alder.xml")
        .replace(
            &format!("rbacId=\"{ACP_145}\""),
            &format!("rbacId=\"{rbac}\""),
        )
        .replace(
            &format!("privilegeId=\"{ACP_145}\""),
            &format!("privilegeId=\"{privilege}\""),
        );
    Policies::new(vec![
        Policy::from_spif_strictly(text.as_bytes(), "alder.xml").unwrap(),
    ])
    .unwrap()
}

#[test]
fn categories_are_in_the_syntax_that_the_policy_names() {
    let common = alder(ACP_145, ACP_145);
    let policy = common.by_name("ALDER").unwrap();
    let label = naming::parse_label(policy, "SECRET; Codeword: ANCHOR").unwrap();
    let holder = naming::parse_clearance(policy, "SECRET; Codeword: ANCHOR").unwrap();
    let labels = [
        (CategorySyntax::Acp145, ess::encode(&label).unwrap()),
        (
            CategorySyntax::Missi,
            ess::encode_missi(policy, &label).unwrap(),
        ),
        (
            CategorySyntax::Names,
            ess::encode_names(policy, &label).unwrap(),
        ),
    ];
    let clearances = [
        (CategorySyntax::Acp145, clearance::encode(&holder).unwrap()),
        (
            CategorySyntax::Missi,
            clearance::encode_missi(policy, &holder).unwrap(),
        ),
    ];
    for (identifier, wanted) in [
        (ACP_145, CategorySyntax::Acp145),
        // ADatP-4774.1: XML labels, and ACP 145 for binary ones.
        ("1.3.26.0.4774.5.24.1", CategorySyntax::Acp145),
        // An identifier that is not known stands for the common syntax, and lint says so.
        ("1.3.6.1.4.1.32473.77", CategorySyntax::Acp145),
        ("2.16.840.1.101.2.1.8.1", CategorySyntax::Missi),
        (NAMES, CategorySyntax::Names),
    ] {
        let policies = alder(identifier, identifier);
        let policy = policies.by_name("ALDER").unwrap();
        for (syntax, octets) in &labels {
            let read = ess::decode_under(octets, &policies);
            let short = compiled::read(policy, octets);
            if *syntax == wanted {
                assert_eq!(read.unwrap(), label, "{identifier} {syntax:?}");
                let short = short.unwrap();
                assert!(compiled::is_valid(policy, &short, at(), Mode::Reception));
            } else {
                let problem = read.unwrap_err().problem;
                assert_eq!(
                    problem,
                    SyntaxProblem::CategorySyntax,
                    "{identifier} {syntax:?}"
                );
                assert_eq!(short.unwrap_err().problem, SyntaxProblem::CategorySyntax);
                let seen = detect::label_tolerantly(octets, &policies).unwrap();
                assert_eq!(seen.value, label);
                assert_eq!(seen.deviations, [nato::Tolerance::CategorySyntax]);
            }
        }
        for (syntax, octets) in &clearances {
            let read = clearance::decode_under(octets, &policies);
            if *syntax == wanted {
                assert_eq!(read.unwrap().clearance, holder);
            } else {
                assert_eq!(read.unwrap_err().problem, SyntaxProblem::CategorySyntax);
            }
        }
        let any = Options {
            any_category_syntax: true,
            ..Options::default()
        };
        let lax = Policies::new(vec![policy.clone().with_options(any)]).unwrap();
        for (_, octets) in &labels {
            assert_eq!(ess::decode_under(octets, &lax).unwrap(), label);
            let short = compiled::read(lax.by_name("ALDER").unwrap(), octets).unwrap();
            assert!(compiled::is_valid(policy, &short, at(), Mode::Reception));
        }
        let unknown = lint::lint(policy)
            .iter()
            .filter(|finding| finding.id == "syntax.unknown")
            .count();
        assert_eq!(unknown, if identifier.ends_with(".77") { 2 } else { 0 });
    }
}

#[test]
fn rfc_3114_names_mean_categories_of_the_policy() {
    let policies = alder(NAMES, NAMES);
    let policy = policies.by_name("ALDER").unwrap();
    let label = naming::parse_label(policy, "SECRET; Codeword: ANCHOR; Handling: STAFF").unwrap();
    let octets = ess::encode_names(policy, &label).unwrap();
    assert!(octets.windows(6).any(|window| window == b"ANCHOR"));
    assert_eq!(ess::decode_under(&octets, &policies).unwrap(), label);
    // Without the policy a name means nothing, and the label cannot be decided.
    assert!(matches!(
        ess::decode(&octets).unwrap_err().problem,
        SyntaxProblem::UnknownCategory(_)
    ));
    let change = |from: &[u8], to: &[u8]| {
        let mut octets = octets.clone();
        let place = octets
            .windows(from.len())
            .position(|window| window == from)
            .unwrap();
        octets[place..place + from.len()].copy_from_slice(to);
        octets
    };
    for wrong in [
        change(b"ANCHOR", b"ANCHOS"),
        change(b"ANCHOR", b"anchor"),
        change(b"\x0c\x06ANCHOR", b"\x13\x06ANCHOR"),
    ] {
        assert!(ess::decode_under(&wrong, &policies).is_err());
        assert!(compiled::read(policy, &wrong).is_err());
    }
    // BIRCH is the name of one category; a name that two tag sets have is none.
    let twice = own("alder.xml")
        .replace(
            &format!("rbacId=\"{ACP_145}\""),
            &format!("rbacId=\"{NAMES}\""),
        )
        .replace("name=\"STAFF\"", "name=\"ANCHOR\"");
    let twice = Policy::from_spif(twice.as_bytes(), "twice").unwrap();
    let unclear = naming::parse_label(&twice, "SECRET; Codeword: ANCHOR").unwrap();
    assert!(ess::encode_names(&twice, &unclear).is_err());
    let twice = Policies::new(vec![twice]).unwrap();
    assert!(ess::decode_under(&octets, &twice).is_err());
}

/// A tag of each kind of typed value.
fn typed() -> Policies {
    let value = |name: &str, kind: &str| {
        format!(
            "<securityCategoryTagSet name=\"{name}\" id=\"1.3.6.1.4.1.32473.1.1.{}\"><securityCategoryTag \
             tagType=\"tagType7\" tag7Encoding=\"bitSetAttributes\"><tagCategory name=\"typed\" lacv=\"\" \
             userInput=\"{kind}\"/></securityCategoryTag></securityCategoryTagSet></securityCategoryTagSets>",
            kind.len() + 10
        )
    };
    let mut text = own("alder.xml");
    for (name, kind) in [
        ("Review", "date"),
        ("Copies", "integer"),
        ("Desk", "string"),
    ] {
        text = text.replace("</securityCategoryTagSets>", &value(name, kind));
    }
    Policies::new(vec![
        Policy::from_spif_strictly(text.as_bytes(), "typed").unwrap(),
    ])
    .unwrap()
}

#[test]
fn values_that_people_type_go_out_and_come_back_in_xml() {
    let policies = typed();
    let policy = policies.by_name("ALDER").unwrap();
    let label = naming::parse_label(policy, "SECRET; Handling: STAFF").unwrap();
    let document = nato::Document {
        role: nato::Role::Originator,
        label: label.clone(),
        created: Some(at()),
        review: Some(at()),
        successor: None,
        typed: [
            ("Review", "2030-01-31"),
            ("Copies", "12"),
            ("Desk", "room <7>"),
        ]
        .map(|(set, text)| (set.to_owned(), text.to_owned()))
        .into(),
    };
    let xml = nato::encode_document(policy, &document).unwrap();
    assert_eq!(
        nato::decode(xml.as_bytes(), &policies, &[]).unwrap(),
        document
    );
    let successor = nato::Document {
        typed: Vec::new(),
        label: Label::new(policy.oid(), 1),
        ..document.clone()
    };
    let followed = nato::Document {
        successor: Some((at(), Box::new(successor))),
        ..document.clone()
    };
    let xml = nato::encode_document(policy, &followed).unwrap();
    assert_eq!(
        nato::decode(xml.as_bytes(), &policies, &[]).unwrap(),
        followed
    );
    // They have no number: octets carry the rest, and nothing in them bears on access.
    assert_eq!(
        ess::decode_der(&ess::encode(&label).unwrap()).unwrap(),
        label
    );
    for (set, text) in [
        ("Review", "soon"),
        ("Review", "2030-02-30"),
        ("Copies", "twelve"),
        ("Copies", "-"),
        ("Desk", ""),
        ("Codeword", "ANCHOR"),
        ("Nowhere", "x"),
    ] {
        let wrong = nato::Document {
            typed: vec![(set.to_owned(), text.to_owned())],
            ..document.clone()
        };
        assert!(
            nato::encode_document(policy, &wrong).is_err(),
            "{set}: {text}"
        );
    }
    let xml = nato::encode_document(policy, &document).unwrap();
    let wrong = xml.replace(">12<", ">twelve<");
    assert!(nato::decode(wrong.as_bytes(), &policies, &[]).is_err());
    // A value that people type may not bear on access.
    let bears = own("alder.xml").replace(
        "<tagCategory name=\"BEACON\" lacv=\"1\">",
        "<tagCategory name=\"BEACON\" lacv=\"1\" userInput=\"string\">",
    );
    assert!(Policy::from_spif(bears.as_bytes(), "bears").is_err());
}

#[test]
fn strict_privacy_marks_are_those_of_the_list() {
    let text = own("nato-like.xml").replace(
        "<privacyMark name=\"CLEAR\"/>",
        "<privacyMark name=\"CLEAR\"/><privacyMark name=\"OLD\" obsolete=\"true\"/>",
    );
    let free = Policy::from_spif(text.as_bytes(), "marks").unwrap();
    let strict = free.clone().with_options(Options {
        strict_privacy_marks: true,
        ..Options::default()
    });
    let holder = naming::parse_clearance(&free, "SECRET").unwrap();
    for (mark, received, new) in [
        (None, true, true),
        (Some("CLEAR"), true, true),
        (Some("OLD"), true, false),
        (Some("clear"), false, false),
        (Some("EYES ONLY"), false, false),
    ] {
        let mut label = naming::parse_label(&free, "SECRET").unwrap();
        label.privacy_mark = mark.map(|mark| PrivacyMark::Printable(mark.to_owned()));
        for (policy, mode, wanted) in [
            (&free, Mode::Origination, true),
            (&free, Mode::Reception, true),
            (&strict, Mode::Origination, new),
            (&strict, Mode::Reception, received),
        ] {
            let problems = validity::check(policy, &label, at(), mode);
            assert_eq!(problems.is_empty(), wanted, "{mark:?} {mode:?}");
            assert!(
                problems
                    .iter()
                    .all(|problem| problem.id == "label.privacy-mark")
            );
            let short = compiled::label(policy, &label);
            assert_eq!(compiled::is_valid(policy, &short, at(), mode), wanted);
            let short = compiled::read(policy, &ess::encode(&label).unwrap()).unwrap();
            assert_eq!(compiled::is_valid(policy, &short, at(), mode), wanted);
        }
        assert_eq!(authorize(&strict, &label, &holder, at()).permit, received);
        assert!(authorize(&free, &label, &holder, at()).permit);
    }
}

#[test]
fn a_tag_that_must_be_used_and_informative_values_that_may_go() {
    let text = own("alder.xml").replace(
        "<securityCategoryTag name=\"Codeword\"",
        "<securityCategoryTag minSelection=\"1\" name=\"Codeword\"",
    );
    let free = Policy::from_spif_strictly(text.as_bytes(), "minimum").unwrap();
    let always = free.clone().with_options(Options {
        minimum_always: true,
        ..Options::default()
    });
    let bare = naming::parse_label(&free, "SECRET").unwrap();
    let used = naming::parse_label(&free, "SECRET; Codeword: ANCHOR").unwrap();
    let valid = |policy: &Policy, label: &Label| {
        let long = validity::check(policy, label, at(), Mode::Reception).is_empty();
        let short = compiled::label(policy, label);
        assert_eq!(
            long,
            compiled::is_valid(policy, &short, at(), Mode::Reception)
        );
        long
    };
    assert!(valid(&free, &bare) && valid(&free, &used) && valid(&always, &used));
    assert!(!valid(&always, &bare));
    // Lint asks the same rules: a codeword may not stand with UNCLASSIFIED, so that class is never valid.
    let never = |policy: &Policy| {
        let found = lint::lint(policy);
        found
            .iter()
            .any(|finding| finding.id == "classification.never-valid")
    };
    assert!(never(&always) && !never(&free));

    let birch = Policy::from_spif_strictly(own("birch.xml").as_bytes(), "birch.xml").unwrap();
    let text = own("alder.xml").replacen(
        "lacv=\"3\" applied=\"both\"",
        "lacv=\"3\" applied=\"decrypt\"",
        1,
    );
    let strict = Policy::from_spif_strictly(text.as_bytes(), "alder.xml").unwrap();
    let lax = strict.clone().with_options(Options {
        drop_informative: true,
        ..Options::default()
    });
    let staff = naming::parse_label(&strict, "SECRET; Handling: STAFF").unwrap();
    let out = |policy: &Policy, label: &Label| {
        translate(policy, &birch, label, Direction::Outbound, at())
    };
    let refused = out(&strict, &staff).unwrap_err();
    assert_eq!(refused.reasons[0].id, "translation.no-category");
    let made = out(&lax, &staff).unwrap();
    assert!(made.label.categories.is_empty() && made.downgrades().count() == 0);
    // Never a value that bears on access.
    let beacon = naming::parse_label(&strict, "SECRET; Codeword: BEACON").unwrap();
    assert!(out(&lax, &beacon).is_err());
}

#[test]
fn defaults_stand_in_for_what_is_missing_and_are_told() {
    let text = own("alder.xml").replace(
        "<securityPolicyId name",
        "<defaultSecurityPolicyId name=\"ALDER\" id=\"1.3.6.1.4.1.32473.1.1\"/><securityPolicyId name",
    );
    let stated = Policy::from_spif_strictly(text.as_bytes(), "alder.xml").unwrap();
    let stated = Policies::new(vec![stated]).unwrap();
    let silent = super::own_policies();
    let alder = silent.by_name("ALDER").unwrap();
    let label = naming::parse_label(alder, "RESTRICTED").unwrap();
    let holder = naming::parse_clearance(alder, "RESTRICTED").unwrap();
    let nameless = Label {
        policy: None,
        ..label.clone()
    };
    let none = Defaults::default();
    let both = Defaults {
        label: Some(label.clone()),
        clearance: Some(holder.clone()),
    };
    let held = [holder.clone()];
    for (policies, given, clearances, defaults, permit, id) in [
        (&silent, None, &held[..], &none, false, "label.missing"),
        (&silent, None, &held[..], &both, true, "label.default"),
        (
            &silent,
            Some(&label),
            &[][..],
            &none,
            false,
            "clearance.missing",
        ),
        (
            &silent,
            Some(&label),
            &[][..],
            &both,
            true,
            "clearance.default",
        ),
        (
            &silent,
            Some(&nameless),
            &held[..],
            &both,
            false,
            "label.policy-missing",
        ),
        (
            &stated,
            Some(&nameless),
            &held[..],
            &none,
            true,
            "label.policy-default",
        ),
    ] {
        let access = judge_with(policies, given, clearances, defaults, at());
        assert_eq!(access.permit, permit, "{id}: {:?}", access.reasons);
        assert!(
            access.reasons.iter().any(|reason| reason.id == id),
            "{id}: {:?}",
            access.reasons
        );
    }
    // A default never adds to what is there.
    let secret = naming::parse_label(alder, "SECRET").unwrap();
    let low = [naming::parse_clearance(alder, "UNCLASSIFIED").unwrap()];
    assert!(!judge_with(&silent, Some(&secret), &held, &both, at()).permit);
    assert!(!judge_with(&silent, Some(&label), &low, &both, at()).permit);
    let foreign = Defaults {
        clearance: Some(Clearance {
            policy: oid("1.1"),
            ..holder
        }),
        label: None,
    };
    assert!(!judge_with(&silent, Some(&label), &[], &foreign, at()).permit);

    // XEP-0258: an empty label is the policy's default, never "no restriction".
    let empty = SecurityLabel::default();
    assert_eq!(empty.effective_or(&silent, None), None);
    assert_eq!(empty.effective_or(&silent, Some(&label)), Some(&label));
    let mut unknown = Label::new(oid("1.1"), 3);
    unknown
        .categories
        .insert(oid("1.1.9"), Kind::Restrictive, 1);
    let foreign = SecurityLabel {
        label: Some(unknown),
        ..SecurityLabel::default()
    };
    assert_eq!(foreign.effective_or(&silent, Some(&label)), None);
}
