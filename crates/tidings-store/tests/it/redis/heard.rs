//! Who follows a log in a test, and what it was told.

use std::sync::Arc;
use std::time::Duration;

use tidings_hub::{Bounds, Follow, Log, Logged, News};

/// What was told so far.
pub(super) struct Heard {
    follow: Box<dyn Follow>,
    /// Since the log was told to be another.
    pub(super) updates: Vec<Logged>,
    pub(super) anew: Vec<Bounds>,
    pub(super) away: Vec<String>,
    pub(super) back: usize,
}

impl Heard {
    pub(super) fn new(log: &Arc<dyn Log>, from: u64) -> Self {
        Self {
            follow: log.follow(from),
            updates: Vec::new(),
            anew: Vec::new(),
            away: Vec::new(),
            back: 0,
        }
    }

    /// Listens until something is as it should become.
    pub(super) async fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let listening = async {
            while !is_so(self) {
                match self.follow.next().await {
                    News::Updates(updates) => self.updates.extend(updates),
                    News::Anew(bounds) => {
                        self.updates.clear();
                        self.anew.push(bounds);
                    }
                    News::Away(why) => self.away.push(why.to_string()),
                    News::Back => self.back += 1,
                    News::Oldest(_) => {}
                }
            }
        };
        // Longer than any of it takes on a slow machine.
        tokio::time::timeout(Duration::from_mins(1), listening).await.unwrap();
    }

    /// Listens until an update with this data has come.
    pub(super) async fn until_data(&mut self, data: &str) {
        self.until(|heard| heard.updates.last().is_some_and(|logged| logged.update.data == data))
            .await;
    }

    /// The data of all updates.
    pub(super) fn data(&self) -> Vec<&str> {
        self.updates.iter().map(|logged| logged.update.data.as_str()).collect()
    }

    /// The seqs of all updates.
    pub(super) fn seqs(&self) -> Vec<u64> {
        self.updates.iter().map(|logged| logged.seq).collect()
    }
}
