//! One label through every syntax is the same label; whatever is odd in a syntax is refused or named.

use proptest::prelude::*;
use ravelin::label::{
    Label, Location, Policies, Policy, PrivacyMark, clearance, detect, ess, marking, naming,
    nato::{self, Role, Tolerance},
    sio::{Inside, SioLabel},
    text::Table,
    xmpp::SecurityLabel,
};

use super::{at, own, own_policies};

fn labels(policies: &Policies) -> Vec<Label> {
    let alder = policies.by_name("ALDER").unwrap();
    [
        "UNCLASSIFIED",
        "SECRET; Releasable To: BIRCH, CEDAR",
        "SECRET; Codeword: ANCHOR, BEACON; Handling: STAFF",
        "TOP SECRET; Releasable To: ALDER; Codeword: BEACON; Handling: STAFF, DESK COPY",
    ]
    .map(|text| naming::parse_label(alder, text).unwrap())
    .into()
}

#[test]
fn every_syntax_carries_the_same_label() {
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    let mut all = labels(&policies);
    let mut marked = all[1].clone();
    marked.privacy_mark = Some(PrivacyMark::Utf8("FOR \u{c9}TAT-MAJOR <ONLY>".into()));
    all.push(marked);
    for label in &all {
        let octets = ess::encode(label).unwrap();
        assert_eq!(ess::decode_der(&octets).unwrap(), *label);
        let any = [Tolerance::CategorySyntax];
        for octets in [
            ess::encode_missi(alder, label).unwrap(),
            ess::encode_names(alder, label).unwrap(),
        ] {
            let read = ess::decode_tolerantly(&octets, &policies, &any).unwrap();
            assert_eq!(read, *label);
        }
        for role in [Role::Alternative, Role::Metadata, Role::Originator] {
            let xml = nato::encode(alder, label, role, at()).unwrap();
            let document = nato::decode(xml.as_bytes(), &policies, &[]).unwrap();
            assert_eq!((document.role, &document.label), (role, label));
            assert_eq!(document.created, Some(at()));
        }
        for inside in [Inside::Ess, Inside::X411, Inside::Xml] {
            let body = SioLabel::write_for(alder, label, inside, at())
                .unwrap()
                .write();
            let folded = body.replace("; ", ";\r\n ");
            let field = SioLabel::parse(&folded).unwrap();
            assert_eq!(field.label(&policies, &[]).unwrap().as_ref(), Some(label));
        }
        let xml = SecurityLabel::of(alder, label, Vec::new())
            .encode()
            .unwrap();
        let read = SecurityLabel::decode(xml.as_bytes(), &policies, &[]).unwrap();
        assert_eq!(read.effective(&policies), Some(label));
        if label.privacy_mark.is_none() {
            let text = naming::write_label(alder, label);
            let (read, _) = detect::label(text.as_bytes(), &policies, &[]).unwrap();
            assert_eq!(read, *label);
        }
    }
}

#[test]
fn clearances_in_every_syntax() {
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    for text in [
        "SECRET",
        "RESTRICTED..TOP SECRET; Releasable To: BIRCH; Codeword: ANCHOR",
    ] {
        let holder = naming::parse_clearance(alder, text).unwrap();
        let octets = clearance::encode(&holder).unwrap();
        assert_eq!(clearance::decode(&octets).unwrap(), holder);
        let octets = clearance::encode_missi(alder, &holder).unwrap();
        assert_eq!(
            clearance::decode_tolerantly(&octets, &policies, &[Tolerance::CategorySyntax])
                .unwrap()
                .clearance,
            holder
        );
        let xml = nato::encode_clearance(alder, &holder).unwrap();
        assert_eq!(
            nato::decode_clearance(xml.as_bytes(), &policies, &[]).unwrap(),
            holder
        );
        let (read, _) = detect::clearance(xml.as_bytes(), &policies, &[]).unwrap();
        assert_eq!(read, holder);
    }
}

