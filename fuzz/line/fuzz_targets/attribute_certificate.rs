//! What is read as an attribute certificate keeps its octets, and judging it ends: as it came, and signed
//! anew by the authority that is named, so that its extensions, status and clearance are looked at too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ravelin::crypto::attribute_certificate::AttributeCertificate;
use ravelin::crypto::trust::AttributeRules;
use ravelin::label::clearance;
use ravelin_fuzz_line::{POLICIES, SCENE, element};

fuzz_target!(|octets: &[u8]| {
    let _ = AttributeCertificate::from_file(octets);
    let Ok(read) = AttributeCertificate::from_der(octets) else {
        return;
    };
    assert_eq!(read.der(), octets);
    let text = read.to_pem();
    let again = AttributeCertificate::from_file(text.as_bytes()).expect("what was written is read");
    assert_eq!(again, [read.clone()]);
    judge(&read);
    let signed = element(
        0x30,
        &[
            read.tbs_der(),
            &SCENE.signer.default_scheme().algorithm_der(),
            &element(
                0x03,
                &[
                    &[0],
                    &SCENE.signer.sign(read.tbs_der()).expect("a signature"),
                ],
            ),
        ],
    );
    // Nothing when it names another algorithm inside.
    if let Ok(signed) = AttributeCertificate::from_der(&signed) {
        assert_eq!(signed.tbs_der(), read.tbs_der());
        judge(&signed);
    }
});

fn judge(given: &AttributeCertificate) {
    let holder = SCENE.recipient[0].certificate();
    let rules = AttributeRules {
        authorities: vec![SCENE.signer.certificate().clone()],
        name: "border.alder.example".to_owned(),
        groups: vec!["alder.example".to_owned()],
    };
    let stated = given.clearance(&POLICIES);
    if let Ok(Some(stated)) = &stated {
        let written = clearance::encode(&stated.clearance).expect("what was read can be written");
        let again = clearance::decode_under(&written, &POLICIES).expect("what was written is read");
        assert_eq!(again.clearance, stated.clearance);
    }
    let judged = SCENE
        .trust
        .validate_attributes(given, holder, &rules, SCENE.at);
    let Ok(judged) = judged else {
        return;
    };
    assert!(given.is_about(holder) && judged.until <= given.not_after());
    assert!(given.not_before() <= SCENE.at && SCENE.at <= given.not_after());
    let permitted = judged.authority.permitted_in_attributes(&POLICIES);
    if let (Ok(permitted), Ok(Some(stated))) = (permitted, stated) {
        // No authority of the demo limits anything.
        let left = permitted.effective(&stated.clearance);
        assert_eq!(left.clearance, Some(stated.clearance));
    }
}
