//! The mark of each precedence on the packets themselves, as the next hop gets them.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use super::*;

/// A next hop that tells with which marks messages came. Dropped, it ends.
struct Peer {
    child: Child,
    told: mpsc::Receiver<String>,
    port: u64,
    sees_all: bool,
}

impl Peer {
    /// None where the machine has no such address.
    fn open(address: &str) -> Option<Self> {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/operation/peer.py");
        let mut child = Command::new("python3")
            .args([program, address])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let Ok(first) = told.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        };
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        Some(Self {
            child,
            told,
            port: first["port"].as_u64().unwrap(),
            sees_all: first["raw"] == true,
        })
    }

    /// What it tells of the next message.
    fn next(&mut self) -> serde_json::Value {
        let line = self.told.recv_timeout(PATIENCE).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_hop_gets_each_message_with_the_mark_of_its_precedence_in_both_families() {
    if !is_there("python3") {
        return;
    }
    // A loopback address of its own: a raw socket sees what is for its address.
    for (address, quoted) in [("127.77.0.1", "127.77.0.1"), ("::1", "[::1]")] {
        let Some(mut peer) = Peer::open(address) else {
            eprintln!("skipped: this machine has no {address}");
            continue;
        };
        if !peer.sees_all {
            eprintln!("skipped in part: no raw socket for {address}; first packets alone are seen");
        }
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path(), "", "").await;
        let config = dir.path().join("config/alder.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let mailboxes = world.alder_mail.address.to_string();
        assert!(text.contains(&mailboxes));
        // One that differs from the default: it is read from the configuration.
        let text = text.replace(&mailboxes, &format!("{quoted}:{}", peer.port));
        let own = "[queue]\ndscp = [[\"priority\", 18]]\n";
        std::fs::write(&config, text + own).unwrap();
        world.alder_config = ravelin::config::load(&config).unwrap();
        world.wake_alder().await.unwrap();
        for (precedence, dscp) in [
            (Precedence::Flash, 24),
            (Precedence::Routine, 0),
            (Precedence::Priority, 18),
            (Precedence::Immediate, 16),
            (Precedence::Deferred, 1),
            (Precedence::Override, 32),
        ] {
            let (code, text) =
                send_as(&world, "reader@alder.example", "RESTRICTED", precedence).await;
            assert_eq!(code, 250, "{text}");
            let (back, told) = tokio::task::spawn_blocking(move || {
                let told = peer.next();
                (peer, told)
            })
            .await
            .unwrap();
            peer = back;
            assert_eq!(told["precedence"], precedence.number().to_string());
            // A connection that is kept from another message was opened for that one.
            if told["fresh"] == true {
                assert_eq!(told["syn"], dscp, "{precedence} over {address}: {told}");
            }
            if peer.sees_all {
                let data = serde_json::json!([dscp]);
                assert_eq!(told["data"], data, "{precedence} over {address}: {told}");
            }
        }
        world.end().await;
    }
}
