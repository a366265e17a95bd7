//! The log of a command, on the error output: lines for people, for journald, or JSON.
//!
//! `RAVELIN_LOG` says what is logged, `RAVELIN_LOG_FORMAT` how: `text`, `journal` (the level as sd-daemon
//! writes it, without the time, which the journal knows) or `json`. Without it: `journal` when the error
//! output is the journal's, `text` otherwise.
//! Promises: one event is one line, whatever a peer said in it. What messages say is not logged: nobody
//! passes it to the log (`tests/logs.rs` looks for it).
//! Standards: sd-daemon(3), priorities in brackets.

use std::fmt;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Says what goes into the log, such as `warn` or `ravelin=debug`.
const FILTER: &str = "RAVELIN_LOG";
/// Says how.
const FORMAT: &str = "RAVELIN_LOG_FORMAT";
/// Set by systemd when the error output is a stream of the journal.
const JOURNAL: &str = "JOURNAL_STREAM";

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Journal,
    Json,
    Text,
}

/// Begins to log; `unless_told` is what is logged when the environment does not say.
///
/// # Errors
/// When the environment names a form that there is not.
pub(super) fn begin(unless_told: &str) -> Result<(), String> {
    let filter = EnvFilter::try_from_env(FILTER).unwrap_or_else(|_| EnvFilter::new(unless_told));
    let asked = std::env::var(FORMAT).ok();
    let form = form(asked.as_deref(), std::env::var_os(JOURNAL).is_some())?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    match form {
        Form::Json => log.json().init(),
        Form::Journal | Form::Text => log.event_format(Line(form)).init(),
    }
    Ok(())
}

fn form(asked: Option<&str>, journal: bool) -> Result<Form, String> {
    match asked {
        Some("journal") => Ok(Form::Journal),
        Some("json") => Ok(Form::Json),
        Some("text") => Ok(Form::Text),
        None if journal => Ok(Form::Journal),
        None => Ok(Form::Text),
        Some(other) => Err(format!(
            "{FORMAT}: {other:?} is no form of the log\n  remedy: text, journal or json"
        )),
    }
}

struct Line(Form);

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let mut fields = String::new();
        context
            .field_format()
            .format_fields(Writer::new(&mut fields), event)?;
        let fields = one_line(&fields);
        match self.0 {
            Form::Journal => writeln!(writer, "<{}>{target}: {fields}", priority(level)),
            Form::Json | Form::Text => {
                let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ");
                writeln!(writer, "{now} {level:>5} {target}: {fields}")
            }
        }
    }
}

/// The priorities of syslog.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// Control characters become the picture of themselves.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{0}'..='\u{1f}' => {
                char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                char::REPLACEMENT_CHARACTER
            }
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(form: Form) -> String {
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false);
        let said = "550 no\r\n<0>forged: line";
        let work = || tracing::warn!(reply = %said, "refused");
        match form {
            Form::Json => tracing::subscriber::with_default(log.json().finish(), work),
            _ => tracing::subscriber::with_default(log.event_format(Line(form)).finish(), work),
        }
        let octets = written.0.lock().unwrap().clone();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn an_event_is_one_line_in_every_form() {
        let journal = logged(Form::Journal);
        assert!(
            journal.starts_with("<4>ravelin::cli::log::tests: refused"),
            "{journal}"
        );
        assert!(
            journal.contains("reply=550 no␍␊<0>forged: line"),
            "{journal}"
        );
        let text = logged(Form::Text);
        assert!(text.contains("Z  WARN ravelin::cli::log"), "{text}");
        let json = logged(Form::Json);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["fields"]["message"], "refused");
        for line in [journal, text, json] {
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(line.ends_with('\n') && !line.contains('\r'), "{line:?}");
        }
    }

    #[test]
    fn the_form_is_the_one_asked_for_or_the_journals() {
        assert_eq!(form(None, false), Ok(Form::Text));
        assert_eq!(form(None, true), Ok(Form::Journal));
        assert_eq!(form(Some("json"), true), Ok(Form::Json));
        assert_eq!(form(Some("text"), true), Ok(Form::Text));
        assert!(form(Some("xml"), true).unwrap_err().contains("remedy"));
    }
}