#[test]
fn each_deviation_of_xml_needs_its_tolerance() {
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    let label = &labels(&policies)[1];
    let good = nato::encode(alder, label, Role::Originator, at()).unwrap();
    let creation = "<CreationDateTime>2026-06-01T00:00:00Z</CreationDateTime>";
    for (from, to, tolerance) in [
        (creation, "", Tolerance::MissingDates),
        (
            "CreationDateTime",
            "CreationDataTime",
            Tolerance::MisspeltCreation,
        ),
        ("URI=", "URL=", Tolerance::UrlForUri),
        ("TagName=", "tagName=", Tolerance::AttributeCase),
        (
            "originatorConfidentialityLabel",
            "ConfidentialityLabel",
            Tolerance::LegacyRoot,
        ),
        (
            " xmlns=\"urn:nato:stanag:4774:confidentialitymetadatalabel:1:0\"",
            "",
            Tolerance::NoNamespace,
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let odd = good.replace(from, to);
        assert!(
            nato::decode(odd.as_bytes(), &policies, &[]).is_err(),
            "{to}"
        );
        let read = nato::decode(odd.as_bytes(), &policies, &[tolerance]).unwrap();
        assert_eq!(read.label, *label);
        let tolerated = detect::label_tolerantly(odd.as_bytes(), &policies).unwrap();
        assert_eq!(tolerated.deviations, [tolerance]);
    }
    for (from, to) in [
        ("1.3.6.1.4.1.32473.1.1\"", "1.3.6.1.4.1.32473.1.2\""),
        (">ALDER<", ">ALDEN<"),
        (">SECRET<", ">SECRETS<"),
        ("PERMISSIVE", "RESTRICTIVE"),
        ("PERMISSIVE", "PERMISIVE"),
        (">BIRCH<", ">BRICH<"),
        (
            "<GenericValue>BIRCH</GenericValue>",
            "<IntegerValue>2</IntegerValue>",
        ),
        (
            "<Classification>",
            "<Classification>SECRET</Classification><Classification>",
        ),
        ("2026-06-01T", "2026-06-41T"),
        ("TagName=", "x=\"1\" TagName="),
    ] {
        assert!(good.contains(from), "{from}");
        let bad = good.replace(from, to);
        assert!(
            nato::decode(bad.as_bytes(), &policies, &[]).is_err(),
            "{from} -> {to}"
        );
    }
}

#[test]
fn a_table_of_markings_is_read_and_never_guessed() {
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    let all = labels(&policies);
    let mut table = Table::of(alder, &all, Location::FirstLineOfText, None).unwrap();
    for label in &all {
        let text = marking(alder, label, Location::FirstLineOfText, None);
        assert_eq!(table.find(&text.to_lowercase()), Some(label));
        let body = format!("\r\n  {}\r\n\r\nText", text.replace(' ', "   "));
        assert_eq!(table.first_line(&body), Some(label));
        assert_eq!(table.subject(&format!("{text}: the plan")), Some(label));
        assert_eq!(table.subject(&format!("The plan ({text})")), Some(label));
    }
    for text in [
        "",
        "ALDER",
        "ALDER UNCLASSIFIEDS",
        "SECRET",
        "x ALDER UNCLASSIFIED",
    ] {
        assert_eq!(table.find(text), None, "{text}");
        assert_eq!(table.first_line(text), None, "{text}");
        assert_eq!(table.subject(text), None, "{text}");
    }
    assert!(table.add(alder, "alder  unclassified", &all[1]).is_err());
    assert!(table.add(alder, "OPEN", &all[0]).is_ok());
    assert_eq!(table.find("open"), Some(&all[0]));
}

#[test]
fn a_private_header_field_needs_marking_data() {
    use ravelin::label::text::header_field;
    let policies = own_policies();
    let alder = policies.by_name("ALDER").unwrap();
    let label = naming::parse_label(alder, "SECRET").unwrap();
    assert_eq!(header_field(alder, &label), None);
    let with = own("alder.xml").replace(
        "<equivalentPolicies>",
        "<markingData><code>xHeader</code></markingData><markingQualifier markingCode='xHeader'>\
         <qualifier markingQualifier='X-Classification: ' qualifierCode='prefix'/></markingQualifier>\
         <equivalentPolicies>",
    );
    let policy = Policy::from_spif(with.as_bytes(), "x").unwrap();
    let field = header_field(&policy, &label).unwrap();
    assert_eq!(
        field,
        ("X-Classification".to_owned(), "ALDER SECRET".to_owned())
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn any_label_is_the_same_in_every_syntax(
        class in 1u64..=5,
        rel in prop::collection::btree_set(1u128..=3, 0..4),
        code in prop::collection::btree_set(0u128..=1, 0..3),
        hand in prop::collection::btree_set(0u128..=1, 0..3),
        held in prop::collection::btree_set(1u128..=3, 0..4),
        // Each string type, so that the type comes back too: UTF-8 only where PrintableString cannot do.
        mark in prop_oneof![
            Just(None),
            "[A-Za-z0-9]([A-Za-z0-9 ()+,./:=?'-]{0,120}[A-Za-z0-9])?".prop_map(|text| Some(PrivacyMark::Printable(text))),
            "[À-ſ<&\">]([ -~À-ſ]{0,140}[À-ſ])?".prop_map(|text| Some(PrivacyMark::Utf8(text))),
        ],
    ) {
        use ravelin::label::{Category, Kind, authorize};
        let policies = own_policies();
        let alder = policies.by_name("ALDER").unwrap();
        let mut label = Label::new(alder.oid(), class);
        for (set, kind, values) in [(1, Kind::EnumeratedPermissive, rel), (2, Kind::Restrictive, code), (3, Kind::Informative, hand)] {
            let tag_set = super::oid(&format!("1.3.6.1.4.1.32473.1.1.{set}"));
            label.categories.add(Category::new(tag_set, kind, values)).unwrap();
        }
        label.privacy_mark = mark;
        let mut holder = naming::parse_clearance(alder, "UNCLASSIFIED..TOP SECRET; Codeword: ANCHOR").unwrap();
        holder.categories.add(Category::new(super::oid("1.3.6.1.4.1.32473.1.1.1"), Kind::EnumeratedPermissive, held)).unwrap();
        let wanted = authorize(alder, &label, &holder, at());
        let text = marking(alder, &label, Location::PageTop, None);
        let field = |inside| SioLabel::write_for(alder, &label, inside, at()).unwrap().write();
        for form in [
            ess::encode(&label).unwrap(),
            ess::encode_missi(alder, &label).unwrap(),
            ess::encode_names(alder, &label).unwrap(),
            nato::encode(alder, &label, Role::Originator, at()).unwrap().into_bytes(),
            field(Inside::Ess).into_bytes(),
            field(Inside::Xml).into_bytes(),
            SecurityLabel::of(alder, &label, Vec::new()).encode().unwrap().into_bytes(),
            naming::write_label(alder, &label).into_bytes(),
        ] {
            let (read, _) = detect::label(&form, &policies, &[Tolerance::CategorySyntax]).unwrap();
            prop_assert_eq!(&authorize(alder, &read, &holder, at()), &wanted);
            prop_assert_eq!(marking(alder, &read, Location::PageTop, None), text.clone());
            // The text form has no place for a privacy mark; every other syntax keeps it.
            let mut wanted = label.clone();
            if form == naming::write_label(alder, &label).into_bytes() {
                wanted.privacy_mark = None;
            }
            prop_assert_eq!(read, wanted);
        }
    }

    #[test]
    fn no_text_makes_a_reader_fall(octets in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,200}", at_place in any::<prop::sample::Index>()) {
        let policies = own_policies();
        for input in [octets.as_slice(), text.as_bytes()] {
            let _ = detect::label_tolerantly(input, &policies);
            let _ = detect::clearance_tolerantly(input, &policies);
        }
        let _ = SioLabel::parse(&text);
        let alder = policies.by_name("ALDER").unwrap();
        let label = &labels(&policies)[3];
        let good = nato::encode(alder, label, Role::Originator, at()).unwrap();
        // Without one character it is another text: it is refused or means the same.
        let cut = at_place.index(good.len());
        let mut near = good.clone();
        near.remove(cut);
        if let Ok(document) = nato::decode(near.as_bytes(), &policies, &Tolerance::ALL) {
            prop_assert_eq!(document.label.classification, label.classification);
            prop_assert_eq!(&document.label.categories, &label.categories);
        }
    }
}
