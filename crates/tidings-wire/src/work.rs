//! Counts what the decoder does, so that tests can tell that it does nothing twice.

use std::cell::Cell;

thread_local! {
    static SCANNED_BYTES: Cell<usize> = const { Cell::new(0) };
    static COPIED_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Notes that this many bytes were searched for a line end.
pub(crate) fn scanned(bytes: usize) {
    SCANNED_BYTES.set(SCANNED_BYTES.get() + bytes);
}

/// Notes that this many bytes were copied into an event.
pub(crate) fn copied(bytes: usize) {
    COPIED_BYTES.set(COPIED_BYTES.get() + bytes);
}

/// Starts counting anew.
pub(crate) fn reset() {
    SCANNED_BYTES.set(0);
    COPIED_BYTES.set(0);
}

/// The bytes searched and the bytes copied since the last [`reset`].
pub(crate) fn done() -> (usize, usize) {
    (SCANNED_BYTES.get(), COPIED_BYTES.get())
}
