//! `ravelin seal`, `open`, `countersign` and `inspect` on files, alone and with the `openssl`
//! command in both directions; each check with its negative twin.

#[path = "sealing/bench.rs"]
mod bench;

use bench::{Bench, LETTER, WORD};

const KEYS: &str = "--signer ann.pem --recipient bob.crt";

fn contains(octets: &[u8], word: &str) -> bool {
    octets.windows(word.len()).any(|w| w == word.as_bytes())
}

/// The kinds of layers that `inspect` found.
fn kinds(view: &serde_json::Value) -> Vec<&str> {
    view["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| layer["kind"].as_str().unwrap())
        .collect()
}

#[test]
fn every_profile_is_sealed_shown_and_opened_again() {
    let bench = Bench::new();
    for (profile, options, layers) in [
        (
            "clear-signed",
            "--signer ann.pem",
            &["signed", "header-protection"][..],
        ),
        (
            "opaque-signed",
            "--signer ann.pem",
            &["signed", "header-protection"],
        ),
        (
            "enveloped",
            KEYS,
            &["enveloped", "signed", "header-protection"],
        ),
        (
            "auth-enveloped",
            KEYS,
            &["auth-enveloped", "signed", "header-protection"],
        ),
        (
            "triple-wrap",
            KEYS,
            &["signed", "auth-enveloped", "signed", "header-protection"],
        ),
    ] {
        bench.seal("sealed.eml", &format!("--profile {profile} {options}"));
        let secret = options.contains("recipient");
        assert_eq!(
            contains(&bench.read("sealed.eml"), WORD),
            profile == "clear-signed"
        );
        let (code, view) = bench.inspect("sealed.eml", "--key bob.pem");
        assert_eq!(code, 0, "{profile}: {}", view["weaknesses"]);
        assert_eq!(kinds(&view), layers, "{profile}");
        assert_eq!(view["text"]["subject"], "Convoy 17");
        let outer = view["headers"]["outer"].to_string();
        assert_eq!(outer.contains("Convoy 17"), !secret, "{profile}");
        bench.yes(&[
            "open",
            "sealed.eml",
            "--key",
            "bob.pem",
            "--out",
            "plain.eml",
        ]);
        assert!(contains(&bench.read("plain.eml"), WORD), "{profile}");
        if secret {
            // The twin: another's key opens nothing, and nothing is written.
            let err = bench.no(&["open", "sealed.eml", "--key", "eve.pem", "--out", "no.eml"]);
            assert!(err.contains("no key opens"), "{err}");
            assert!(!bench.is_there("no.eml"));
            assert_eq!(bench.inspect("sealed.eml", "--key eve.pem").0, 1);
        }
        bench.damage("sealed.eml", "damaged.eml");
        let (code, _, _) =
            bench.run(&["open", "damaged.eml", "--key", "bob.pem", "--out", "no.eml"]);
        assert_ne!(code, 0, "{profile}: damaged");
        assert!(!bench.is_there("no.eml"), "{profile}: damaged");
    }
}

#[test]
fn signers_labels_and_receipt_requests_are_in_every_signature() {
    let bench = Bench::new();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/labels/alder.xml");
    let seal = |label: &str, outer: &str| {
        bench.run(&[
            "seal",
            "letter.eml",
            "--profile",
            "triple-wrap",
            "--signer",
            "ann.p12",
            "--signer",
            "cat.pem",
            "--outer-signer",
            "switch.pem",
            "--password-file",
            "pw",
            "--recipient",
            "bob.crt",
            "--recipient",
            "eve.crt",
            "--policy",
            policy,
            "--label",
            label,
            "--outer-label",
            outer,
            "--receipt-to",
            "ann@alder.example",
            "--out",
            "sealed.eml",
        ])
    };
    let (code, _, err) = seal("SECRET; Releasable To: ALDER, BIRCH", "UNCLASSIFIED");
    assert_eq!(code, 0, "{err}");
    let options = format!("--key eve.pem --policy {policy}");
    let (code, view) = bench.inspect("sealed.eml", &options);
    assert_eq!(code, 0, "{}", view["weaknesses"]);
    let inner = view["layers"][2]["signers"].as_array().unwrap();
    assert_eq!(inner.len(), 2);
    for signer in inner {
        assert_eq!(signer["valid"], true);
        assert!(signer["label"].as_str().unwrap().starts_with("SECRET"));
        assert_eq!(signer["receipt_request"]["to"][0], "ann@alder.example");
        assert_eq!(
            signer["receipt_request"]["content_identifier"],
            "<17@alder.example>"
        );
    }
    let outer = &view["layers"][0]["signers"];
    assert_eq!(outer[0]["label"], "UNCLASSIFIED");
    assert_eq!(outer[0]["email"], "switch@alder.example");
    assert!(outer[0]["receipt_request"].is_null());
    // Both labels are reported, and each says which layer it is in.
    let labels = view["labels"].as_array().unwrap();
    assert_eq!(labels.len(), 3);
    assert_eq!(
        (&labels[0]["layer"], &labels[1]["layer"]),
        (&0.into(), &2.into())
    );
    // A label that the policy does not know is not signed.
    std::fs::remove_file(bench.path("sealed.eml")).unwrap();
    let (code, _, err) = seal("PINK", "UNCLASSIFIED");
    assert_eq!((code, bench.is_there("sealed.eml")), (1, false), "{err}");
}

#[test]
fn openssl_reads_what_is_sealed() {
    let bench = Bench::new();
    for profile in ["clear-signed", "opaque-signed"] {
        bench.seal(
            "s.eml",
            &format!("--profile {profile} --signer ann.pem --signer cat.pem"),
        );
        let Some(yes) = bench.openssl("cms -verify -in s.eml -CAfile ca.crt -out o.txt") else {
            return;
        };
        assert!(yes, "{profile}");
        assert!(contains(&bench.read("o.txt"), WORD));
        let other = bench.openssl("cms -verify -in s.eml -CAfile other.crt -out o.txt");
        assert_eq!(other, Some(false));
        if profile == "clear-signed" {
            bench.change("s.eml", "changed.eml", "dawn", "dusk");
            let changed = bench.openssl("cms -verify -in changed.eml -CAfile ca.crt -out o.txt");
            assert_eq!(changed, Some(false));
        }
    }
    for options in [
        "--profile enveloped",
        "--profile auth-enveloped",
        "--profile triple-wrap",
    ] {
        bench.seal("s.eml", &format!("{options} {KEYS} --recipient eve.crt"));
        let sealed = if options.contains("triple") {
            assert!(
                bench
                    .openssl("cms -verify -in s.eml -CAfile ca.crt -out e.eml")
                    .unwrap()
            );
            "e.eml"
        } else {
            "s.eml"
        };
        for person in ["bob", "eve"] {
            let open = format!(
                "cms -decrypt -in {sealed} -inkey {person}.pem -recip {person}.crt -out i.eml"
            );
            assert_eq!(bench.openssl(&open), Some(true), "{options}, {person}");
            let inner = "cms -verify -in i.eml -CAfile ca.crt -out o.txt";
            assert_eq!(bench.openssl(inner), Some(true), "{options}");
            assert!(contains(&bench.read("o.txt"), WORD));
        }
        let stranger =
            format!("cms -decrypt -in {sealed} -inkey ann.pem -recip ann.crt -out x.eml");
        assert_eq!(bench.openssl(&stranger), Some(false));
    }
}

#[test]
fn what_openssl_seals_is_opened_and_judged() {
    let bench = Bench::new();
    bench.put(
        "part.txt",
        "Content-Type: text/plain\r\n\r\nSails at dawn.\r\n",
    );
    for (how, make) in [
        (
            "clear",
            "cms -sign -binary -in part.txt -signer ann.crt -inkey ann.pem -md sha384 -out s.eml",
        ),
        (
            "opaque",
            "cms -sign -nodetach -binary -in part.txt -signer ann.crt -inkey ann.pem -md sha384 -signer cat.crt -inkey cat.pem -md sha384 -out s.eml",
        ),
        (
            "streamed BER",
            "cms -sign -nodetach -stream -binary -in part.txt -signer ann.crt -inkey ann.pem -md sha384 -outform DER -out s.eml",
        ),
        (
            "PEM",
            "cms -sign -nodetach -binary -in part.txt -signer ann.crt -inkey ann.pem -md sha384 -outform PEM -out s.eml",
        ),
    ] {
        let Some(made) = bench.openssl(make) else {
            return;
        };
        assert!(made, "{how}");
        bench.wire("s.eml");
        let (code, view) = bench.inspect("s.eml", "");
        assert_eq!(code, 0, "{how}: {}", view["weaknesses"]);
        assert_eq!(kinds(&view), ["signed"], "{how}");
        bench.yes(&["open", "s.eml", "--trust", "ca.crt", "--out", "o.txt"]);
        assert!(contains(&bench.read("o.txt"), WORD), "{how}");
        let err = bench.no(&["open", "s.eml", "--trust", "other.crt", "--out", "no.txt"]);
        assert!(!err.is_empty() && !bench.is_there("no.txt"), "{how}");
    }
    for (how, make) in [
        (
            "CBC",
            "cms -encrypt -binary -in part.txt -aes-256-cbc -out e.eml -recip bob.crt -keyopt ecdh_kdf_md:sha384",
        ),
        (
            "GCM",
            "cms -encrypt -binary -in part.txt -aes-256-gcm -outform DER -out e.eml -recip bob.crt -keyopt ecdh_kdf_md:sha384",
        ),
    ] {
        assert_eq!(bench.openssl(make), Some(true), "{how}");
        bench.wire("e.eml");
        bench.yes(&[
            "open",
            "e.eml",
            "--key",
            "bob.p12",
            "--password-file",
            "pw",
            "--out",
            "o.txt",
        ]);
        assert!(contains(&bench.read("o.txt"), WORD), "{how}");
        bench.no(&["open", "e.eml", "--key", "eve.pem", "--out", "no.txt"]);
        assert!(!bench.is_there("no.txt"), "{how}");
    }
    // What openssl derives keys with unless told, SHA-1, is not accepted.
    let old = "cms -encrypt -binary -in part.txt -aes-256-cbc -outform DER -out e.eml bob.crt";
    assert_eq!(bench.openssl(old), Some(true));
    bench.no(&["open", "e.eml", "--key", "bob.pem", "--out", "no.txt"]);
}

#[test]
fn a_countersignature_is_put_upon_one_signer_and_nothing_else_changes() {
    let bench = Bench::new();
    for profile in ["clear-signed", "opaque-signed"] {
        bench.seal(
            "s.eml",
            &format!("--profile {profile} --signer ann.pem --signer cat.pem"),
        );
        let by = [
            "--signer",
            "officer.p12",
            "--password-file",
            "pw",
            "--out",
            "c.eml",
        ];
        bench.yes(&[&["countersign", "s.eml", "--signer-index", "1"][..], &by].concat());
        let (code, view) = bench.inspect("c.eml", "");
        assert_eq!(code, 0, "{}", view["weaknesses"]);
        let signers = &view["layers"][0]["signers"];
        let counted: Vec<usize> = (0..2)
            .map(|index| signers[index]["countersigners"].as_array().unwrap().len())
            .collect();
        assert_eq!(counted, [0, 1]);
        let countersigner = &signers[1]["countersigners"][0];
        assert_eq!(countersigner["email"], "officer@alder.example");
        if let Some(good) = bench.openssl("cms -verify -in c.eml -CAfile ca.crt -out o.txt") {
            assert!(good, "{profile}: openssl verifies both signers as before");
        }
        bench.no(&[&["countersign", "s.eml", "--signer-index", "2"][..], &by].concat());
    }
    // Nobody countersigns what does not verify, or what is not signed outermost.
    bench.seal("s.eml", "--profile clear-signed --signer ann.pem");
    bench.change("s.eml", "changed.eml", "dawn", "dusk");
    let err = bench.no(&[
        "countersign",
        "changed.eml",
        "--signer",
        "officer.pem",
        "--out",
        "no.eml",
    ]);
    assert!(err.contains("does not verify"), "{err}");
    bench.seal("e.eml", &format!("--profile enveloped {KEYS}"));
    bench.no(&[
        "countersign",
        "e.eml",
        "--signer",
        "officer.pem",
        "--out",
        "no.eml",
    ]);
    assert!(!bench.is_there("no.eml"));
}

#[test]
fn a_message_with_unix_lines_is_sealed_and_mixed_lines_are_refused() {
    let bench = Bench::new();
    bench.put("letter.eml", LETTER.replace("\r\n", "\n"));
    bench.seal("s.eml", "--profile clear-signed --signer ann.pem");
    assert_eq!(bench.inspect("s.eml", "").0, 0);
    bench.put("letter.eml", LETTER.replacen("\r\n", "\n", 1));
    let (code, _, err) = bench.run(&[
        "seal",
        "letter.eml",
        "--profile",
        "clear-signed",
        "--signer",
        "ann.pem",
        "--out",
        "no.eml",
    ]);
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("remedy") && !bench.is_there("no.eml"), "{err}");
}

