//! The variables of Mercure's image, understood so that a compose file written for it works
//! unchanged.

use std::collections::BTreeMap;

use super::{
    error::ConfigError,
    key::{Key, nearest},
    layers::{Layers, Origin},
    units::parse_duration,
};

/// What every variable of the image starts with, but one.
pub(super) const PREFIX: &str = "MERCURE_";

/// The site address. Other programs use this name too, so it only counts next to a variable of the
/// image.
pub(super) const SERVER_NAME: &str = "SERVER_NAME";

const EXTRA_DIRECTIVES: &str = "MERCURE_EXTRA_DIRECTIVES";

/// Variables that say the same as a setting.
const VARIABLES: [(&str, &str); 4] = [
    ("MERCURE_PUBLISHER_JWT_KEY", "auth.publisher_key"),
    ("MERCURE_PUBLISHER_JWT_ALG", "auth.publisher_alg"),
    ("MERCURE_SUBSCRIBER_JWT_KEY", "auth.subscriber_key"),
    ("MERCURE_SUBSCRIBER_JWT_ALG", "auth.subscriber_alg"),
];

/// Variables of the image that have no counterpart here.
const VARIABLES_WITHOUT_EFFECT: [&str; 3] =
    ["MERCURE_LICENSE", "MERCURE_TRANSPORT_URL", "MERCURE_TRUSTED_ISSUERS"];

