//! Memory at hand: of the machine, and of the control group that this process is in.
//!
//! Promises: the scarcest bound counts, be it of the machine, of the group (`MemoryMax`, `MemoryHigh`
//! of a unit) or of one above it; pages of files, which the kernel gives back by itself, are at hand.
//! Where the system says nothing, nothing is told.
//! Standards: proc(5); control groups version 2 (memory.max, .high, .current, .stat).

use std::path::{Component, Path};

/// Hundredths of the memory that are at hand, where the system says so.
pub(super) fn at_hand() -> Option<u64> {
    within(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
}

fn within(proc: &Path, groups: &Path) -> Option<u64> {
    machine(proc).into_iter().chain(group(proc, groups)).min()
}

fn machine(proc: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(proc.join("meminfo")).ok()?;
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let number = line.trim().trim_end_matches("kB").trim();
        number.parse::<u64>().ok()
    };
    hundredths(kilobytes("MemAvailable:")?, kilobytes("MemTotal:")?)
}

/// Of the group and those above it, the scarcest one that has a bound.
fn group(proc: &Path, groups: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(proc.join("self/cgroup")).ok()?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // A group outside of our name space is not ours to look at.
    let mut parts = Path::new(own).components();
    if !parts.all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let mut least = None;
    for place in groups.join(own).ancestors() {
        least = least.into_iter().chain(of(place)).min();
        if place == groups {
            break;
        }
    }
    least
}

fn of(place: &Path) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(place.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    // Without a bound there stands `max`.
    let bounds = [number("memory.max"), number("memory.high")];
    let all = bounds.into_iter().flatten().min()?;
    let stat = read("memory.stat").unwrap_or_default();
    let pages = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse::<u64>().ok())
            .unwrap_or(0)
    };
    let files = pages("inactive_file ").saturating_add(pages("active_file "));
    let used = number("memory.current")?.saturating_sub(files);
    hundredths(all.saturating_sub(used), all)
}

fn hundredths(free: u64, all: u64) -> Option<u64> {
    let share = u128::from(free).saturating_mul(100).checked_div(all.into());
    u64::try_from(share?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system of files: contents by path.
    fn system(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        dir
    }

    fn told(files: &[(&str, &str)]) -> Option<u64> {
        let dir = system(files);
        within(&dir.path().join("proc"), &dir.path().join("groups"))
    }

    const MACHINE: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    600 kB\n",
    );
    const GROUP: (&str, &str) = (
        "proc/self/cgroup",
        "4:memory:/elsewhere\n0::/system.slice/ravelin.service\n",
    );
    const OWN: &str = "groups/system.slice/ravelin.service";

    #[test]
    fn the_scarcest_of_machine_and_groups_counts() {
        let name = |file: &str| format!("{OWN}/{file}");
        let (max, high) = (name("memory.max"), name("memory.high"));
        let (current, stat) = (name("memory.current"), name("memory.stat"));
        let used = (current.as_str(), "900\n");
        let files = (
            stat.as_str(),
            "anon 1\ninactive_file 300\nactive_file 100\n",
        );
        let above = "groups/system.slice/memory";
        let [above_max, above_current] = ["max", "current"].map(|n| format!("{above}.{n}"));
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[MACHINE]), Some(60));
        // No bound, and a bound that leaves more than the machine has.
        assert_eq!(told(&[MACHINE, GROUP, (&max, "max\n"), used]), Some(60));
        assert_eq!(told(&[MACHINE, GROUP, (&max, "9000\n"), used]), Some(60));
        // Half of what is used are pages of files, which are at hand.
        assert_eq!(told(&[MACHINE, GROUP, (&max, "1000\n"), used]), Some(10));
        let own = [MACHINE, GROUP, (&max, "1000\n"), used, files];
        assert_eq!(told(&own), Some(50));
        let high = (high.as_str(), "600\n");
        assert_eq!(told(&[&own[..], &[high]].concat()), Some(16));
        let above = [(above_max.as_str(), "2000"), (&above_current, "1960")];
        assert_eq!(told(&[&own[..], &above].concat()), Some(2));
        // More is used than there may be.
        assert_eq!(told(&[MACHINE, GROUP, (&max, "100\n"), used]), Some(0));
        // Without the machine's word the group's counts.
        assert_eq!(told(&own[1..]), Some(50));
    }

    #[test]
    fn what_cannot_be_read_or_is_not_ours_is_passed_over() {
        let max = format!("{OWN}/memory.max");
        for wrong in ["", "-5", "1e3", "many"] {
            assert_eq!(told(&[MACHINE, GROUP, (&max, wrong)]), Some(60), "{wrong}");
        }
        let outside = ("proc/self/cgroup", "0::/../other\n");
        let other = ("groups/other/memory.max", "1");
        assert_eq!(told(&[MACHINE, outside, other]), Some(60));
        assert_eq!(
            told(&[("proc/meminfo", "MemTotal: 0 kB\nMemAvailable: 0 kB\n")]),
            None
        );
        assert!(at_hand().is_some_and(|share| share <= 100));
    }
}
