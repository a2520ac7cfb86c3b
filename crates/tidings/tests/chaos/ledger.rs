//! What publishers were told and what subscribers were told, and whether it is the same.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::subscriber::Seen;

/// How many faults are printed.
const SHOWN: usize = 20;

/// Everything that was acknowledged, and everything that was wrong.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Default)]
struct Book {
    /// An update's data, which no other has, to where it is.
    acknowledged: HashMap<String, Entry>,
    /// What publishers did not try again: it is in the log once, or not at all.
    given_up: HashSet<String>,
    /// The epoch of everything.
    epoch: Option<String>,
    faults: Vec<String>,
}

/// An update that was acknowledged.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) topics: Vec<String>,
    seq: u64,
    by: String,
}

/// A place in the log, as ids tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
}

impl Place {
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let (epoch, seq) = id.strip_prefix('#')?.rsplit_once('-')?;
        Some(Self { epoch: epoch.to_owned(), seq: seq.parse().ok()? })
    }
}

impl Ledger {
    /// Notes that something was wrong.
    pub(crate) fn fault(&self, fault: impl fmt::Display) {
        self.book().faults.push(fault.to_string());
    }

    /// Notes that a publisher has an update's id, and gives its seq.
    pub(crate) fn acknowledge(&self, by: &str, data: &str, topics: &[&str], id: &str) -> u64 {
        let seq = self.place(by, id);
        let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let entry = Entry { topics, seq, by: by.to_owned() };
        let mut book = self.book();
        if let Some(earlier) = book.acknowledged.insert(data.to_owned(), entry)
            && earlier.seq != seq
        {
            book.faults
                .push(format!("{by}: {data:.60} was acknowledged at {} and {seq}", earlier.seq));
        }
        seq
    }

    /// Notes that nobody knows whether an update is in the log.
    pub(crate) fn give_up(&self, data: &str) {
        self.book().given_up.insert(data.to_owned());
    }

    /// Reads an id, which must be of the one log that all others are of.
    pub(crate) fn place(&self, who: &str, id: &str) -> u64 {
        let mut book = self.book();
        let Some(place) = Place::parse(id) else {
            book.faults.push(format!("{who} was told the id {id:?}"));
            return 0;
        };
        let epoch = book.epoch.get_or_insert_with(|| place.epoch.clone()).clone();
        if epoch != place.epoch {
            book.faults.push(format!("{who} was told {id}, and the log is {epoch}"));
        }
        place.seq
    }

    /// How many updates were acknowledged so far.
    pub(crate) fn count(&self) -> usize {
        self.book().acknowledged.len()
    }

    /// Compares what somebody saw with what there is for them.
    pub(crate) fn compare(&self, seen: &Seen) {
        let mut book = self.book();
        let who = &seen.name;
        let mut places: HashMap<&str, u64> = HashMap::new();
        let mut faults = Vec::new();
        for (seq, data) in &seen.updates {
            if let Some(earlier) = places.insert(data, *seq) {
                faults.push(format!("{who} saw {data:.60} twice: at {earlier} and {seq}"));
            }
            match book.acknowledged.get(data) {
                Some(entry) if !seen.wish.covers(entry) => {
                    faults.push(format!("{who} saw {data:.60}, which is on {:?}", entry.topics));
                }
                Some(entry) if entry.seq == *seq => {}
                Some(entry) => {
                    let (there, by) = (entry.seq, &entry.by);
                    faults.push(format!(
                        "{who} saw {data:.60} of {by} at {seq}, and it is at {there}"
                    ));
                }
                None if book.given_up.contains(data) => {}
                None => {
                    faults.push(format!("{who} saw {data:.60} at {seq}, which nobody published"));
                }
            }
        }
        let is_missed = |(data, entry): &(&String, &Entry)| {
            seen.wish.covers(entry) && !places.contains_key(data.as_str())
        };
        let mut missed: Vec<_> = book.acknowledged.iter().filter(is_missed).collect();
        missed.sort_by_key(|(_, entry)| entry.seq);
        for (data, Entry { seq, by, .. }) in missed {
            // What came next, and on which stream.
            let next = seen.updates.partition_point(|(seen, _)| seen < seq);
            let stream = seen.begun.iter().rfind(|(begun, _)| *begun <= next);
            let stream = stream.map_or("no stream", |(_, stream)| stream);
            faults.push(format!("{who} missed {data:.60} of {by} at {seq}, on {stream}"));
        }
        book.faults.extend(faults);
    }

    /// Fails if anything was wrong.
    pub(crate) fn check(&self) {
        let book = self.book();
        let (count, first) = (book.faults.len(), book.faults.iter().take(SHOWN));
        let first = first.map(String::as_str).collect::<Vec<_>>().join("\n");
        assert!(count == 0, "{count} faults, the first of them:\n{first}");
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
