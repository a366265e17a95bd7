//! The contract of `ravelin label` and `ravelin policy`: exit codes and JSON, through the program.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

pub fn run(arguments: &[&str], input: &[u8]) -> (i32, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

pub fn json(arguments: &[&str], input: &[u8]) -> (i32, Value) {
    let mut all = arguments.to_vec();
    all.extend(["--format", "json"]);
    let (code, text) = run(&all, input);
    (
        code,
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")),
    )
}

const ALDER: &str = "labels/alder.xml";
const BIRCH: &str = "labels/birch.xml";

#[test]
fn show_takes_every_syntax() {
    let label = "SECRET; Releasable To: BIRCH; Codeword: ANCHOR";
    for syntax in ["ess", "missi", "sio", "nato", "xmpp", "text"] {
        let (code, written) = run(
            &["label", "convert", "--policy", ALDER, label, "--to", syntax],
            b"",
        );
        assert_eq!(code, 0);
        let (code, shown) = json(
            &["label", "show", "--policy", ALDER, "-"],
            written.as_bytes(),
        );
        assert_eq!(code, 0, "{syntax}: {shown}");
        assert_eq!(shown["policy"]["name"], "ALDER");
        assert_eq!(shown["policy"]["oid"], "1.3.6.1.4.1.32473.1.1");
        assert_eq!(shown["classification"]["value"], 4);
        assert_eq!(shown["classification"]["name"], "SECRET");
        assert_eq!(shown["categories"][0]["kind"], "enumerated-permissive");
        assert_eq!(shown["categories"][1]["name"], "ANCHOR");
        assert_eq!(shown["categories"][1]["value"], 0);
        assert_eq!(
            shown["marking"]["page_top"],
            "ALDER SECRET REL TO BIRCH ANCHOR"
        );
        assert_eq!(shown["valid"], true);
        assert!(
            shown["problems"].as_array().unwrap().is_empty() && shown["privacy_mark"].is_null()
        );
    }
    let (code, shown) = json(
        &[
            "label",
            "show",
            "--policy",
            ALDER,
            "RESTRICTED; Codeword: ANCHOR",
        ],
        b"",
    );
    assert_eq!((code, &shown["valid"]), (1, &Value::Bool(false)));
    assert_eq!(shown["problems"][0]["id"], "label.class-excluded");
}

#[test]
fn check_permits_denies_and_fails() {
    let check = |label: &str, clearance: &str| {
        json(
            &[
                "label",
                "check",
                "--policy",
                ALDER,
                label,
                "--clearance",
                clearance,
            ],
            b"",
        )
    };
    let (code, permit) = check("SECRET", "UNCLASSIFIED..SECRET");
    assert_eq!((code, &permit["permit"]), (0, &Value::Bool(true)));
    assert!(!permit["reasons"].as_array().unwrap().is_empty());
    let (code, deny) = check("SECRET; Codeword: ANCHOR", "UNCLASSIFIED..SECRET");
    assert_eq!((code, &deny["permit"]), (1, &Value::Bool(false)));
    let reason = &deny["reasons"][0];
    assert_eq!(reason["id"], "access.restrictive");
    for field in ["text", "element", "label", "clearance"] {
        assert!(
            reason[field].as_str().is_some_and(|text| !text.is_empty()),
            "{field}"
        );
    }
    assert!(!deny["public"].as_str().unwrap().contains("SECRET"));
    for (label, clearance, id) in [
        ("MQYCAQMG", "SECRET", "label.malformed"),
        ("MQYCAQMGASk=", "SECRET", "label.policy-unknown"),
        ("SECRET", "SECRT", "clearance.malformed"),
    ] {
        let (code, deny) = check(label, clearance);
        assert_eq!((code, &deny["permit"]), (1, &Value::Bool(false)), "{label}");
        assert_eq!(deny["reasons"][0]["id"], id);
        assert_eq!(deny["public"], reason_free(&deny));
    }
    let at = [
        "label",
        "check",
        "--policy",
        "labels/commercial.xml",
        "CONFIDENTIAL; Project: HERON",
    ];
    let holder = ["--clearance", "CONFIDENTIAL; Project: HERON", "--at"];
    for (time, wanted) in [
        ("2026-06-01T00:00:00Z", 0),
        ("2029-06-01T00:00:00Z", 1),
        ("noon", 2),
    ] {
        let mut all = at.to_vec();
        all.extend(holder);
        all.push(time);
        assert_eq!(run(&all, b"").0, wanted, "{time}");
    }
    for arguments in [
        &[
            "label",
            "check",
            "--policy",
            "labels/none.xml",
            "SECRET",
            "--clearance",
            "SECRET",
        ][..],
        &[
            "label",
            "check",
            "--policy",
            "labels/alder.cases",
            "SECRET",
            "--clearance",
            "SECRET",
        ],
        &[
            "label",
            "check",
            "--policy",
            ALDER,
            "gone.der",
            "--clearance",
            "SECRET",
        ],
        &["label", "check", "--policy", ALDER, "SECRET"],
    ] {
        assert_eq!(run(arguments, b"").0, 2, "{arguments:?}");
    }
}

fn reason_free(_: &Value) -> &'static str {
    "the security policy does not permit this"
}

