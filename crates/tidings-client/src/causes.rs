//! The causes of an error, on the error's own line.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::iter::successors;

/// Writes each cause after a colon. Line ends and other control characters in them are escaped: one line it is.
pub(crate) fn write_causes(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    for cause in successors(error.source(), |&cause| cause.source()) {
        f.write_str(": ")?;
        for c in cause.to_string().chars() {
            if c.is_control() {
                write!(f, "{}", c.escape_default())?;
            } else {
                f.write_char(c)?;
            }
        }
    }
    Ok(())
}
