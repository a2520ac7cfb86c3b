//! The three buffers of the format: data, event type and last event id (WHATWG HTML 9.2.6).
//!
//! What lies in the chunk at hand is borrowed from it ([`Borrowed`]); it is copied ([`Pending`])
//! only when the chunk ends, or something else is handed out, before the event does.

use std::mem;

use crate::{EventRef, buffer};

/// The parts of an unfinished event that lie in the chunk at hand. They stand after, or for the
/// type instead of, what is pending.
#[derive(Default)]
pub(crate) struct Borrowed<'c> {
    /// The value of the event's only `data` line so far. Some only while nothing is pending.
    pub(crate) data: Option<&'c [u8]>,
    /// The value of the last `event` line.
    pub(crate) event_type: Option<&'c [u8]>,
}

/// The parts of an unfinished event that had to be copied, and the ids.
#[derive(Default)]
pub(crate) struct Pending {
    /// The `data` values, as they came, joined with LF.
    data: Vec<u8>,
    /// Whether there was a `data` line: an empty one counts.
    has_data: bool,
    /// The value of the last `event` line; empty if there was none.
    event_type: Vec<u8>,
    /// The value of the last `id` line.
    id: String,
    /// Whether `id` is to become the last event id at the next blank line.
    has_id: bool,
    /// The last event id that a blank line has confirmed.
    last_event_id: String,
    /// The data with U+FFFD in it, where it was not UTF-8.
    replaced_data: String,
    /// The type of the last event that named one. Most streams repeat a few types, and comparing
    /// is cheaper than checking short values for UTF-8 each time.
    last_type: String,
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
            self.begin_data();
            self.append_data(data);
        }
        if let Some(event_type) = borrowed.event_type.take() {
            self.event_type.clear();
            self.event_type.extend_from_slice(event_type);
        }
    }

    /// The size of the event's data if one more `data` line, still empty, begins.
    #[inline]
    pub(crate) fn next_line_at(&self, borrowed: &Borrowed<'_>) -> usize {
        match borrowed.data {
            Some(data) => data.len() + 1,
            None if self.has_data => self.data.len() + 1,
            None => 0,
        }
    }

    /// The size of the event's data that has been copied.
    pub(crate) fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// Adds a whole `data` line.
    #[inline]
    pub(crate) fn add_data<'c>(&mut self, value: &'c [u8], borrowed: &mut Borrowed<'c>) {
        if !self.has_data && borrowed.data.is_none() {
            borrowed.data = Some(value);
            return;
        }
        if let Some(first) = borrowed.data.take() {
            self.begin_data();
            self.append_data(first);
        }
        self.begin_data();
        self.append_data(value);
    }

    /// Begins a `data` line whose value comes by [`append_data`](Self::append_data).
    pub(crate) fn begin_data(&mut self) {
        if self.has_data {
            self.data.push(b'\n');
        }
        self.has_data = true;
    }

    pub(crate) fn append_data(&mut self, value: &[u8]) {
        #[cfg(test)]
        crate::work::copied(value.len());
        self.data.extend_from_slice(value);
    }

    /// Takes the value of an `event` line out of `value`, leaving a buffer to be cleared there.
    pub(crate) fn swap_type(&mut self, value: &mut Vec<u8>) {
        mem::swap(&mut self.event_type, value);
    }

    /// Takes the value of an `id` line; one with NUL is ignored.
    #[inline]
    pub(crate) fn set_id(&mut self, value: &[u8]) {
        if memchr::memchr(b'\0', value).is_some() {
            return;
        }
        buffer::set_text(value, &mut self.id);
        self.has_id = true;
    }

    /// Acts on a blank line: confirms the id, and tells whether there is an event.
    #[inline]
    pub(crate) fn end_block(&mut self, borrowed: &mut Borrowed<'_>) -> bool {
        if self.has_id {
            self.has_id = false;
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
    pub(crate) fn event<'d>(&'d mut self, borrowed: &Borrowed<'d>) -> EventRef<'d> {
        let data = borrowed.data.unwrap_or(&self.data);
        let event_type = borrowed.event_type.unwrap_or(&self.event_type);
        if !event_type.is_empty() && event_type != self.last_type.as_bytes() {
            buffer::set_text(event_type, &mut self.last_type);
        }
        EventRef {
            event_type: if event_type.is_empty() { "message" } else { &self.last_type },
            data: buffer::text(data, &mut self.replaced_data),
            last_event_id: &self.last_event_id,
        }
    }

    /// Forgets the data and the type: their event has been handed out.
    #[inline]
    pub(crate) fn clear_event(&mut self) {
        if self.has_data {
            self.has_data = false;
            buffer::clear(&mut self.data);
        }
        if !self.event_type.is_empty() {
            buffer::clear(&mut self.event_type);
        }
        self.replaced_data = String::new();
    }

    /// Forgets everything but the confirmed last event id.
    pub(crate) fn clear(&mut self) {
        *self = Self { last_event_id: mem::take(&mut self.last_event_id), ..Self::default() };
    }
}