#[test]
fn an_option_that_would_do_nothing_is_a_usage_error() {
    let bench = Bench::new();
    for wrong in [
        "--profile clear-signed --signer ann.pem --recipient bob.crt",
        "--profile clear-signed",
        "--profile triple-wrap --signer ann.pem",
        "--profile enveloped --recipient bob.crt --label UNCLASSIFIED",
        "--profile enveloped --recipient bob.crt --protect rfc9788",
        "--profile enveloped --recipient bob.crt --content-cipher aes-256-gcm",
        "--profile auth-enveloped --recipient bob.crt --content-cipher aes-128-cbc",
        "--profile opaque-signed --signer ann.pem --outer-signer switch.pem",
        "--profile opaque-signed --signer ann.p12",
        "--profile opaque-signed --signer bob.crt",
    ] {
        let mut arguments = vec!["seal", "letter.eml", "--out", "no.eml"];
        arguments.extend(wrong.split_whitespace());
        let (code, _, err) = bench.run(&arguments);
        assert_eq!(code, 2, "{wrong}: {err}");
        assert!(
            err.contains("remedy") && !bench.is_there("no.eml"),
            "{wrong}: {err}"
        );
    }
    // An unsigned envelope is no mistake.
    bench.seal("e.eml", "--profile enveloped --recipient bob.crt");
    bench.yes(&["open", "e.eml", "--key", "bob.pem", "--out", "o.eml"]);
    assert!(contains(&bench.read("o.eml"), WORD));
}

