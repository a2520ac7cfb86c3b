//! What may be written to a terminal: colours where they are wanted, and never a control character
//! from the network.

use std::{borrow::Cow, env, fmt::Write as _, io::IsTerminal};

/// Whether to colour what goes to `stream`: it is a terminal that can, and `NO_COLOR` is not set
/// (no-color.org).
pub(crate) fn colours(stream: &impl IsTerminal) -> bool {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    stream.is_terminal() && !refused && !dumb
}

/// The text with every control character but the line feed and the tab escaped, so that it cannot
/// command the terminal.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let commands = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(commands) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if commands(c) {
            // Writing to a String does not fail.
            write!(safe, "{}", c.escape_unicode()).unwrap_or_default();
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}
