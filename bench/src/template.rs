//! Texts with `{name}` in them, cut up once and filled in often.

use anyhow::{Result, bail};

/// A text with places to fill in.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Place(String),
}

impl Template {
    /// Cuts a text up. Braces that do not hold a plain lower-case word are text: JSON has many.
    ///
    /// # Errors
    /// When a place is none of these names.
    pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Self> {
        let mut pieces = Vec::new();
        let (mut plain, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            let word = after.split_once('}').filter(|(word, _)| is_word(word));
            let Some((word, after)) = word else {
                plain.push('{');
                rest = after;
                continue;
            };
            if !names.contains(&word) {
                bail!("{{{word}}} is not known here: there is {}", known(names));
            }
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
            pieces.push(Piece::Place(word.to_owned()));
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        Ok(Self { pieces })
    }

    /// Whether it has a place of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Place(place) if place == name))
    }

    /// Appends the text with its places filled in. A place without a value stays empty.
    pub(crate) fn render(&self, values: &[(&str, &[u8])], out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Place(place) => {
                    let value = values.iter().find(|(name, _)| name == place);
                    out.extend_from_slice(value.map_or(&[], |(_, value)| value));
                }
            }
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn known(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_json_stay_and_places_are_filled() {
        let template = Template::parse(r#"{"a":{"b":"{data}"},"c":{}}"#, &["data"]).unwrap();
        let mut out = Vec::new();
        template.render(&[("data", b"1")], &mut out);
        assert_eq!(out, br#"{"a":{"b":"1"},"c":{}}"#);
        assert!(template.has("data") && !template.has("topic"));
    }

    #[test]
    fn a_place_that_nobody_fills_is_refused() {
        let error = Template::parse("/{id}", &["topic", "data"]).unwrap_err();
        assert_eq!(error.to_string(), "{id} is not known here: there is {topic}, {data}");
    }
}