#[test]
fn header_fields_are_protected_in_three_dialects_and_a_changed_outer_field_is_a_conflict() {
    let bench = Bench::new();
    for (protect, dialect) in [
        ("rfc9788", "rfc9788"),
        ("rfc7508", "rfc7508"),
        ("wrap", "rfc8551"),
    ] {
        for profile in ["clear-signed", "enveloped", "triple-wrap"] {
            for hidden in ["baseline", "shy", "none"] {
                let keys = match profile {
                    "clear-signed" => "--signer ann.pem",
                    _ => KEYS,
                };
                let what = format!("{protect}, {profile}, {hidden}");
                bench.seal(
                    "s.eml",
                    &format!(
                        "--profile {profile} {keys} --protect {protect} --confidentiality {hidden}"
                    ),
                );
                let (code, view) = bench.inspect("s.eml", "--key bob.pem");
                assert_eq!(code, 0, "{what}: {}", view["weaknesses"]);
                assert_eq!(
                    view["headers"]["protected"][0]["dialect"], dialect,
                    "{what}"
                );
                assert_eq!(view["text"]["subject"], "Convoy 17", "{what}");
                assert!(
                    view["text"]["body"].as_str().unwrap().contains(WORD),
                    "{what}"
                );
                bench.change("s.eml", "x.eml", "To: bob@", "To: eve@");
                let (code, view) = bench.inspect("x.eml", "--key bob.pem");
                assert_eq!(code, 1, "{what}");
                assert_eq!(view["headers"]["conflicts"][0]["field"], "to", "{what}");
            }
        }
    }
}

