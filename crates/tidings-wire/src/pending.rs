//! The three buffers of the format: data, event type and last event id (WHATWG HTML 9.2.6).
//!
//! What lies in the chunk at hand is borrowed from it ([`Borrowed`]); it is copied ([`Pending`])
//! only when the chunk ends, or something else is handed out, before the event does.

use std::mem;

use crate::EventRef;
use crate::chunk::Stretch;
use crate::text::{self, Text};

/// The parts of an unfinished event that lie in the chunk at hand. They stand after, or for the
/// type instead of, what is pending.
#[derive(Default)]
pub(crate) struct Borrowed<'c> {
    /// The value of the event's only `data` line so far. Some only while nothing is pending.
    data: Option<&'c str>,
    /// The value of the last `event` line.
    pub(crate) event_type: Option<&'c str>,
}

/// The parts of an unfinished event that had to be copied, and the ids.
#[derive(Default)]
pub(crate) struct Pending {
    /// The `data` values, joined with LF.
    data: Text,
    /// Whether there was a `data` line: an empty one counts.
    has_data: bool,
    /// The value of the last `event` line; empty if there was none.
    event_type: String,
    /// The value of the last `id` line.
    id: String,
    /// Whether `id` is to become the last event id at the next blank line.
    has_id: bool,
    /// Whether the block that ended last had an id.
    ended_with_id: bool,
    /// The last event id that a blank line has confirmed.
    last_event_id: String,
}

impl Pending {
    pub(crate) fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// Replaces the confirmed last event id.
    pub(crate) fn seed(&mut self, last_event_id: &str) {
        last_event_id.clone_into(&mut self.last_event_id);
    }

    /// Copies what is borrowed, so that its chunk can go.
    pub(crate) fn keep(&mut self, borrowed: &mut Borrowed<'_>) {
        if let Some(data) = borrowed.data.take() {
            self.push_line(data);
        }
        if let Some(event_type) = borrowed.event_type.take() {
            self.set_type(event_type);
        }
    }

    /// The size of the event's data if one more `data` line, still empty, begins.
    #[inline]
    pub(crate) fn next_line_at(&self, borrowed: &Borrowed<'_>) -> usize {
        match borrowed.data {
            Some(data) => data.len() + 1,
            None if self.has_data => self.data.bytes() + 1,
            None => 0,
        }
    }

    /// The size of the event's data that has been copied, in bytes as they came.
    pub(crate) fn data_bytes(&self) -> usize {
        self.data.bytes()
    }

    /// Adds a whole `data` line.
    #[inline]
    pub(crate) fn add_data<'c>(&mut self, value: &'c str, borrowed: &mut Borrowed<'c>) {
        if !self.has_data && borrowed.data.is_none() {
            borrowed.data = Some(value);
            return;
        }
        if let Some(first) = borrowed.data.take() {
            self.push_line(first);
        }
        self.push_line(value);
    }

    /// Adds a whole `data` line that is not UTF-8.
    #[cold]
    pub(crate) fn add_faulty_data(&mut self, value: &[u8], borrowed: &mut Borrowed<'_>) {
        if let Some(first) = borrowed.data.take() {
            self.push_line(first);
        }
        self.begin_data();
        self.append_data(Stretch { bytes: value, text: None });
        self.end_data();
    }

    /// Copies a whole `data` line.
    fn push_line(&mut self, value: &str) {
        #[cfg(test)]
        crate::work::copied(value.len());
        self.begin_data();
        self.data.push_str(value);
    }

    /// Begins a `data` line whose value comes by [`append_data`](Self::append_data).
    pub(crate) fn begin_data(&mut self) {
        if self.has_data {
            self.data.push_str("\n");
        }
        self.has_data = true;
    }

    pub(crate) fn append_data(&mut self, value: Stretch<'_>) {
        #[cfg(test)]
        crate::work::copied(value.bytes.len());
        self.data.push(value);
    }

    pub(crate) fn end_data(&mut self) {
        self.data.end();
    }

    /// Takes the value of an `event` line that is not UTF-8.
    #[cold]
    pub(crate) fn add_faulty_type(&mut self, value: &[u8], borrowed: &mut Borrowed<'_>) {
        borrowed.event_type = None;
        text::set(&mut self.event_type, value);
    }

    /// Copies the value of an `event` line.
    pub(crate) fn set_type(&mut self, value: &str) {
        value.clone_into(&mut self.event_type);
    }

    /// Takes the value of an `id` line; one with NUL is ignored.
    #[inline]
    pub(crate) fn set_id(&mut self, value: &str) {
        if !value.as_bytes().contains(&b'\0') {
            value.clone_into(&mut self.id);
            self.has_id = true;
        }
    }

    /// Takes the value of an `id` line that is not UTF-8.
    #[cold]
    pub(crate) fn set_faulty_id(&mut self, value: &[u8]) {
        self.set_id(&String::from_utf8_lossy(value));
    }

    /// Acts on a blank line: confirms the id, and tells whether there is an event.
    #[inline]
    pub(crate) fn end_block(&mut self, borrowed: &mut Borrowed<'_>) -> bool {
        self.ended_with_id = mem::take(&mut self.has_id);
        if self.ended_with_id {
            mem::swap(&mut self.last_event_id, &mut self.id);
        }
        if self.has_data || borrowed.data.is_some() {
            return true;
        }
        borrowed.event_type = None;
        self.event_type.clear();
        false
    }

    /// The event that a blank line has ended.
    #[inline]
    pub(crate) fn event<'d>(&'d self, borrowed: &Borrowed<'d>) -> EventRef<'d> {
        let event_type = borrowed.event_type.unwrap_or(&self.event_type);
        EventRef {
            event_type: if event_type.is_empty() { "message" } else { event_type },
            data: borrowed.data.unwrap_or(self.data.as_str()),
            last_event_id: &self.last_event_id,
            has_id: self.ended_with_id,
        }
    }

    /// Forgets the data and the type: their event has been handed out.
    #[inline]
    pub(crate) fn clear_event(&mut self) {
        if self.has_data {
            self.has_data = false;
            self.data.clear();
        }
        self.event_type.clear();
    }

    /// Forgets everything but the confirmed last event id.
    pub(crate) fn clear(&mut self) {
        *self = Self { last_event_id: mem::take(&mut self.last_event_id), ..Self::default() };
    }
}