/// What a directive takes, and the setting it says.
#[derive(Clone, Copy)]
enum Directive {
    /// Nothing: its presence turns the setting on.
    Switch(&'static str),
    /// One word.
    Word(&'static str),
    /// One or more words.
    Words(&'static str),
    /// One duration.
    Duration(&'static str),
    /// A key, and perhaps its algorithm.
    Key(&'static str, &'static str),
    /// Anything: the hub has no such part, or does it by itself.
    WithoutEffect,
}

const DIRECTIVES: [(&str, Directive); 22] = [
    ("anonymous", Directive::Switch("auth.anonymous")),
    ("cookie_name", Directive::Word("auth.cookie_name")),
    ("cors_origins", Directive::Words("cors.origins")),
    ("demo", Directive::WithoutEffect),
    ("dispatch_timeout", Directive::WithoutEffect),
    ("heartbeat", Directive::Duration("stream.keep_alive")),
    ("name", Directive::WithoutEffect),
    ("protocol_version_compatibility", Directive::WithoutEffect),
    ("publish_origins", Directive::Words("auth.publish_origins")),
    ("publisher_jwks_url", Directive::Word("auth.publisher_jwks_url")),
    ("publisher_jwt", Directive::Key("auth.publisher_key", "auth.publisher_alg")),
    ("subscriber_jwks_url", Directive::Word("auth.subscriber_jwks_url")),
    ("subscriber_jwt", Directive::Key("auth.subscriber_key", "auth.subscriber_alg")),
    ("subscriber_list_cache_size", Directive::WithoutEffect),
    ("subscriptions", Directive::Switch("mercure.subscriptions")),
    ("topic_selector_cache", Directive::WithoutEffect),
    ("transport", Directive::WithoutEffect),
    ("transport_url", Directive::WithoutEffect),
    ("ui", Directive::WithoutEffect),
    ("write_timeout", Directive::Duration("stream.max_age")),
    ("max_request_body_size", Directive::WithoutEffect),
    ("metrics", Directive::WithoutEffect),
];

/// Lays what the image's variables say over what is there.
///
/// # Errors
/// When a directive is unknown or does not have what it takes.
pub(super) fn lay(
    layers: &mut Layers,
    variables: &BTreeMap<String, String>,
) -> Result<(), ConfigError> {
    let mut from_image = false;
    for (variable, text) in variables.iter().filter(|(_, text)| !text.is_empty()) {
        if let Some((_, name)) = VARIABLES.iter().find(|(known, _)| known == variable) {
            lay_text(layers, name, text, Origin::Variable(variable.clone()))?;
            from_image = true;
        } else if variable == EXTRA_DIRECTIVES {
            lay_directives(layers, text)?;
            from_image = true;
        } else if VARIABLES_WITHOUT_EFFECT.contains(&variable.as_str()) {
            layers.warnings.push(format!("{variable} has no effect here"));
        } else if variable.starts_with(PREFIX) {
            // Applications keep variables of their own under this prefix (MERCURE_URL), so only a
            // likely misspelling is worth a word.
            let known = VARIABLES.iter().map(|(known, _)| *known).chain([EXTRA_DIRECTIVES]);
            if let Some(near) = nearest(variable, known) {
                layers.warnings.push(format!("{variable} is not read; did you mean {near}?"));
            }
        }
    }
    match variables.get(SERVER_NAME) {
        Some(text) if from_image => lay_server_name(layers, text),
        _ => Ok(()),
    }
}

/// The address to listen on, from the first site address's port. Host names are not served by name
/// here.
fn lay_server_name(layers: &mut Layers, text: &str) -> Result<(), ConfigError> {
    let Some(site) = text.split([',', ' ']).find(|site| !site.is_empty()) else { return Ok(()) };
    let plain = site.strip_prefix("http://");
    let port = match plain.unwrap_or(site).trim_end_matches('/').rsplit_once(':') {
        Some((_, port)) => port.parse::<u16>().ok(),
        None => plain.map(|_| 80),
    };
    match port {
        Some(port) if !site.starts_with("https://") => {
            let origin = Origin::Variable(SERVER_NAME.to_owned());
            lay_text(layers, "listen", &format!("0.0.0.0:{port}"), origin)
        }
        _ => {
            layers.warnings.push(format!(
                "{SERVER_NAME} asks for HTTPS at {site:?}, which is a proxy's work here; the hub listens as \
                 `listen` says"
            ));
            Ok(())
        }
    }
}

fn lay_directives(layers: &mut Layers, text: &str) -> Result<(), ConfigError> {
    let mut depth = 0_usize;
    let statements = statements(text)?;
    for Statement { line, words } in &statements {
        let opens = words.last().is_some_and(|word| word == "{");
        match words.as_slice() {
            [word] if word == "}" => {
                depth =
                    depth.checked_sub(1).ok_or(ConfigError::UnclosedDirective { line: *line })?;
                continue;
            }
            [name, arguments @ ..] if depth == 0 => lay_directive(layers, *line, name, arguments)?,
            _ => {}
        }
        depth += usize::from(opens);
    }
    match statements.last() {
        Some(last) if depth > 0 => Err(ConfigError::UnclosedDirective { line: last.line }),
        _ => Ok(()),
    }
}

fn lay_directive(
    layers: &mut Layers,
    line: usize,
    name: &str,
    arguments: &[String],
) -> Result<(), ConfigError> {
    let Some((name, directive)) = DIRECTIVES.into_iter().find(|(known, _)| *known == name) else {
        let nearest = nearest(name, DIRECTIVES.map(|(known, _)| known));
        return Err(ConfigError::UnknownDirective { name: name.to_owned(), line, nearest });
    };
    let origin = Origin::Directive { line };
    let wrong = |expected| Err(ConfigError::WrongDirective { name, line, expected });
    match (directive, arguments) {
        (Directive::Switch(key), []) => lay_text(layers, key, "true", origin),
        (Directive::Switch(_), _) => wrong("nothing"),
        (Directive::Word(key), [word]) => lay_text(layers, key, word, origin),
        (Directive::Word(_), _) => wrong("one word"),
        (Directive::Words(key), [_, ..]) => lay_text(layers, key, &arguments.join(" "), origin),
        (Directive::Words(_), _) => wrong("one or more origins"),
        (Directive::Duration(key), [text]) => match parse_duration(text) {
            // The hub always keeps streams alive: it is how a vanished peer is noticed.
            Some(duration) if duration.is_zero() && key == "stream.keep_alive" => {
                layers.warnings.push(format!("{origin}: `{name}` cannot be turned off here"));
                Ok(())
            }
            Some(_) => lay_text(layers, key, text, origin),
            None => wrong("a duration such as 15s"),
        },
        (Directive::Duration(_), _) => wrong("a duration such as 15s"),
        (Directive::Key(key, alg), [text, rest @ ..]) if rest.len() < 2 => {
            lay_text(layers, key, text, origin.clone())?;
            rest.first().map_or(Ok(()), |text| lay_text(layers, alg, text, origin))
        }
        (Directive::Key(..), _) => wrong("a key and perhaps its algorithm"),
        (Directive::WithoutEffect, _) => {
            layers.warnings.push(format!("{origin}: `{name}` has no effect here"));
            Ok(())
        }
    }
}

fn lay_text(
    layers: &mut Layers,
    name: &'static str,
    text: &str,
    origin: Origin,
) -> Result<(), ConfigError> {
    let key = Key::named(name).ok_or(ConfigError::Missing { name })?;
    layers.lay_text(key, text, origin)
}

/// One directive and its arguments.
#[derive(Debug)]
struct Statement {
    /// Counted from 1.
    line: usize,
    words: Vec<String>,
}

/// Splits directives into words as a Caddyfile does: quoted by `"` or a backtick, `#` starts a
/// comment.
fn statements(text: &str) -> Result<Vec<Statement>, ConfigError> {
    let mut statements = Vec::new();
    let mut words = Vec::new();
    let (mut line, mut first_line) = (1, 1);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\n' => {
                if !words.is_empty() {
                    statements
                        .push(Statement { line: first_line, words: std::mem::take(&mut words) });
                }
                line += 1;
                first_line = line;
            }
            c if c.is_whitespace() => {}
            '#' => while rest.next_if(|c| *c != '\n').is_some() {},
            '"' | '`' => {
                let opened_at = line;
                let mut word = String::new();
                loop {
                    match rest.next() {
                        None => return Err(ConfigError::UnclosedDirective { line: opened_at }),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' && rest.next_if_eq(&'"').is_some() => word.push('"'),
                        Some(inner) => {
                            line += usize::from(inner == '\n');
                            word.push(inner);
                        }
                    }
                }
                words.push(word);
            }
            c => {
                let mut word = String::from(c);
                while let Some(next) = rest.next_if(|next| !next.is_whitespace()) {
                    word.push(next);
                }
                words.push(word);
            }
        }
    }
    if !words.is_empty() {
        statements.push(Statement { line: first_line, words });
    }
    Ok(statements)
}
