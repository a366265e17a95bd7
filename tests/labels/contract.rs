//! The JSON of issue and README member by member, the input syntaxes as files and on the standard input,
//! the table of markings, and the history of a label, through the program.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::program::{json, run};

const ALDER: &str = "labels/alder.xml";
const BIRCH: &str = "labels/birch.xml";

/// The members of an object in the order of the text, without those of objects inside.
fn members(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut depth, mut inside, mut escaped) = (0, false, false);
    let (mut word, mut last) = (String::new(), String::new());
    for character in text.chars() {
        if inside {
            match character {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    inside = false;
                    last = std::mem::take(&mut word);
                }
                other => word.push(other),
            }
            continue;
        }
        match character {
            '"' => inside = true,
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ':' if depth == 1 => found.push(last.clone()),
            _ => {}
        }
    }
    found
}

#[test]
fn each_answer_has_the_members_that_are_documented_in_that_order() {
    let show = "policy classification categories privacy_mark marking colors valid problems syntax tolerated text";
    let secret = "SECRET; Codeword: ANCHOR";
    let history = "SIO-Label-History: change=add; changed-by=a; changed-at=b; new-marking=x";
    for (arguments, code, wanted) in [
        (&["label", "show", "--policy", ALDER, secret][..], 0, show),
        // A label that cannot be read has the same members.
        (&["label", "show", "--policy", ALDER, "MQYCAQMG"], 1, show),
        (
            &[
                "label",
                "check",
                "--policy",
                ALDER,
                secret,
                "--clearance",
                "SECRET",
            ],
            1,
            "permit reasons public",
        ),
        (
            &[
                "label",
                "check",
                "--policy",
                ALDER,
                "MQYCAQMG",
                "--clearance",
                "SECRET",
            ],
            1,
            "permit reasons public",
        ),
        (
            &[
                "label",
                "translate",
                "--policy",
                ALDER,
                "--to",
                BIRCH,
                secret,
                "--direction",
                "out",
            ],
            0,
            "translated label text marking trace reasons",
        ),
        (
            &[
                "label",
                "translate",
                "--policy",
                ALDER,
                "--to",
                BIRCH,
                "MQYCAQMG",
                "--direction",
                "out",
            ],
            1,
            "translated label text marking trace reasons",
        ),
        (
            &["label", "convert", "--policy", ALDER, secret, "--to", "ess"],
            0,
            "syntax value",
        ),
        (
            &["label", "mark", "--policy", ALDER, secret],
            0,
            "marking colors",
        ),
        (
            &["label", "history", "--policy", ALDER, history],
            1,
            "entries current consistent problems",
        ),
        (&["policy", "lint", ALDER], 0, "findings"),
        (&["policy", "diff", ALDER, ALDER], 0, "changes"),
        (
            &["policy", "test", "labels/alder.cases"],
            0,
            "passed failed failures",
        ),
        (
            &["policy", "explain", ALDER],
            0,
            "oid name version created rules",
        ),
    ] {
        let mut all = arguments.to_vec();
        all.extend(["--format", "json"]);
        let (came, text) = run(&all, b"");
        assert_eq!(came, code, "{arguments:?}: {text}");
        let wanted: Vec<&str> = wanted.split(' ').collect();
        assert_eq!(members(&text), wanted, "{arguments:?}");
    }
    // The objects inside.
    let (_, shown) = json(&["label", "show", "--policy", ALDER, secret], b"");
    let inside = |value: &serde_json::Value| {
        let mut names: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(inside(&shown["policy"]), "name oid");
    assert_eq!(inside(&shown["classification"]), "name value");
    assert_eq!(
        inside(&shown["categories"][0]),
        "kind name tag tag_set tag_set_name value"
    );
    assert_eq!(
        inside(&shown["marking"]),
        "document_end document_start first_line_of_text input_title last_line_of_text page_bottom \
         page_top portion subject water_mark x_header"
    );
    assert_eq!(inside(&shown["colors"]), "background foreground");
    let (_, shown) = json(
        &[
            "label",
            "show",
            "--policy",
            ALDER,
            "RESTRICTED; Codeword: ANCHOR",
        ],
        b"",
    );
    assert_eq!(inside(&shown["problems"][0]), "id text");
    let check = [
        "label",
        "check",
        "--policy",
        ALDER,
        secret,
        "--clearance",
        "SECRET",
    ];
    let (_, shown) = json(&check, b"");
    assert_eq!(
        inside(&shown["reasons"][0]),
        "clearance element id label text"
    );
    let translate = [
        "label",
        "translate",
        "--policy",
        ALDER,
        "--to",
        BIRCH,
        "--direction",
        "out",
    ];
    let (_, shown) = json(&[&translate[..], &[secret]].concat(), b"");
    assert_eq!(inside(&shown["trace"][0]), "effect element from to");
    let (_, shown) = json(&["policy", "lint", ALDER, BIRCH], b"");
    assert_eq!(
        inside(&shown["findings"][0]),
        "element example id severity text"
    );
    let (_, shown) = json(&["policy", "diff", ALDER, BIRCH], b"");
    assert_eq!(inside(&shown["changes"][0]), "gains id label loses text");
}

#[test]
fn every_dress_of_a_label_is_recognised_as_file_and_on_the_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let label = "SECRET; Codeword: ANCHOR";
    let convert = |to: &str| {
        let (code, text) = run(
            &["label", "convert", "--policy", ALDER, label, "--to", to],
            b"",
        );
        assert_eq!(code, 0, "{to}");
        text.trim().to_owned()
    };
    let base64 = convert("ess");
    let der = STANDARD.decode(&base64).unwrap();
    // BER: the outer length indefinite, as RFC 7444 allows.
    assert!(der[1] < 0x80);
    let ber = [&[0x31, 0x80], &der[2..], &[0, 0]].concat();
    let hex: String = der.iter().map(|octet| format!("{octet:02x}")).collect();
    let pem = format!("-----BEGIN LABEL-----\n{base64}\n-----END LABEL-----\n");
    let sio = convert("sio");
    let bare = sio.split_once(": ").unwrap().1.to_owned();
    for (name, octets, syntax) in [
        ("l.der", der.clone(), "ess"),
        ("l.ber", ber, "ess"),
        ("l.b64", base64.clone().into_bytes(), "ess"),
        ("l.hex", hex.into_bytes(), "ess"),
        ("l.pem", pem.into_bytes(), "ess"),
        ("missi.b64", convert("missi").into_bytes(), "ess"),
        ("names.b64", convert("rfc3114").into_bytes(), "ess"),
        ("l.nato", convert("nato").into_bytes(), "nato"),
        ("l.xml", convert("xmpp").into_bytes(), "xmpp"),
        ("l.sio", sio.into_bytes(), "sio"),
        ("bare.sio", bare.into_bytes(), "sio"),
        ("l.txt", label.as_bytes().to_vec(), "text"),
        // Without a name that tells anything.
        ("label", der, "ess"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &octets).unwrap();
        let path = path.to_str().unwrap();
        for (argument, input) in [(path, &b""[..]), ("-", &octets)] {
            let (code, shown) = json(&["label", "show", "--policy", ALDER, argument], input);
            assert_eq!(code, 0, "{name}: {shown}");
            assert_eq!(shown["syntax"], syntax, "{name}");
            assert_eq!(shown["text"], label, "{name}");
            let odd = ["missi.b64", "names.b64"].contains(&name);
            let tolerated = shown["tolerated"].as_array().unwrap();
            assert_eq!(odd, *tolerated == ["category-syntax"], "{name}");
            assert_eq!(odd, !tolerated.is_empty());
        }
    }
}

