//! Duty: the SIO-Label-History fields of one message, newest first, and whether they tell one story.
//! Promises: every break is named; nothing here decides access (RFC 7444 §3: informational only).
//! Refuses: nothing. A field that cannot be read is a break of its own.
//! Standards: RFC 7444 §3, RFC 5322 §2.2.3 and §3.3.

use jiff::fmt::rfc2822;

use super::nato::Tolerance;
use super::policy::Policies;
use super::sio::{FIELD, HISTORY_FIELD, History, SioLabel};

/// What the fields of a message say about its label.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Story {
    /// Each history field that can be read, in the order of the message: the newest first.
    pub entries: Vec<History>,
    /// The SIO-Label of today.
    pub current: Option<SioLabel>,
    /// What does not fit together.
    pub breaks: Vec<Break>,
}

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// `history.malformed`, `history.date`, `history.chain` or `history.current`.
    pub id: &'static str,
    /// What is wrong.
    pub text: String,
}

/// Reads the SIO-Label and SIO-Label-History fields of a header; other fields and the body are passed over.
pub fn read(header: &str, policies: &Policies, tolerances: &[Tolerance]) -> Story {
    let mut story = Story::default();
    for (name, body) in fields(header) {
        if name.eq_ignore_ascii_case(HISTORY_FIELD) {
            match History::parse(&body) {
                Ok(entry) => story.entries.push(entry),
                Err(error) => story.broken("history.malformed", error.to_string()),
            }
        } else if name.eq_ignore_ascii_case(FIELD) {
            match SioLabel::parse(&body) {
                Ok(label) if story.current.is_none() => story.current = Some(label),
                Ok(_) => story.broken("history.malformed", "there are two SIO-Label fields".into()),
                Err(error) => story.broken("history.malformed", error.to_string()),
            }
        }
    }
    story.check(policies, tolerances);
    story
}

/// The fields up to the first empty line, unfolded.
fn fields(header: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in header.lines() {
        if line.trim_end_matches('\r').is_empty() {
            break;
        }
        // RFC 5322 §2.2.3: a line that begins with white space continues the field.
        match (line.starts_with([' ', '\t']), found.last_mut()) {
            (true, Some((_, body))) => body.push_str(line),
            _ => {
                let (name, body) = line.split_once(':').unwrap_or((line, ""));
                found.push((name.trim_end().to_owned(), body.to_owned()));
            }
        }
    }
    found
}

impl Story {
    fn broken(&mut self, id: &'static str, text: String) {
        self.breaks.push(Break { id, text });
    }

    fn check(&mut self, policies: &Policies, tolerances: &[Tolerance]) {
        let same = |one: Option<&SioLabel>, two: Option<&SioLabel>| match (one, two) {
            (None, None) => true,
            (Some(one), Some(two)) => alike(one, two, policies, tolerances),
            _ => false,
        };
        let mut breaks = Vec::new();
        let mut later: Option<jiff::Timestamp> = None;
        for (at, entry) in self.entries.iter().enumerate() {
            let by = &entry.changed_by;
            // RFC 5322 §3.3.
            match rfc2822::parse(&entry.changed_at).map(|zoned| zoned.timestamp()) {
                Err(_) => {
                    let text = format!("{by}: \"{}\" is no date and time", entry.changed_at);
                    breaks.push(("history.date", text));
                }
                Ok(time) => {
                    if later.is_some_and(|later| time > later) {
                        let text = format!("{by} stands below a change that was made before it");
                        breaks.push(("history.date", text));
                    }
                    later = Some(time);
                }
            }
            // RFC 7444 §3: an agent prepends its field, so the one below tells what was before.
            if let Some(before) = self.entries.get(at.saturating_add(1))
                && !same(entry.old.as_ref(), before.new.as_ref())
            {
                let text = format!("{by} found another label than {} left", before.changed_by);
                breaks.push(("history.chain", text));
            }
        }
        if let Some(newest) = self.entries.first()
            && !same(newest.new.as_ref(), self.current.as_ref())
        {
            let text = format!(
                "the SIO-Label is not the one that {} left",
                newest.changed_by
            );
            breaks.push(("history.current", text));
        }
        for (id, text) in breaks {
            self.broken(id, text);
        }
    }
}

/// By meaning where both have a label that can be read, else as written.
fn alike(one: &SioLabel, two: &SioLabel, policies: &Policies, tolerances: &[Tolerance]) -> bool {
    let label = |field: &SioLabel| field.label(policies, tolerances).ok().flatten();
    match (label(one), label(two)) {
        (Some(one), Some(two)) => one == two,
        _ => (&one.value, &one.marking) == (&two.value, &two.marking),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "type=\":ess\"; label=\"MQYCAQMGASk=\"";
    const THREE_BER: &str = "type=\":x411\"; label=\"MQYGASkCAQM=\"";
    const FOUR: &str = "type=\":ess\"; label=\"MQYCAQQGASk=\"";

    fn ids(header: &str) -> Vec<&'static str> {
        let story = read(header, &Policies::default(), &[]);
        story.breaks.iter().map(|one| one.id).collect()
    }

    fn entry(change: &str, day: u8, labels: &str) -> String {
        format!(
            "SIO-Label-History: change={change}; changed-by=\"a{day}.example\";\r\n \
             changed-at=\"{day} Jan 2026 00:00:00 +0000\"; {labels}\r\n"
        )
    }

    fn new(label: &str) -> String {
        label
            .replace("type", "new-type")
            .replace("label=", "new-label=")
    }

    #[test]
    fn one_story() {
        let add = entry("add", 1, &new(THREE));
        let replace = entry("replace", 2, &format!("{THREE_BER}; {}", new(FOUR)));
        let current = format!("SIO-Label: {FOUR}\r\n");
        let header = format!("Subject: x\r\n{replace}{add}{current}\r\nSIO-Label: x\r\n");
        assert_eq!(ids(&header), Vec::<&str>::new());
        assert_eq!(read(&header, &Policies::default(), &[]).entries.len(), 2);
        let delete = entry("delete", 3, FOUR);
        assert_eq!(ids(&format!("{delete}{replace}{add}")), Vec::<&str>::new());
        assert_eq!(
            ids(&format!("{delete}{replace}{add}{current}")),
            ["history.current"]
        );
        assert_eq!(
            ids(&format!("{replace}{add}SIO-Label: {THREE}\r\n")),
            ["history.current"]
        );
        let other = entry("replace", 2, &format!("{FOUR}; {}", new(FOUR)));
        assert_eq!(ids(&format!("{other}{add}{current}")), ["history.chain"]);
        let late = entry("add", 5, &new(THREE));
        assert_eq!(ids(&format!("{replace}{late}{current}")), ["history.date"]);
        let undated = add.replace("1 Jan 2026", "soon");
        assert_eq!(
            ids(&format!("{replace}{undated}{current}")),
            ["history.date"]
        );
        let malformed = add.replace("change=add", "change=alter");
        assert_eq!(ids(&format!("{malformed}{current}")), ["history.malformed"]);
        assert_eq!(ids(&format!("{current}{current}")), ["history.malformed"]);
    }
}