#[test]
fn without_header_protection_that_is_a_weakness_and_an_unknown_form_is_a_conflict() {
    let bench = Bench::new();
    bench.seal(
        "s.eml",
        "--profile clear-signed --signer ann.pem --protect none",
    );
    let (code, view) = bench.inspect("s.eml", "");
    assert_eq!(code, 0);
    let weaknesses = view["weaknesses"].to_string();
    assert!(weaknesses.contains("header.unprotected"), "{weaknesses}");
    bench.put(
        "letter.eml",
        LETTER.replace("us-ascii", "us-ascii; hp=\"strange\""),
    );
    bench.seal(
        "s.eml",
        "--profile clear-signed --signer ann.pem --protect none",
    );
    let (code, view) = bench.inspect("s.eml", "");
    assert_eq!(code, 1);
    assert_eq!(view["headers"]["conflicts"][0]["field"], "Content-Type");
}

#[test]
fn old_programs_see_what_is_hidden_and_ours_does_not_show_it_twice() {
    let bench = Bench::new();
    bench.seal(
        "s.eml",
        &format!("--profile enveloped {KEYS} --legacy-display"),
    );
    bench.yes(&["open", "s.eml", "--key", "bob.pem", "--out", "o.eml"]);
    let opened = String::from_utf8(bench.read("o.eml")).unwrap();
    assert!(opened.contains("hp-legacy-display=\"1\""), "{opened}");
    assert!(
        opened.contains("\r\n\r\nSubject: Convoy 17\r\n\r\nSails"),
        "{opened}"
    );
    let (code, view) = bench.inspect("s.eml", "--key bob.pem");
    assert_eq!(code, 0);
    assert!(view["text"]["body"].as_str().unwrap().starts_with("Sails"));
}