#[test]
fn a_marking_is_a_label_only_by_the_table_of_the_site() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("markings.txt");
    std::fs::write(
        &file,
        "# What old senders write.\n\nSECRET (OLD)   | SECRET\nSECRET ANCHOR ONLY | SECRET; Codeword: ANCHOR\n",
    )
    .unwrap();
    let table = file.to_str().unwrap();
    let text = |label: &str, more: &[&str]| {
        let mut all = vec!["label", "convert", "--policy", ALDER, label, "--to", "text"];
        all.extend(more);
        run(&all, b"")
    };
    for label in [
        "SECRET ANCHOR ONLY",
        "X-Classification:  secret anchor only ",
    ] {
        let with = text(label, &["--table", table]);
        assert_eq!(
            with,
            (0, "SECRET; Codeword: ANCHOR\n".to_owned()),
            "{label}"
        );
        assert_eq!(text(label, &[]).0, 1, "{label}");
        let show = ["label", "show", "--policy", ALDER, label, "--table", table];
        assert_eq!(json(&show, b"").1["syntax"], "marking");
    }
    // What the table does not have is read as without it.
    assert_eq!(text("RESTRICTED", &["--table", table]).1, "RESTRICTED\n");
    assert_eq!(text("SECRET ANCHOR", &["--table", table]).0, 1);
    for wrong in [
        "no bar",
        "| SECRET",
        "A | SECRETS",
        "A | SECRET\na | RESTRICTED",
    ] {
        std::fs::write(&file, wrong).unwrap();
        assert_eq!(text("A", &["--table", table]).0, 2, "{wrong}");
    }
    // The private header field that a policy makes, and back by a table.
    let with = super::own("alder.xml").replace(
        "<equivalentPolicies>",
        "<markingData><code>xHeader</code></markingData><markingQualifier markingCode='xHeader'>\
         <qualifier markingQualifier='X-Classification: ' qualifierCode='prefix'/></markingQualifier>\
         <equivalentPolicies>",
    );
    let policy = folder.path().join("field.xml");
    std::fs::write(&policy, with).unwrap();
    let policy = policy.to_str().unwrap();
    let to = ["--to", "x-header"];
    let field = run(
        &[&["label", "convert", "--policy", policy, "SECRET"], &to[..]].concat(),
        b"",
    );
    assert_eq!(field, (0, "X-Classification: ALDER SECRET\n".to_owned()));
    let none = run(
        &[&["label", "convert", "--policy", ALDER, "SECRET"], &to[..]].concat(),
        b"",
    );
    assert_eq!(none.0, 1);
}

