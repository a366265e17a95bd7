//! Places, times, permits, slots, windows and lanes: each has a default, a key, bounds, and an error
//! that names the line.

mod support;

use std::path::Path;
use std::time::Duration;

use ravelin::cli::demo::World;
use ravelin::clock::Clock;
use ravelin::config::{self, Capacity, Config, Deliveries, Timers};
use ravelin::store::Groups;

/// ALDER's configuration with `more` after `mark`; or why it is none.
fn load(dir: &Path, mark: &str, more: &str) -> Result<Config, String> {
    let text = std::fs::read_to_string(dir.join("config/alder.toml")).unwrap();
    let text = match mark {
        "" => format!("{text}\n{more}\n"),
        mark => {
            assert!(text.contains(mark), "{mark}");
            text.replacen(mark, &format!("{mark}{more}\n"), 1)
        }
    };
    let file = dir.join("config/changed.toml");
    std::fs::write(&file, &text).unwrap();
    config::load(&file).map_err(|error| {
        // The line that is named is the one that was changed.
        let line = error.line.unwrap_or(0);
        let named = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        format!("{named} | {error}")
    })
}

const LISTEN: &str = "[[listen]]\nname = \"more\"\naddress = \"127.0.0.1:0\"\nrole = \"relay\"\n";

#[tokio::test]
async fn what_is_not_written_has_its_default() {
    let dir = tempfile::tempdir().unwrap();
    World::found(dir.path(), Clock::system(), "").await.unwrap();
    let config = load(dir.path(), "", LISTEN).unwrap();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let usual = Capacity {
        permits: cores,
        reserved_permits: cores.div_ceil(2),
        deliveries: Deliveries {
            slots: 50,
            reserved: 2,
            window: 5,
            widest: 20,
        },
        groups: Groups {
            most: (256, 4 << 20),
            beside: (8, 64 << 10),
        },
    };
    assert_eq!(config.capacity, usual);
    let listener = config.listeners.last().unwrap();
    let places = (
        listener.connections,
        listener.reserved,
        listener.connections_per_source,
        listener.connections_per_minute,
    );
    assert_eq!(places, (500, 50, 20, 300));
    let seconds = Duration::from_secs;
    let timers = Timers {
        idle: seconds(60),
        idle_when_crowded: seconds(10),
        handshake: seconds(15),
        session: seconds(1800),
        least_rate: 1024,
    };
    assert_eq!(listener.timers, timers);
    assert_eq!(config.links[0].longest_line, 998);
}