#[test]
fn a_compressed_layer_is_opened_and_shown() {
    let bench = Bench::new();
    bench.put(
        "part.txt",
        "Content-Type: text/plain\r\n\r\nSails at dawn.\r\n",
    );
    let make = "cms -compress -binary -in part.txt -outform DER -out z.p7z";
    if bench.openssl(make) != Some(true) {
        eprintln!("skipped: this openssl does not compress");
        return;
    }
    let (code, view) = bench.inspect("z.p7z", "");
    assert_eq!(kinds(&view), ["compressed"]);
    // Nobody signed it.
    assert_eq!(code, 1);
}

#[test]
fn a_receipt_is_made_once_it_is_owed_and_proves_one_message_alone() {
    let bench = Bench::new();
    let ask = format!("--profile triple-wrap {KEYS} --receipt-to ann@alder.example");
    bench.seal("s.eml", &ask);
    let make = [
        "receipt",
        "make",
        "s.eml",
        "--key",
        "bob.p12",
        "--signer",
        "cat.p12",
        "--password-file",
        "pw",
        "--trust",
        "ca.crt",
        "--crl",
        "ca.crl",
        "--out",
        "r.eml",
    ];
    bench.yes(&make);
    let receipt = String::from_utf8(bench.read("r.eml")).unwrap();
    assert!(receipt.contains("To: ann@alder.example\r\n"), "{receipt}");
    assert!(receipt.contains("smime-type=signed-receipt"), "{receipt}");
    let verify = [
        "receipt",
        "verify",
        "r.eml",
        "--original",
        "s.eml",
        "--key",
        "bob.p12",
        "--password-file",
        "pw",
        "--trust",
        "ca.crt",
        "--format",
        "json",
    ];
    let verdict: serde_json::Value = serde_json::from_str(&bench.yes(&verify)).unwrap();
    assert_eq!(verdict["valid"], true);
    assert_eq!(verdict["signers"][0]["email"], "cat@alder.example");
    assert_eq!(verdict["content_identifier"], "<17@alder.example>");
    let (code, view) = bench.inspect("r.eml", "");
    assert_eq!(code, 0, "{}", view["weaknesses"]);
    // The same text sealed again is another message: the receipt does not prove that one.
    bench.seal("s.eml", &ask);
    let (code, out, _) = bench.run(&verify);
    assert_eq!(code, 1);
    assert!(out.contains("another message"), "{out}");
    // Whose certificate is not trusted has not received anything.
    bench.yes(&make);
    let (code, _, _) = bench.run(&verify.map(|a| if a == "ca.crt" { "other.crt" } else { a }));
    assert_eq!(code, 1);
    // Nobody asked.
    bench.seal("s.eml", &format!("--profile triple-wrap {KEYS}"));
    let err = bench.no(&make);
    assert!(err.contains("asks for a receipt"), "{err}");
}

