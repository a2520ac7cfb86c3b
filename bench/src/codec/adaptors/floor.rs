//! Not a decoder: the least that any decoder does whose events are whole. It finds the line ends
//! and copies what stands between them, and knows no fields and no UTF-8.

use memchr::memchr2;

use crate::codec::tally::Visitor;

#[expect(clippy::unnecessary_wraps, reason = "one signature for all contenders")]
pub(super) fn copy_lines(chunks: &[&[u8]], visitor: &mut impl Visitor) -> anyhow::Result<()> {
    let mut event = Vec::new();
    let mut is_cut = false;
    for chunk in chunks {
        let mut rest = *chunk;
        while let Some(end) = memchr2(b'\r', b'\n', rest) {
            let (line, after) = rest.split_at(end);
            event.extend_from_slice(line);
            rest = after.get(1..).unwrap_or_default();
            if line.is_empty() && !is_cut {
                visitor.event("", "", "");
                event.clear();
            }
            is_cut = false;
        }
        event.extend_from_slice(rest);
        is_cut |= !rest.is_empty();
    }
    Ok(())
}
