//! The text format of Prometheus, version 0.0.4, written.
//!
//! A writer of our own: what is shown is read when it is asked for, from the store, the queue and the
//! tally of events, so there is no registry to keep beside them; a crate would be larger than this file.
//! Promises: each family stands once and in one piece; a value of a label cannot end its line.

use std::fmt::{Display, Write};

/// What a family of series is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A page that is being written.
#[derive(Default)]
pub(super) struct Page(String);

impl Page {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// One series of the family that was begun last.
    pub(super) fn series(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (number, (label, text)) in labels.iter().enumerate() {
            let before = if number == 0 { '{' } else { ',' };
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    /// A gauge of one series.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Gauge, help);
        self.series(name, &[], value);
    }

    /// A counter of one series.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Kind::Counter, help);
        self.series(name, &[], value);
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_ends_no_line_and_no_label() {
        let mut page = Page::default();
        page.family("x", Kind::Counter, "Two\nlines\\");
        page.series("x", &[("a", "b\"} 9\ny 1\\"), ("c", "")], 3);
        page.gauge("y", "", 1.5);
        assert_eq!(
            page.text(),
            "# HELP x Two\\nlines\\\\\n# TYPE x counter\nx{a=\"b\\\"} 9\\ny 1\\\\\",c=\"\"} 3\n\
             # HELP y \n# TYPE y gauge\ny 1.5\n"
        );
    }
}