#[test]
fn translate_and_mark() {
    let out = [
        "label",
        "translate",
        "--policy",
        ALDER,
        "--to",
        BIRCH,
        "--direction",
        "out",
    ];
    let with = |label: &'static str| {
        let mut all = out.to_vec();
        all.push(label);
        json(&all, b"")
    };
    let (code, shown) = with("SECRET; Codeword: ANCHOR");
    assert_eq!(code, 0);
    let label = shown["label"].as_str().unwrap();
    let (_, again) = json(&["label", "show", "--policy", BIRCH, label], b"");
    assert_eq!(again["marking"]["page_bottom"], "BIRCH HIDDEN KEEL");
    let (code, back) = json(
        &[
            "label",
            "translate",
            "--policy",
            BIRCH,
            "--to",
            ALDER,
            "--direction",
            "in",
            label,
        ],
        b"",
    );
    assert_eq!(
        (code, &back["text"]),
        (0, &Value::String("SECRET; Codeword: ANCHOR".into()))
    );
    let (code, refused) = with("TOP SECRET");
    assert_eq!((code, &refused["label"]), (1, &Value::Null));
    assert_eq!(refused["reasons"][0]["id"], "translation.no-classification");
    let (code, text) = run(
        &[
            "label",
            "mark",
            "--policy",
            "labels/nato-like.xml",
            "RESTRICTED",
            "--location",
            "pageTop",
            "--language",
            "fr",
        ],
        b"",
    );
    assert_eq!(
        (code, text.as_str()),
        (0, "ALLIANCE DIFFUSION RESTREINTE\n")
    );
}

#[test]
fn batch_gives_one_line_for_each_line() {
    let (_, label) = run(
        &[
            "label", "convert", "--policy", ALDER, "SECRET", "--to", "ess",
        ],
        b"",
    );
    let line = |clearance: &str| {
        format!(
            "{{\"label\":\"{}\",\"clearance\":\"{clearance}\"}}\n",
            label.trim()
        )
    };
    // SECRET only, and RESTRICTED only, of ALDER.
    let input = format!(
        "{}{}nonsense\n",
        line("3010060a2b0601040181fd59010103020308"),
        line("MBAGCisGAQQBgf1ZAQEDAgUg")
    );
    let (code, text) = run(&["label", "batch", "--policy", ALDER], input.as_bytes());
    assert_eq!(code, 0);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let permits: Vec<bool> = lines
        .iter()
        .map(|line| line["permit"].as_bool().unwrap())
        .collect();
    assert_eq!(permits, [true, false, false], "{text}");
    assert_eq!(lines[2]["reasons"][0]["id"], "line.malformed");
}

#[test]
fn policy_commands() {
    let (code, report) = json(&["policy", "lint", ALDER, BIRCH], b"");
    assert_eq!(code, 0);
    assert!(
        report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["severity"] != "error")
    );
    for name in [
        "alder",
        "birch",
        "commercial",
        "nato-like",
        "tlp",
        "uk-like",
    ] {
        let (code, report) = json(&["policy", "lint", &format!("labels/{name}.xml")], b"");
        assert_eq!(
            (code, report["findings"].as_array().unwrap().len()),
            (0, 0),
            "{name}"
        );
    }
    let (code, report) = json(&["policy", "lint", "labels/alder.cases"], b"");
    assert_eq!(
        (code, &report["findings"][0]["id"]),
        (1, &Value::String("lint.unreadable".into()))
    );
    let (code, report) = json(&["policy", "test", "labels/alder.cases"], b"");
    assert_eq!((code, &report["failed"]), (0, &Value::from(0)));
    let (code, _) = run(
        &[
            "policy",
            "test",
            "labels/alder.cases",
            "--policy",
            BIRCH,
            "--policy",
            ALDER,
        ],
        b"",
    );
    assert_eq!(code, 1);
    let (code, report) = json(&["policy", "diff", ALDER, ALDER], b"");
    assert_eq!((code, report["changes"].as_array().unwrap().len()), (0, 0));
    let (code, report) = json(&["policy", "explain", ALDER], b"");
    assert_eq!((code, &report["name"]), (0, &Value::String("ALDER".into())));
    for group in ["label", "policy"] {
        let verbs: &[&str] = match group {
            "label" => &[
                "show",
                "check",
                "translate",
                "convert",
                "history",
                "mark",
                "batch",
            ],
            _ => &["lint", "explain", "diff", "test"],
        };
        for verb in verbs {
            let (code, help) = run(&[group, verb, "--help"], b"");
            assert!(code == 0 && help.contains("Example"), "{group} {verb}");
        }
    }
}
