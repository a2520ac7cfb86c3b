//! How events look: one line of JSON each, the bare data, or a tidy view on a terminal.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use serde::Serialize;
use tidings_client::Event;

use crate::terminal::{self, printable};

/// The sequences of the tidy view.
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const PLAIN: &str = "\x1b[0m";

/// How to print events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    /// One line of JSON for each event.
    Json,
    /// The data alone, for other programs.
    Data,
    /// A head line, then the data, for people.
    Terminal { colours: bool },
}

impl Style {
    /// The style that fits standard output.
    pub(super) fn of_stdout(json: bool) -> Self {
        let out = io::stdout();
        match (json, out.is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Terminal { colours: terminal::colours(&out) },
            (false, false) => Self::Data,
        }
    }

    /// Prints an event at once.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(super) fn print(self, event: &Event) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match self {
            Self::Json => writeln!(out, "{}", json(event)?)?,
            Self::Data => writeln!(out, "{}", event.data)?,
            Self::Terminal { colours } => {
                let [dim, bold, plain] = if colours { [DIM, BOLD, PLAIN] } else { [""; 3] };
                let (event_type, id) =
                    (printable(&event.event_type), printable(&event.last_event_id));
                writeln!(out, "{bold}{event_type}{plain} {dim}{id}{plain}")?;
                writeln!(out, "{}", printable(&event.data))?;
            }
        }
        Ok(out.flush()?)
    }
}

/// The event as one line of JSON.
fn json(event: &Event) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        id: &'a str,
        r#type: &'a str,
        data: &'a str,
    }
    let line = Line { id: &event.last_event_id, r#type: &event.event_type, data: &event.data };
    let text = serde_json::to_string(&line)?;
    // JSON lets these through, a terminal obeys some of them. They only occur inside strings.
    let commands = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    if !text.contains(commands) {
        return Ok(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if commands(c) {
            // Writing to a String does not fail.
            write!(safe, "\\u{:04x}", u32::from(c)).unwrap_or_default();
        } else {
            safe.push(c);
        }
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_line_is_one_line_and_commands_no_terminal() {
        let data = "a\nb\u{9b}31m\u{1b}[0m";
        let event = Event {
            event_type: "note".to_owned(),
            data: data.to_owned(),
            last_event_id: "#1-2".to_owned(),
        };
        let line = json(&event).unwrap();
        assert_eq!(line, r##"{"id":"#1-2","type":"note","data":"a\nb\u009b31m\u001b[0m"}"##);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["data"], data);
    }
}
