//! How much of the log is asked for at a time by who follows it: an answer has to fit into memory, and to come before
//! the patience with the server is over.

/// How many bytes of records are asked for at the most. A single record may be larger.
const MAX_BYTES: usize = 1024 * 1024;
/// How many at the least: less does not come faster, for a record is given whole.
const MIN_BYTES: usize = 4 * 1024;

/// How many entries the server is asked for when it is waited on, which cannot be told a number of bytes. Whoever is
/// further behind asks for pages.
const MAX_ENTRIES: usize = 8;

/// How much to ask for.
#[derive(Debug)]
pub(super) struct Pace {
    bytes: usize,
    /// The largest record of the latest answer that had any.
    largest: usize,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { bytes: MAX_BYTES, largest: MAX_BYTES }
    }

    /// After how many bytes a page is to end.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many entries of the size of those before are about as many bytes.
    pub(super) fn entries(&self) -> usize {
        (self.bytes / self.largest.max(1)).clamp(1, MAX_ENTRIES)
    }

    /// An answer has come. Where that was quick, more is asked for again.
    pub(super) fn came(&mut self, largest: Option<usize>, was_quick: bool) {
        self.largest = largest.unwrap_or(self.largest);
        if was_quick {
            self.bytes = self.bytes.saturating_mul(2).min(MAX_BYTES);
        }
    }

    /// An answer has not come in time.
    pub(super) fn came_not(&mut self) {
        self.bytes = (self.bytes / 2).max(MIN_BYTES);
        self.largest = MAX_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_is_asked_for_the_larger_and_the_later_it_comes() {
        let mut pace = Pace::new();
        assert_eq!((pace.bytes(), pace.entries()), (MAX_BYTES, 1), "nothing is known at first");
        pace.came(Some(200), true);
        assert_eq!((pace.bytes(), pace.entries()), (MAX_BYTES, MAX_ENTRIES));
        pace.came(Some(MAX_BYTES / 3), true);
        assert_eq!(pace.entries(), 3);
        pace.came(Some(32 * MAX_BYTES), true);
        assert_eq!(pace.entries(), 1);
        for _ in 0..20 {
            pace.came_not();
        }
        pace.came(Some(200), false);
        assert_eq!(pace.bytes(), MIN_BYTES);
        for _ in 0..20 {
            pace.came(None, true);
        }
        assert_eq!((pace.bytes(), pace.entries()), (MAX_BYTES, MAX_ENTRIES));
    }
}
