//! Bytes of any kind: the readers of `message` give an answer, and what they index is really there.

use proptest::prelude::*;
use ravelin::message::address::Address;
use ravelin::message::content_type::{ContentType, Disposition};
use ravelin::message::encoded_word;
use ravelin::message::header::{Edit, Headers, Limits, Line, edited};
use ravelin::message::military::Military;
use ravelin::message::mime::{Entity, multipart_signed, pkcs7_mime};
use ravelin::message::text;

/// Messages that are rich in structure, most of it broken.
fn wild() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => Just("\r\n".to_owned()),
        2 => Just("--b".to_owned()),
        1 => Just("--b--".to_owned()),
        1 => Just("Content-Type: multipart/mixed; boundary=b\r\n".to_owned()),
        1 => Just("Content-Type: multipart/signed; boundary=\"b-\"\r\n".to_owned()),
        1 => Just("Content-Type: message/rfc822\r\n".to_owned()),
        1 => Just("Content-Transfer-Encoding: base64\r\n".to_owned()),
        1 => Just("Content-Transfer-Encoding: quoted-printable\r\n".to_owned()),
        1 => Just("MMHS-Primary-Precedence: 4 (flash)\r\n".to_owned()),
        1 => Just("MMHS-Authorizing-Users: A <a@x>\r\n".to_owned()),
        1 => Just("SGVsbG8=\r\n".to_owned()),
        1 => Just("=C3=A4=\r\n".to_owned()),
        1 => Just(" folded\r\n".to_owned()),
        2 => "[ -~\u{e4}\r\n\u{0}]{0,10}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

fn check(entity: &Entity, bytes: &[u8]) {
    assert!(entity.range.start <= entity.body.start && entity.body.end <= entity.range.end);
    assert!(bytes.get(entity.range.clone()).is_some());
    for field in entity.headers.fields() {
        let raw = String::from_utf8_lossy(field.raw(bytes)).into_owned();
        assert!(raw.starts_with(&format!("{}:", field.name())), "{raw:?}");
        assert!(!field.value().contains(['\r', '\n', '\0']));
    }
    let _ = entity.decoded(bytes);
    let mut at = entity.body.start;
    for child in &entity.children {
        assert!(child.range.start >= at && child.range.end <= entity.body.end);
        at = child.range.end;
        check(child, bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn whatever_is_indexed_is_there(bytes in wild()) {
        if let Ok(entity) = Entity::parse_all(&bytes, Limits::default()) {
            check(&entity, &bytes);
            let _ = Military::read(&entity.headers);
        }
        let _ = text::of(&bytes);
    }

    #[test]
    fn no_edit_changes_nothing_and_an_added_field_is_found(bytes in wild(), value in "[ -~\u{e4}\t]{0,120}") {
        if Headers::parse(&bytes, Limits::default()).is_ok() {
            let same = edited(&bytes, &[], Limits::default()).unwrap();
            // A message that is a header only, without its last CRLF, gets that.
            prop_assert!(same == bytes || same == [&bytes[..], b"\r\n"].concat());
            let line = Line::text("X-Added", &value).unwrap();
            let more = edited(&bytes, &[Edit::Prepend(line)], Limits::default()).unwrap();
            prop_assert!(more.ends_with(&same));
            let (headers, _) = Headers::parse(&more, Limits::default()).unwrap();
            let read = encoded_word::decode(headers.first("X-Added").unwrap().value());
            let trimmed = value.trim_matches([' ', '\t']);
            prop_assert!(
                read.trim_matches([' ', '\t']) == trimmed || value.contains('\t'),
                "{:?} came back as {:?}", value, read
            );
        }
    }

    #[test]
    fn what_is_written_reads_back(part in "(A: b\r\n)?\r\n([ -~]{0,20}\r\n){0,5}", der in prop::collection::vec(any::<u8>(), 0..300)) {
        let signed = multipart_signed(part.as_bytes(), "sha-384", &der).unwrap();
        let entity = Entity::parse_all(&signed, Limits::default()).unwrap();
        prop_assert_eq!(entity.children[0].bytes(&signed), part.as_bytes());
        let signature = entity.children[1].decoded(&signed).unwrap();
        prop_assert_eq!(&*signature, &der[..]);
        let opaque = pkcs7_mime("signed-data", &der).unwrap();
        let entity = Entity::parse_all(&opaque, Limits::default()).unwrap();
        let content = entity.decoded(&opaque).unwrap();
        prop_assert_eq!(&*content, &der[..]);
    }

    #[test]
    fn values_are_read_or_refused(value in "[ -~\u{e4}\r\n\u{0}]{0,40}", odd in "([a-z]{1,3}|[<>@,:;.()\"=*%'? \\\\]){0,16}") {
        for text in [&value, &odd] {
            if let Ok(address) = Address::parse(text) {
                prop_assert_eq!(address.to_string(), text.clone());
            }
            for mailbox in Address::parse_list_with_groups(text).unwrap_or_default() {
                prop_assert_eq!(Address::parse(&mailbox.address.to_string()), Ok(mailbox.address));
            }
            let _ = ContentType::parse(&format!("a/b; {text}"));
            let _ = Disposition::parse(text);
            prop_assert!(!encoded_word::decode(text).chars().any(|c| c.is_control() && !text.contains(c)));
        }
    }
}
