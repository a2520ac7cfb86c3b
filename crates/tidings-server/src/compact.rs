//! JSON text without the white space between its parts.

/// Takes the white space out of well-formed JSON. Unlike reading and writing it again, this cannot
/// change a number, an order or a repeated key, and takes no stack however deep the value is.
pub(crate) fn compact(json: &str) -> String {
    let mut compact = json.to_owned();
    let (mut in_string, mut escaped) = (false, false);
    compact.retain(|character| {
        if escaped {
            escaped = false;
        } else if character == '"' {
            in_string = !in_string;
        } else if in_string && character == '\\' {
            escaped = true;
        }
        in_string || !character.is_ascii_whitespace()
    });
    compact
}