#[test]
fn layers_inside_may_be_binary_and_are_then_smaller() {
    let bench = Bench::new();
    bench.put(
        "letter.eml",
        format!("{LETTER}{}", "More text of the letter.\r\n".repeat(4_000)),
    );
    for profile in ["enveloped", "triple-wrap"] {
        bench.seal("base64.eml", &format!("--profile {profile} {KEYS}"));
        bench.seal(
            "binary.eml",
            &format!("--profile {profile} {KEYS} --inner-encoding binary"),
        );
        let (small, large) = (bench.read("binary.eml"), bench.read("base64.eml"));
        assert!(small.len() * 10 < large.len() * 8, "{profile}");
        // Outside it is text, as every relay takes it.
        assert!(small.is_ascii(), "{profile}");
        let (code, view) = bench.inspect("binary.eml", "--key bob.pem");
        assert_eq!(code, 0, "{profile}: {}", view["weaknesses"]);
        bench.damage("binary.eml", "damaged.eml");
        let open = ["open", "damaged.eml", "--key", "bob.pem", "--out", "no.eml"];
        assert_ne!(bench.run(&open).0, 0, "{profile}");
    }
}

// RFC 8551 §3.8: certificates only, signed by nobody.
#[test]
fn certificates_alone_are_shown_and_are_not_good() {
    let bench = Bench::new();
    let made = bench.openssl("crl2pkcs7 -nocrl -certfile bob.crt -outform DER -out certs.cms");
    if made != Some(true) {
        return;
    }
    let (code, view) = bench.inspect("certs.cms", "");
    assert_eq!(code, 1, "{view}");
    assert_eq!(kinds(&view), ["signed"]);
    assert_eq!(view["layers"][0]["signers"], serde_json::json!([]));
}

// RFC 5652 §6.2.3, §6.2.4: a key or a password that both sides had before.
#[test]
fn what_is_encrypted_with_a_shared_key_or_a_password_is_opened_with_it_alone() {
    let bench = Bench::new();
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    bench.put("kek", format!("0102:{key}\n"));
    bench.put("other-kek", format!("0102:{}\n", "42".repeat(32)));
    bench.put("other-word", "barley\n");
    bench.put("not-a-key", "0102\n");
    bench.put("letter.txt", LETTER);
    let cms = "cms -encrypt -binary -aes256 -in letter.txt -outform DER";
    let made = [
        format!("{cms} -secretkey {key} -secretkeyid 0102 -out kek.cms"),
        format!("{cms} -pwri_password sesame -out word.cms"),
    ];
    bench.put("word", "sesame\n");
    for (arguments, file, option, good, bad) in [
        (&made[0], "kek.cms", "--shared-key-file", "kek", "other-kek"),
        (
            &made[1],
            "word.cms",
            "--message-password-file",
            "word",
            "other-word",
        ),
    ] {
        if bench.openssl(arguments) != Some(true) {
            return;
        }
        bench.yes(&["open", file, option, good, "--out", "plain"]);
        assert_eq!(bench.read("plain"), LETTER.as_bytes());
        let out = format!("not-{file}");
        let (code, _, err) = bench.run(&["open", file, option, bad, "--out", &out]);
        // Without authentication (CBC) one padding in 256 is right by chance: then nonsense comes.
        if code == 0 {
            assert_ne!(bench.read(&out), LETTER.as_bytes());
            continue;
        }
        assert_eq!(code, 1);
        assert!(err.contains("no key opens"), "{err}");
        assert!(!bench.is_there(&out));
    }
    let (code, _, err) = bench.run(&[
        "open",
        "kek.cms",
        "--shared-key-file",
        "not-a-key",
        "--out",
        "no",
    ]);
    assert_eq!(code, 2);
    assert!(err.contains("IDENTIFIER:KEY"), "{err}");
}
