//! The causes of an error, on the error's own line.

use std::error::Error;
use std::fmt;
use std::iter::successors;

use crate::refusal::said;

/// Writes each cause after a colon, as a server's reason is: on one line.
pub(crate) fn write_causes(f: &mut fmt::Formatter<'_>, error: &dyn Error) -> fmt::Result {
    for cause in successors(error.source(), |&cause| cause.source()) {
        write!(f, ": {}", said(&cause.to_string()))?;
    }
    Ok(())
}
