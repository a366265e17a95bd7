//! What an operator does to a switch: at its desk while it runs, with commands while it does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use ravelin::admin::queue::Order;
use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::message::address::Address;
use ravelin::message::{MessageId, Precedence};
use ravelin::queue::{self, TOGETHER, Which};
use ravelin::seal;
use ravelin::store::Change;
use ravelin::switch::QueueAct;

/// ALDER's world with another line after `mark` in its configuration, and a clerk who operates it.
async fn world(dir: &Path, mark: &str, more: &str) -> World {
    let mut world = World::found(dir, Clock::system(), "").await.unwrap();
    let config = dir.join("config/alder.toml");
    let clerk = "certificate = \"../pki/alder/clerk-encrypt.pem\"\n";
    let text = std::fs::read_to_string(&config).unwrap();
    assert!(text.contains(mark) && text.contains(clerk), "{text}");
    let text = text.replacen(mark, &format!("{mark}{more}"), 1).replacen(
        clerk,
        &format!("{clerk}roles = [\"operator\"]\n"),
        1,
    );
    std::fs::write(&config, text).unwrap();
    world.alder_config = ravelin::config::load(&config).unwrap();
    world
}

fn ravelin(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ravelin"))
        .args(arguments)
        .env_remove("RAVELIN_LOG")
        .env_remove("CREDENTIALS_DIRECTORY")
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

fn path(dir: &Path, name: &str) -> String {
    dir.join(name).to_str().unwrap().to_owned()
}

async fn submit(world: &World) {
    let drafter = world.alder.person("drafter").unwrap();
    let to = [Address::parse("reader@birch.example").unwrap()];
    let label = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
    let label = world.label("CONFIDENTIAL", &label).unwrap();
    let message = world.compose(&drafter.address, &to, Some(&label), &drafter.sign);
    let outcome = world.submit(drafter, &to, &message.unwrap()).await.unwrap();
    assert_eq!(outcome.reply().code, 250, "{}", outcome.reply().text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_switch_is_backed_up_by_an_operator_and_by_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = "directory = \"../store/alder\"\n";
    let mut world = world(dir.path(), store, "backups = \"../backups\"\n").await;
    world.wake_alder().await.unwrap();
    submit(&world).await;
    let error = world.desk("drafter").unwrap().backup().await.err();
    let error = error.unwrap().to_string();
    assert!(error.contains("(role.missing)"), "{error}");
    assert!(!dir.path().join("backups").exists());
    let copied = world.desk("clerk").unwrap().backup().await.unwrap();
    assert!(copied.records > 2 && copied.values > 3, "{copied:?}");
    world.end().await;

    // The store is lost. The backup puts back what was accepted.
    let config = path(dir.path(), "config/alder.toml");
    let file = copied.file.to_str().unwrap().to_owned();
    let (code, _, err) = ravelin(&["store", "restore", &file, "--config", &config]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("holds something"), "{err}");
    std::fs::remove_dir_all(dir.path().join("store/alder")).unwrap();
    let (code, out, err) = ravelin(&["store", "restore", &file, "--config", &config]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("audit records up to"), "{out}");
    let (code, out, err) = ravelin(&["queue", "list", "--config", &config, "--format", "json"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("reader@birch.example"), "{out}");
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    assert!(chain.contains("\"act\":\"restored\""));
    let set_aside = dir.path().join("audit/alder.jsonl.different-1");
    let before = std::fs::read_to_string(set_aside).unwrap();
    assert!(before.contains("\"act\":\"backed-up\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_without_a_folder_for_backups_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "[store]\n", "").await;
    world.wake_alder().await.unwrap();
    let error = world.desk("clerk").unwrap().backup().await.err();
    let error = error.unwrap().to_string();
    assert!(error.contains("[store] backups"), "{error}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_store_is_checked_compacted_copied_and_sealed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = world(dir.path(), "[store]\n", "assurance = \"high\"\n").await;
    let config = path(dir.path(), "config/alder.toml");
    let (code, _, err) = ravelin(&["store", "check", "--config", &config]);
    assert_eq!(code, 2, "{err}");
    world.wake_alder().await.unwrap();
    submit(&world).await;
    for act in ["check", "compact"] {
        let (code, _, err) = ravelin(&["store", act, "--config", &config]);
        assert_eq!(code, 3, "{act}: {err}");
        assert!(err.contains("stop the switch first"), "{err}");
    }
    world.end().await;
    let check = |wanted: i32| {
        let (code, out, err) =
            ravelin(&["store", "check", "--config", &config, "--format", "json"]);
        assert_eq!(code, wanted, "{out}{err}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap_or_default()
    };
    let found = check(0);
    assert_eq!(found["entries"], 1, "{found}");
    assert_eq!(found["closed_cleanly"], true, "{found}");
    let (code, out, err) = ravelin(&["store", "compact", "--config", &config]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("octets before"), "{out}");
    let copy = path(dir.path(), "copy");
    let backup = ["store", "backup", "--config", &config, "--out", &copy];
    assert_eq!(ravelin(&backup).0, 0);
    let (code, _, err) = ravelin(&backup);
    assert_eq!(code, 3, "over a file: {err}");

    let key = path(dir.path(), "new.key");
    let rekey = ["store", "rekey", "--config", &config, "--new-key", &key];
    let (code, out, err) = ravelin(&rekey);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("as store.key in"), "{out}");
    check(3);
    let text = std::fs::read_to_string(&config).unwrap();
    let was = "key = \"../pki/alder/store.key\"";
    assert!(text.contains(was), "{text}");
    std::fs::write(&config, text.replace(was, "key = \"../new.key\"")).unwrap();
    assert_eq!(check(0)["entries"], 1);

    // A changed value is named, and changes the exit code.
    let export = dir.path().join("audit/alder.jsonl");
    let chain = std::fs::read_to_string(&export).unwrap();
    std::fs::write(&export, chain.replacen("queued", "waited", 1)).unwrap();
    let found = check(1);
    assert!(
        found["findings"][0]["what"]
            .as_str()
            .unwrap()
            .contains("exported")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_store_comes_from_a_file_or_from_a_credential() {
    let dir = tempfile::tempdir().unwrap();
    let _world = world(dir.path(), "[store]\n", "").await;
    let config = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let key = "key = \"../pki/alder/store.key\"";
    let with = |keys: &str, credentials: Option<PathBuf>| {
        std::fs::write(&config, text.replace(key, keys)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ravelin"));
        command.args(["check-config", "--config", config.to_str().unwrap()]);
        command.env_remove("CREDENTIALS_DIRECTORY");
        if let Some(folder) = credentials {
            command.env("CREDENTIALS_DIRECTORY", folder);
        }
        let output = command.output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), err)
    };
    let credential = "credential = \"store.key\"";
    let folder = dir.path().join("pki/alder");
    assert_eq!(with(key, None).0, 0);
    let (code, err) = with(credential, Some(folder.clone()));
    assert_eq!(code, 0, "{err}");
    for (keys, folder, wanted) in [
        (credential, None, "no service manager"),
        (
            "credential = \"../store.key\"",
            Some(folder.clone()),
            "name of letters",
        ),
        (
            "credential = \"other.key\"",
            Some(folder.clone()),
            "cannot be read",
        ),
        ("", Some(folder.clone()), "named once"),
        (&*format!("{key}\n{credential}"), Some(folder), "named once"),
    ] {
        let (code, err) = with(keys, folder);
        assert_eq!(code, 2, "{keys}: {err}");
        assert!(err.contains(wanted), "{keys}: {err}");
        assert!(err.contains("remedy"), "{err}");
    }
}

/// What waits at ALDER, and the clerk who operates it.
async fn waiting(dir: &Path, links: &str) -> World {
    let mut world = world(dir, "[store]\n", "").await;
    let config = dir.join("config/alder.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    if !links.is_empty() {
        let at = text
            .find("[[link]]\nname = \"birch\"")
            .expect("a link to BIRCH");
        let end = text[at + 8..]
            .find("\n[[")
            .map_or(text.len(), |end| at + 8 + end + 1);
        let copy = text[at..end].replace("name = \"birch\"", "name = \"reserve\"");
        let copy = copy.replace(
            "domains = [\"birch.example\"]",
            "domains = [\"reserve.example\"]",
        );
        assert!(copy.contains("reserve.example"), "{copy}");
        text.insert_str(end, &format!("{copy}{links}\n"));
        std::fs::write(&config, text).unwrap();
        world.alder_config = ravelin::config::load(&config).unwrap();
    }
    world.wake_alder().await.unwrap();
    submit(&world).await;
    world
}

fn order(reason: &str) -> Order {
    Order {
        reason: reason.to_owned(),
        ..Order::default()
    }
}

fn this(row: &ravelin::store::EntryRow) -> Order {
    Order {
        entry: Some(row.id),
        ..order("birch is down")
    }
}

async fn until_tried(world: &World) -> ravelin::store::EntryRow {
    loop {
        let rows = world.desk("clerk").unwrap().queue().await.unwrap();
        if let Some(row) = rows.into_iter().find(|row| row.attempts > 0) {
            return row;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_works_on_the_queue_of_a_running_switch_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = waiting(dir.path(), "").await;
    let row = until_tried(&world).await;
    let (clerk, drafter) = (world.desk("clerk").unwrap(), world.desk("drafter").unwrap());
    let entry = Order {
        entry: Some(row.id),
        ..order("exercise")
    };
    for error in [
        drafter.queue().await.err(),
        drafter.work_on_queue("hold", &entry).await.err(),
    ] {
        let error = error.unwrap().to_string();
        assert!(error.contains("(role.missing)"), "{error}");
    }
    for (act, wrong, wanted) in [
        (
            "hold",
            Order {
                reason: " ".into(),
                ..entry.clone()
            },
            "give a reason",
        ),
        ("hold", order("exercise"), "name one of"),
        ("burn", entry.clone(), "no such act"),
        ("redirect", entry.clone(), "no such act"),
        (
            "redirect",
            Order {
                to: Some("nowhere".into()),
                ..entry.clone()
            },
            "no link nowhere",
        ),
        (
            "hold",
            Order {
                next_hop: Some("nowhere".into()),
                ..order("exercise")
            },
            "no link nowhere",
        ),
    ] {
        let error = clerk.work_on_queue(act, &wrong).await.err().unwrap();
        assert!(error.to_string().contains(wanted), "{act}: {error}");
    }
    let state = async || clerk.queue().await.unwrap()[0].state;
    let done = clerk.work_on_queue("hold", &entry).await.unwrap();
    assert_eq!(done.done, [row.id]);
    assert_eq!(state().await, ravelin::store::EntryState::Held);
    let again = clerk.work_on_queue("hold", &entry).await.unwrap();
    assert!(again.done.is_empty() && again.not_done[0].text.contains("held already"));
    let message = Order {
        message: Some(row.message),
        ..order("exercise")
    };
    clerk.work_on_queue("resume", &message).await.unwrap();
    assert_eq!(state().await, ravelin::store::EntryState::Ready);

    // Everything for BIRCH is held back; BIRCH comes up and gets nothing, until it is resumed.
    let birch = Order {
        next_hop: Some("birch".into()),
        ..order("exercise")
    };
    let done = clerk.work_on_queue("hold", &birch).await.unwrap();
    assert_eq!(done.paused[0].next_hop, "birch");
    world.wake_birch().await.unwrap();
    clerk.work_on_queue("retry", &birch).await.unwrap();
    submit(&world).await;
    assert_eq!(clerk.queue().await.unwrap().len(), 2);
    let done = clerk.work_on_queue("resume", &birch).await.unwrap();
    assert!(done.paused.is_empty());
    for _ in 0..2 {
        world.birch_mail.wait_for(|_| true).await.unwrap();
    }
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let acts = |act: &str| chain.matches(&format!("\"act\":\"{act}\"")).count();
    assert_eq!((acts("paused"), acts("resumed")), (2, 2));
    assert_eq!(acts("retried-now"), 1);
    assert!(chain.contains("clerk@alder.example") && chain.contains("\"reason\":\"exercise\""));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_message_is_reported_to_its_originator() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = waiting(dir.path(), "").await;
    let row = until_tried(&world).await;
    let remove = Order {
        message: Some(row.message),
        ..order("sent in error")
    };
    let clerk = world.desk("clerk").unwrap();
    let done = clerk.work_on_queue("remove", &remove).await.unwrap();
    assert_eq!(done.done, [row.id]);
    let report = |octets: &[u8]| String::from_utf8_lossy(octets).contains("delivery-status");
    let (_, octets) = world.alder_mail.wait_for(report).await.unwrap();
    let text = String::from_utf8(octets).unwrap();
    assert!(text.contains("To: drafter@alder.example") && text.contains("Action: failed"));
    let none = clerk.work_on_queue("remove", &remove).await.unwrap();
    assert!(none.done.is_empty());
    world.end().await;
}

/// Messages of the switch itself for BIRCH, in one commit.
fn put_many(world: &World, count: usize) -> MessageId {
    let config = &world.alder_config;
    let running = world.running().unwrap();
    let own = seal::OwnMessage {
        to: Address::parse("reader@birch.example").unwrap(),
        subject: "Weather".into(),
        fields: vec![("Content-Type".into(), "text/plain".into())],
        body: "Wind north, 4.\r\n".into(),
        precedence: Precedence::Routine,
        label: None,
        terms: Default::default(),
    };
    let id = MessageId::new(world.clock.fresh_id());
    let sealed = seal::own(config, world.clock.now(), id, own)
        .unwrap()
        .unwrap();
    let mut change = Change::new();
    for _ in 0..count {
        queue::put(
            &mut change,
            sealed.clone(),
            running.queue.schedule(),
            &world.clock,
        );
    }
    running.store.commit_blocking(change).unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_worked_on_in_few_commits_each_with_its_events_and_its_report() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing else is committed meanwhile.
    let rare = "checkpoint-events = 1000000\n";
    let mut world = world(dir.path(), "file = \"../audit/alder.jsonl\"\n", rare).await;
    world.wake_alder().await.unwrap();
    for link in ["birch", "mailboxes"] {
        let hold = Order {
            next_hop: Some(link.into()),
            ..order("exercise")
        };
        let clerk = world.desk("clerk").unwrap();
        clerk.work_on_queue("hold", &hold).await.unwrap();
    }
    submit(&world).await;
    let own = put_many(&world, 2 * TOGETHER + 30);
    let many = 2 * TOGETHER + 31;
    let running = world.running().unwrap();
    assert_eq!(running.queue.waiting_for("birch"), many);
    let all = Which::NextHop("birch".into());
    let acts = |act: &str| {
        let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
        chain.matches(&format!("\"act\":\"{act}\"")).count()
    };
    // Of the drafter's message reports are awaited: it is removed alone.
    for (which, act, many, commits, name) in [
        (Which::Message(own), QueueAct::Hold, many - 1, 3, "paused"),
        (all, QueueAct::Remove, many, 3 + 1, "removed"),
    ] {
        let (before, told) = (running.store.counts().changes, acts(name));
        let done = running
            .switch
            .work_on_queue(&which, &act, "clerk", "sent in error");
        let done = done.await.unwrap();
        assert_eq!((done.done.len(), done.not_done.len()), (many, 0));
        assert_eq!(running.store.counts().changes - before, commits, "{name}");
        assert_eq!(acts(name) - told, many);
    }
    assert_eq!(running.queue.waiting_for("birch"), 0);
    // What somebody wrote is reported; the switch's own words are not.
    assert_eq!(acts("reported"), 1);
    assert_eq!(running.queue.waiting_for("mailboxes"), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_over_another_link_only_if_that_asks_for_the_same_and_permits_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = waiting(dir.path(), "# the reserve").await;
    let row = until_tried(&world).await;
    let clerk = world.desk("clerk").unwrap();
    let to = |link: &str| Order {
        entry: Some(row.id),
        to: Some(link.to_owned()),
        ..order("birch is down")
    };
    // A mailbox at home asks for no triple wrap.
    let home = world
        .alder_config
        .links
        .iter()
        .map(|link| link.name.clone());
    let home = home
        .into_iter()
        .find(|name| name != "birch" && name != "reserve");
    let done = clerk
        .work_on_queue("redirect", &to(&home.unwrap()))
        .await
        .unwrap();
    assert!(done.done.is_empty(), "{done:?}");
    assert!(
        done.not_done[0].text.contains("cannot go that way"),
        "{done:?}"
    );
    // The same layers, but the configuration does not lead there.
    let done = clerk
        .work_on_queue("redirect", &to("reserve"))
        .await
        .unwrap();
    assert!(done.done.is_empty(), "{done:?}");
    assert!(done.not_done[0].text.contains("link birch now"), "{done:?}");
    // Held, so that it is not judged for the old link meanwhile.
    clerk.work_on_queue("hold", &this(&row)).await.unwrap();
    let config = dir.path().join("config/alder.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text
        .replace("[\"birch.example\"]", "[\"old.example\"]")
        .replace("[\"reserve.example\"]", "[\"birch.example\"]");
    std::fs::write(&config, text).unwrap();
    clerk.reload().await.unwrap();
    world.wake_birch().await.unwrap();
    let done = clerk
        .work_on_queue("redirect", &to("reserve"))
        .await
        .unwrap();
    assert_eq!(done.done, [row.id], "{done:?}");
    clerk.work_on_queue("resume", &this(&row)).await.unwrap();
    world.birch_mail.wait_for(|_| true).await.unwrap();
    let chain = std::fs::read_to_string(dir.path().join("audit/alder.jsonl")).unwrap();
    let line = chain
        .lines()
        .find(|line| line.contains("\"redirected\""))
        .unwrap();
    assert!(line.contains("\"to\":\"reserve\"") && line.contains("\"next-hop\":\"birch\""));
    world.end().await;
}
