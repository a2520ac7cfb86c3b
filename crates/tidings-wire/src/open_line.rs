//! A line that the end of a chunk has cut: what is kept of it until it ends.
//!
//! Its first bytes are held back until they tell the field. Then data goes straight to the event,
//! the other values to a buffer, and unknown fields nowhere.

use std::mem;

use crate::chunk::Stretch;
use crate::grammar::{self, Field, HEAD_BYTES};
use crate::pending::Pending;
use crate::text::Text;
use crate::{DecodeError, Limits};

/// The line that is open, if one is, and the value of the last one that ended.
#[derive(Default)]
pub(crate) struct OpenLine {
    /// The line's bytes so far; none where no line is open.
    line_bytes: usize,
    /// The line's first bytes, while they do not tell the field yet.
    head: Vec<u8>,
    /// The field, once it is told.
    field: Option<Field>,
    /// The value so far, of fields other than data.
    value: Text,
}

impl OpenLine {
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.line_bytes > 0
    }

    /// Takes more of the line.
    pub(crate) fn extend(
        &mut self,
        stretch: Stretch<'_>,
        pending: &mut Pending,
        limits: Limits,
    ) -> Result<(), DecodeError> {
        if let Some(field) = self.field {
            self.line_bytes += stretch.bytes.len();
            return self.append(field, stretch, pending, limits);
        }
        if self.head.is_empty() && stretch.bytes.len() >= HEAD_BYTES {
            self.line_bytes += stretch.bytes.len();
            return self.begin_value(stretch, pending, limits).map(drop);
        }
        let missing = HEAD_BYTES.saturating_sub(self.head.len());
        let (head, rest) = stretch.bytes.split_at(missing.min(stretch.bytes.len()));
        self.line_bytes += head.len();
        self.head.extend_from_slice(head);
        if self.head.len() < HEAD_BYTES {
            // So few bytes are not checked: which limit they exceed is not known yet.
            return Ok(());
        }
        let field = self.end_head(pending, limits)?;
        self.line_bytes += rest.len();
        self.append(field, stretch.after(head.len()), pending, limits)
    }

    /// Ends the line. Its value, unless it went to the event, stays until the next open line.
    pub(crate) fn end(
        &mut self,
        pending: &mut Pending,
        limits: Limits,
    ) -> Result<Field, DecodeError> {
        let field = match self.field {
            Some(field) => field,
            None => self.end_head(pending, limits)?,
        };
        if let Field::Data = field {
            pending.end_data();
        }
        self.value.end();
        self.field = None;
        self.line_bytes = 0;
        Ok(field)
    }

    /// The value of the line that has ended.
    #[inline]
    pub(crate) fn value(&self) -> &str {
        self.value.as_str()
    }

    /// Takes a whole value at once.
    #[cold]
    pub(crate) fn set_value(&mut self, value: &[u8]) {
        self.value.clear();
        self.value.push(Stretch { bytes: value, text: None });
        self.value.end();
    }

    /// Begins the value with what has been held back.
    fn end_head(&mut self, pending: &mut Pending, limits: Limits) -> Result<Field, DecodeError> {
        let mut head = mem::take(&mut self.head);
        let stretch = Stretch { bytes: &head, text: None };
        let field = self.begin_value(stretch, pending, limits)?;
        head.clear();
        self.head = head;
        Ok(field)
    }

    /// Reads the field from the line's first bytes, and takes the part of the value among them.
    fn begin_value(
        &mut self,
        first: Stretch<'_>,
        pending: &mut Pending,
        limits: Limits,
    ) -> Result<Field, DecodeError> {
        self.value.clear();
        let (field, value) = grammar::parse(first.bytes);
        let value = first.after(first.bytes.len() - value.len());
        self.field = Some(field);
        if let Field::Data = field {
            pending.begin_data();
        }
        self.append(field, value, pending, limits)?;
        Ok(field)
    }

    /// Takes bytes of the value, already counted in `line_bytes`.
    #[inline]
    fn append(
        &mut self,
        field: Field,
        stretch: Stretch<'_>,
        pending: &mut Pending,
        limits: Limits,
    ) -> Result<(), DecodeError> {
        match field {
            Field::Data => {
                limits.check(self.line_bytes, pending.data_bytes() + stretch.bytes.len())?;
                pending.append_data(stretch);
            }
            Field::Unknown => limits.check(self.line_bytes, 0)?,
            Field::Comment | Field::Type | Field::Id | Field::Retry => {
                limits.check(self.line_bytes, 0)?;
                self.value.push(stretch);
            }
        }
        Ok(())
    }
}