#[tokio::test]
async fn what_is_written_counts() {
    let dir = tempfile::tempdir().unwrap();
    World::found(dir.path(), Clock::system(), "").await.unwrap();
    let read = |mark, more: &str| load(dir.path(), mark, more).unwrap();
    let capacity = read("[switch]\n", "permits = 3\nreserved-permits = 7").capacity;
    assert_eq!((capacity.permits, capacity.reserved_permits), (3, 7));
    let queue = "[queue]\nslots = 9\nreserved = 8\nwindow = 30\nwidest = 31";
    let deliveries = Deliveries {
        slots: 9,
        reserved: 8,
        window: 30,
        widest: 31,
    };
    assert_eq!(read("", queue).capacity.deliveries, deliveries);
    // The widest is never less than the first one.
    assert_eq!(
        read("", "[queue]\nwindow = 30").capacity.deliveries.widest,
        30
    );
    assert_eq!(
        read("", "[queue]\nslots = 2").capacity.deliveries.reserved,
        1
    );
    let store = "group = [10, \"1MiB\"]\nbeside-urgent = [1, \"4KiB\"]";
    let groups = Groups {
        most: (10, 1 << 20),
        beside: (1, 4 << 10),
    };
    assert_eq!(read("[store]\n", store).capacity.groups, groups);
    let listen = format!(
        "{LISTEN}connections = 8\nreserved = 7\nconnections-per-source = 5\n\
         connections-per-minute = 6\nidle = \"2m\"\nidle-when-crowded = \"3s\"\n\
         handshake = \"4s\"\nsession = \"5m\"\nleast-rate = \"6B\""
    );
    let config = read("", &listen);
    let listener = config.listeners.last().unwrap();
    assert_eq!((listener.connections, listener.reserved), (8, 7));
    let seconds = Duration::from_secs;
    let timers = Timers {
        idle: seconds(120),
        idle_when_crowded: seconds(3),
        handshake: seconds(4),
        session: seconds(300),
        least_rate: 6,
    };
    assert_eq!(listener.timers, timers);
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_at_its_line() {
    let dir = tempfile::tempdir().unwrap();
    World::found(dir.path(), Clock::system(), "").await.unwrap();
    for (mark, section, wrong, remedy) in [
        ("[switch]\n", "", "permits = 0", "from 1 to 1000"),
        (
            "[switch]\n",
            "",
            "reserved-permits = 1001",
            "from 1 to 1000",
        ),
        ("", "[queue]\n", "slots = 1", "from 2 to 1000"),
        ("", "[queue]\nslots = 5\n", "reserved = 5", "from 1 to 4"),
        ("", "[queue]\n", "reserved = 0", "from 1 to 49"),
        ("", "[queue]\n", "window = 0", "from 1 to 1000"),
        ("", "[queue]\nwindow = 9\n", "widest = 8", "from 9 to 1000"),
        ("[store]\n", "", "group = [0, \"1MiB\"]", "from 1 to 1000"),
        (
            "[store]\n",
            "",
            "group = [1, \"1KiB\"]",
            "from 4KiB to 64MiB",
        ),
        (
            "[store]\n",
            "",
            "beside-urgent = [1, \"1GiB\"]",
            "from 4KiB to 64MiB",
        ),
        ("", LISTEN, "connections = 0", "from 1 to 100000"),
        ("", LISTEN, "reserved = 500", "from 0 to 499"),
        ("", LISTEN, "connections-per-source = 0", "from 1 to 100000"),
        ("", LISTEN, "connections-per-minute = 0", "from 1 to 100000"),
        ("", LISTEN, "idle = \"999ms\"", "from 1s to 60m"),
        ("", LISTEN, "idle-when-crowded = \"61m\"", "from 1s to 60m"),
        ("", LISTEN, "handshake = \"0s\"", "from 1s to 60m"),
        ("", LISTEN, "session = \"1441m\"", "from 1s to 1440m"),
        ("", LISTEN, "least-rate = \"0B\"", "from 1B to 1MiB"),
        (
            "name = \"birch\"\n",
            "",
            "longest-line = \"997B\"",
            "from 998B to 64KiB",
        ),
        (
            "name = \"birch\"\n",
            "",
            "longest-line = \"65KiB\"",
            "from 998B to 64KiB",
        ),
    ] {
        let error = load(dir.path(), mark, &format!("{section}{wrong}"))
            .err()
            .unwrap();
        assert!(error.starts_with(&format!("{wrong} | ")), "{error}");
        assert!(error.contains(remedy), "{error}");
        let key = wrong.split(' ').next().unwrap();
        assert!(error.contains(key), "{error}");
    }
}

/// What is reserved once stays: a reload names each key that it would change, and changes nothing.
#[tokio::test]
async fn none_of_it_changes_while_the_switch_runs() {
    let dir = tempfile::tempdir().unwrap();
    World::found(dir.path(), Clock::system(), "").await.unwrap();
    let before = load(dir.path(), "", "").unwrap();
    let differs = |mark, more| {
        let next = load(dir.path(), mark, more).unwrap();
        before.fixed_differences(&next).join("; ")
    };
    assert_eq!(differs("", ""), "");
    for (mark, more, key) in [
        ("[switch]\n", "permits = 999", "switch.permits"),
        (
            "[switch]\n",
            "reserved-permits = 999",
            "switch.reserved-permits",
        ),
        ("", "[queue]\nwidest = 999", "queue.widest"),
        ("[store]\n", "group = [9, \"1MiB\"]", "store.group"),
        ("role = \"relay\"\n", "idle = \"59s\"", "listen"),
    ] {
        assert!(
            differs(mark, more).contains(key),
            "{more}: {}",
            differs(mark, more)
        );
    }
    // The twin: what a reload may change is no such difference.
    assert_eq!(differs("", "[queue]\ndscp = [[\"flash\", 9]]"), "");
}
