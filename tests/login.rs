//! Logins by password: SCRAM-SHA-256, bound to the connection or not, and PLAIN, inside TLS, against
//! a switch that runs; and `ravelin password`, which makes the file.

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::message::address::Address;
use support::anchor;
use support::wire::{Tls, Wire};

const PASSWORD: &str = "correct horse battery";

/// `ravelin password`, with this on the standard input.
fn password(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .arg("password")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read does not care.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// ALDER with another listener for passwords; the drafter and a stranger have one.
async fn world(dir: &Path) -> World {
    let listener = r#"
[[listen]]
name = "passwords"
address = "127.0.0.1:0"
role = "submission"
logins = ["external", "scram-sha-256-plus", "scram-sha-256", "plain"]
"#;
    std::fs::create_dir_all(dir.join("config")).unwrap();
    let file = dir.join("config/passwords");
    let file = file.to_str().unwrap();
    for user in ["drafter@alder.example", "stranger@alder.example"] {
        let (code, _, err) = password(&["set", user, "--file", file], PASSWORD);
        assert_eq!(code, 0, "{err}");
    }
    let trust = ("[trust]\n", "passwords = \"passwords\"\n");
    let mut world = support::world(dir, &[trust], listener).await;
    world.wake_alder().await.unwrap();
    world
}

fn listener(world: &World) -> SocketAddr {
    *world.running().unwrap().listeners.last().unwrap()
}

fn message(world: &World) -> Vec<u8> {
    let drafter = world.alder.person("drafter").unwrap();
    let to = [Address::parse("reader@alder.example").unwrap()];
    let label = world
        .label("RESTRICTED", &[("Releasable To", "ALDER")])
        .unwrap();
    world
        .compose(&drafter.address, &to, Some(&label), &drafter.sign)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_password_hands_in_what_is_signed_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path()).await;
    let (to, host, anchor) = (listener(&world), world.alder.host(), anchor(dir.path()));
    let tls = |is_old| Tls {
        anchor: &anchor,
        host: &host,
        identity: None,
        is_old,
    };
    // Nothing of it before TLS.
    let mut clear = Wire::open(to).await;
    clear.hear().await;
    assert!(!clear.ask("EHLO client").await.contains("AUTH"));
    let plain = STANDARD.encode(format!("\0drafter@alder.example\0{PASSWORD}"));
    assert!(
        clear
            .ask(&format!("AUTH PLAIN {plain}"))
            .await
            .starts_with("504 ")
    );

    let (mut wire, offered) = Wire::starttls(to, &tls(false)).await;
    let line = "250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN\r\n";
    assert!(offered.ends_with(line), "{offered}");
    let mail = "MAIL FROM:<drafter@alder.example>";
    assert!(wire.ask(mail).await.starts_with("530 5.7.0 "));
    let (user, reader) = ("drafter@alder.example", &["reader@alder.example"][..]);
    let plus = "SCRAM-SHA-256-PLUS";
    let reply = wire.scram(plus, "p=tls-exporter,,", user, PASSWORD).await;
    assert!(reply.starts_with("235 2.7.0 "), "{reply}");
    let mail_of_reader = "MAIL FROM:<reader@alder.example>";
    assert!(wire.ask(mail_of_reader).await.starts_with("550 5.7.1 "));
    let signed = message(&world);
    let reply = wire.hand_in(mail, reader, &signed).await;
    assert!(reply.starts_with("250 "), "{reply}");
    // A password is no signature.
    let forged = String::from_utf8(signed.clone()).unwrap();
    let forged = forged.replacen("convoy", "canvoy", 1);
    assert!(forged != String::from_utf8(signed.clone()).unwrap());
    let reply = wire.hand_in(mail, reader, forged.as_bytes()).await;
    assert!(reply.starts_with("550 5.7.7 "), "{reply}");
    let arrived = |octets: &[u8]| String::from_utf8_lossy(octets).contains("with ESMTPSA id");
    world.alder_mail.wait_for(arrived).await.unwrap();

    // Without binding, and by PLAIN; on TLS 1.2 there is nothing to bind to.
    let (mut wire, _) = Wire::starttls(to, &tls(false)).await;
    let reply = wire.scram("SCRAM-SHA-256", "n,,", user, PASSWORD).await;
    assert!(reply.starts_with("235 "), "{reply}");
    let (mut wire, offered) = Wire::starttls(to, &tls(true)).await;
    assert!(
        offered.ends_with("250 AUTH SCRAM-SHA-256 PLAIN\r\n"),
        "{offered}"
    );
    let reply = wire.scram("SCRAM-SHA-256", "y,,", user, PASSWORD).await;
    assert!(reply.starts_with("235 "), "{reply}");
    let (mut wire, _) = Wire::starttls(to, &tls(false)).await;
    assert!(
        wire.ask(&format!("AUTH PLAIN {plain}"))
            .await
            .starts_with("235 ")
    );
    assert!(
        wire.hand_in(mail, reader, &signed)
            .await
            .starts_with("250 ")
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_login_is_told_nothing_and_a_source_that_guesses_has_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let world = world(dir.path()).await;
    let (to, host, anchor) = (listener(&world), world.alder.host(), anchor(dir.path()));
    let tls = |identity| Tls {
        anchor: &anchor,
        host: &host,
        identity,
        is_old: false,
    };
    let user = "drafter@alder.example";
    let (mut wire, _) = Wire::starttls(to, &tls(None)).await;
    let no = "535 5.7.8 the login failed\r\n";
    // A wrong password; a user whom nobody knows; one with a password who is no subject.
    for (user, password) in [
        (user, "correct horse batterz"),
        ("nobody@alder.example", PASSWORD),
        ("stranger@alder.example", PASSWORD),
    ] {
        assert_eq!(wire.scram("SCRAM-SHA-256", "n,,", user, password).await, no);
    }
    assert!(wire.hear().await.starts_with("421 4.7.0 "));
    assert_eq!(wire.hear().await, "");

    // Somebody between took -PLUS away, or bound to another connection.
    let (mut wire, _) = Wire::starttls(to, &tls(None)).await;
    assert_eq!(wire.scram("SCRAM-SHA-256", "y,,", user, PASSWORD).await, no);
    wire.binding = vec![0; 32];
    let plus = "SCRAM-SHA-256-PLUS";
    assert_eq!(
        wire.scram(plus, "p=tls-exporter,,", user, PASSWORD).await,
        no
    );

    // The certificate of one and the password of another.
    let reader = &world.alder.person("reader").unwrap().sign;
    let (mut wire, offered) = Wire::starttls(to, &tls(Some(reader))).await;
    assert!(
        offered.contains("AUTH EXTERNAL SCRAM-SHA-256-PLUS"),
        "{offered}"
    );
    assert_eq!(wire.scram("SCRAM-SHA-256", "n,,", user, PASSWORD).await, no);
    let drafter = &world.alder.person("drafter").unwrap().sign;
    let (mut wire, _) = Wire::starttls(to, &tls(Some(drafter))).await;
    let reply = wire.scram("SCRAM-SHA-256", "n,,", user, PASSWORD).await;
    assert!(reply.starts_with("235 "), "{reply}");

    // Ten failures from one source: even the right password has to wait.
    for _ in 6..10 {
        let (mut wire, _) = Wire::starttls(to, &tls(None)).await;
        assert_eq!(wire.scram("SCRAM-SHA-256", "n,,", user, "wrong").await, no);
    }
    let (mut wire, _) = Wire::starttls(to, &tls(None)).await;
    let reply = wire.scram("SCRAM-SHA-256", "n,,", user, PASSWORD).await;
    assert!(reply.starts_with("454 4.7.0 "), "{reply}");
    world.end().await;
}

#[test]
fn the_file_of_passwords_is_made_by_a_command_and_holds_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("passwords");
    let file = file.to_str().unwrap();
    let set = |user, input| password(&["set", user, "--file", file], input);
    let (code, _, err) = set("anna@alder.example", "too short\n");
    assert_eq!(code, 2, "{err}");
    assert!(!Path::new(file).exists());
    let (code, _, err) = set("anna", PASSWORD);
    assert_eq!(code, 2, "{err}");
    let (code, _, err) = set("anna@alder.example", &format!("{PASSWORD}\n"));
    assert_eq!(code, 0, "{err}");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(
        text.contains("anna@alder.example SCRAM-SHA-256$100000:"),
        "{text}"
    );
    assert!(!text.contains("horse"));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // The secret of the decoys stays; the verifier is a new one.
    let second = dir.path().join("second");
    std::fs::write(&second, PASSWORD).unwrap();
    let second = second.to_str().unwrap();
    let again = [
        "set",
        "anna@alder.example",
        "--file",
        file,
        "--password-file",
        second,
    ];
    assert_eq!(password(&again, "").0, 0);
    let now = std::fs::read_to_string(file).unwrap();
    assert_eq!(now.lines().nth(1), text.lines().nth(1));
    assert_ne!(now.lines().nth(2), text.lines().nth(2));
    let (code, out, _) = password(&["list", "--file", file, "--format", "json"], "");
    assert_eq!((code, out.trim()), (0, "[\n  \"anna@alder.example\"\n]"));
    let remove = ["remove", "anna@alder.example", "--file", file];
    assert_eq!(password(&remove, "").0, 0);
    assert_eq!(password(&remove, "").0, 1);
    std::fs::write(file, "anna@alder.example secret\n").unwrap();
    assert_eq!(password(&remove, "").0, 2);
    // No option takes a password.
    let (_, help, _) = password(&["set", "--help"], "");
    assert!(!help.contains("--password "), "{help}");
}

