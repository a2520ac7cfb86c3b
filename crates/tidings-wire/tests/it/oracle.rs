//! A second decoder, as simple as it can be: the whole stream as text, then line by line in the
//! words of WHATWG HTML 9.2.6. The real one is compared with it.

use std::time::Duration;

use crate::stream::{Content, Found, event};

/// What the stream holds, without limits.
pub(crate) fn decode(stream: &[u8]) -> Content {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    // What follows the last line end is a line that never ended.
    lines.pop();
    let (mut data, mut event_type, mut id_buffer) = (String::new(), String::new(), String::new());
    let mut last_event_id = String::new();
    let mut items = Vec::new();
    for line in lines {
        if line.is_empty() {
            last_event_id.clone_from(&id_buffer);
            if let Some(joined) = data.strip_suffix('\n') {
                let name = if event_type.is_empty() { "message" } else { &event_type };
                items.push(event(name, joined, &last_event_id));
            }
            data.clear();
            event_type.clear();
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => items.push(Found::Comment(value.to_owned())),
            "data" => data.extend([value, "\n"]),
            "event" => value.clone_into(&mut event_type),
            "id" if !value.contains('\0') => value.clone_into(&mut id_buffer),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                let millis = value.parse().unwrap_or(u64::MAX);
                items.push(Found::Retry(Duration::from_millis(millis)));
            }
            _ => {}
        }
    }
    Content { items, end: Ok(last_event_id) }
}