#[test]
fn the_history_of_a_label_is_shown_and_checked() {
    let field = |label: &str| {
        let convert = ["label", "convert", "--policy", ALDER, label, "--to", "sio"];
        let (_, text) = run(&convert, b"");
        text.trim().split_once(": ").unwrap().1.to_owned()
    };
    let (low, high) = (field("RESTRICTED"), field("SECRET"));
    let new = |field: &str| {
        let parts: Vec<String> = field
            .split("; ")
            .map(|part| format!("new-{part}"))
            .collect();
        parts.join("; ")
    };
    let message = |current: &str| {
        format!(
            "SIO-Label-History: change=replace; changed-by=\"border.example\";\r\n \
             changed-at=\"Fri, 2 Jan 2026 00:00:00 +0000\"; {low}; {}\r\n\
             SIO-Label-History: change=add; changed-by=\"desk.example\"; \
             changed-at=\"Thu, 1 Jan 2026 00:00:00 +0000\"; {}\r\n\
             SIO-Label: {current}\r\nSubject: x\r\n\r\nText\r\n",
            new(&high),
            new(&low)
        )
    };
    let history = ["label", "history", "--policy", ALDER, "-"];
    let (code, shown) = json(&history, message(&high).as_bytes());
    assert_eq!((code, &shown["consistent"]), (0, &true.into()), "{shown}");
    assert_eq!(shown["entries"][0]["change"], "replace");
    assert_eq!(shown["entries"][0]["old"]["text"], "RESTRICTED");
    assert_eq!(shown["entries"][0]["new"]["text"], "SECRET");
    assert_eq!(shown["entries"][1]["changed_by"], "desk.example");
    assert!(shown["entries"][1]["old"].is_null());
    assert_eq!(shown["current"]["marking"], "ALDER SECRET");
    let (code, shown) = json(&history, message(&low).as_bytes());
    assert_eq!((code, &shown["consistent"]), (1, &false.into()));
    assert_eq!(shown["problems"][0]["id"], "history.current");
}