#[tokio::test]
async fn passwords_are_for_people_and_need_their_file() {
    let dir = tempfile::tempdir().unwrap();
    for (role, logins, passwords, wrong) in [
        (
            "relay",
            "scram-sha-256",
            "passwords = \"none\"",
            "trust.passwords",
        ),
        ("submission", "plain", "", "no file of passwords is named"),
        ("submission", "cram-md5", "", "cram-md5"),
    ] {
        let listener = format!(
            "\n[[listen]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\nrole = \"{role}\"\nlogins = [\"{logins}\"]\n"
        );
        let dir = dir.path().join(format!("{role}-{logins}"));
        World::found(&dir, Clock::system(), "").await.unwrap();
        let file = dir.join("config/alder.toml");
        let text = std::fs::read_to_string(&file).unwrap() + &listener;
        let text = text.replacen("[trust]\n", &format!("[trust]\n{passwords}\n"), 1);
        std::fs::write(&file, text).unwrap();
        let error = ravelin::config::load(&file).err().unwrap().to_string();
        assert!(error.contains(wrong), "{error}");
        if role == "relay" {
            let made = dir.join("config/none");
            let made = ["set", "a@alder.example", "--file", made.to_str().unwrap()];
            assert_eq!(password(&made, PASSWORD).0, 0);
            let error = ravelin::config::load(&file).err().unwrap().to_string();
            assert!(
                error.contains("only people log in with passwords"),
                "{error}"
            );
        }
    }
}
