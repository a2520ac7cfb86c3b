//! URI templates (RFC 6570) as patterns: does a topic look like an expansion of the template?
//!
//! The language is the one Mercure 0.x hubs have always matched: each expression stands for an
//! optional run of characters, so `{id}` also matches nothing, and a `:3` prefix is read but its
//! length is not enforced. As a regular expression an expression is
//! `(first class* (separator class*){0,n-1})?`.
//!
//! The patterns are matched here and not by a regular expression because a hub holds one template
//! per subscriber: a compiled `regex` for a template with one variable takes 31 KB and 27 µs to
//! build (measured with regex 1.13), this takes some hundred bytes. The tests compare the two.

/// Expressions a template may have. Matching costs the topic's length for each of them, and
/// whoever subscribes chooses the template. One with more is not taken for a template.
const MAX_EXPRESSIONS: usize = 16;

/// The largest length a prefix modifier may name (RFC 6570, 2.4.1).
const MAX_PREFIX_LENGTH: u32 = 9999;

/// A parsed URI template.
#[derive(Debug)]
pub(crate) struct Template {
    /// The text before the first expression: most topics are told apart by it alone.
    prefix: Box<str>,
    /// The expressions, each with the text that separates it from the one before.
    parts: Box<[(Box<str>, Expression)]>,
    /// The text after the last expression.
    suffix: Box<str>,
}

impl Template {
    /// Parses a template. `None` when `text` is not one (RFC 6570, section 2), or has more than
    /// 16 expressions: such a selector is a plain string.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (prefix, mut rest) = literal(text)?;
        let mut parts = Vec::new();
        let mut between = "";
        while let Some(inside) = rest.strip_prefix('{') {
            if parts.len() == MAX_EXPRESSIONS {
                return None;
            }
            let (body, after) = inside.split_once('}')?;
            parts.push((between.into(), Expression::parse(body)?));
            (between, rest) = literal(after)?;
        }
        Some(Self { prefix: prefix.into(), parts: parts.into(), suffix: between.into() })
    }

    /// Whether the whole of `topic` matches. Takes time proportional to the topic's length times
    /// the template's, whatever they contain.
    pub(crate) fn matches(&self, topic: &str) -> bool {
        let Some(rest) = topic
            .strip_prefix(&*self.prefix)
            .and_then(|rest| rest.strip_suffix(&*self.suffix))
            .map(str::as_bytes)
        else {
            return false;
        };
        // Where the parts seen so far can end: every way to match them at once, so that no choice
        // is ever taken back.
        let mut ends = vec![false; rest.len() + 1];
        if let Some(start) = ends.first_mut() {
            *start = true;
        }
        for (between, expression) in &self.parts {
            if !between.is_empty() {
                pass_literal(between.as_bytes(), rest, &mut ends);
            }
            expression.pass(rest, &mut ends);
        }
        ends.last().is_some_and(|&end| end)
    }
}

/// What an expression such as `{?a,b*}` lets through.
#[derive(Debug)]
struct Expression {
    /// The byte the run must begin with, if any.
    first: Option<u8>,
    /// The byte between two values.
    separator: u8,
    /// How many separators may be used beside those that a class lets through anyway.
    max_separators: usize,
    /// The characters of the first value.
    head: Class,
    /// The characters of the values after a separator.
    tail: Class,
}

impl Expression {
    /// Reads what stands between the braces.
    fn parse(body: &str) -> Option<Self> {
        let operator = body.bytes().next()?;
        let (first, separator, named, reserved) = match operator {
            b'+' => (None, b',', false, true),
            b'#' => (Some(b'#'), b',', false, true),
            b'.' => (Some(b'.'), b'.', false, false),
            b'/' => (Some(b'/'), b'/', false, false),
            b';' => (Some(b';'), b';', true, false),
            b'?' => (Some(b'?'), b'&', true, false),
            b'&' => (Some(b'&'), b'&', true, false),
            // Simple expansion: no operator. The reserved ones (`=,!@|`) fail as names.
            _ => (None, b',', false, false),
        };
        let simple = first.is_none() && !reserved;
        let list = if simple { body } else { body.get(1..)? };
        let explode: Vec<bool> = list.split(',').map(variable).collect::<Option<_>>()?;
        let first_explodes = explode.first().is_some_and(|&explodes| explodes);
        let any_explodes = explode.contains(&true);
        let class = |explodes: bool| match (reserved, named || explodes) {
            (true, _) => Class::Reserved,
            (false, true) => Class::Pairs,
            (false, false) => Class::Values,
        };
        Some(Self {
            first,
            separator,
            max_separators: if any_explodes { usize::MAX } else { explode.len() - 1 },
            head: class(first_explodes),
            tail: class(any_explodes),
        })
    }

    /// Moves every end in `ends` across this expression, which may also match nothing.
    fn pass(&self, text: &[u8], ends: &mut [bool]) {
        // The states at the position and the three after it: no step is longer than `%HH`.
        let mut window = [State::default(); 4];
        for (at, end) in ends.iter_mut().enumerate() {
            let rest = text.get(at..).unwrap_or_default();
            let [here, next, _, after_triplet] = &mut window;
            match self.first {
                None => here.head |= *end,
                Some(first) => next.head |= *end && rest.first() == Some(&first),
            }
            *end |= here.head || here.separators.is_some();
            let separated = rest.first() == Some(&self.separator);
            if here.head {
                match self.head.step(rest) {
                    Step::One => next.head = true,
                    Step::Triplet => after_triplet.head = true,
                    Step::None => {}
                }
                if separated && self.max_separators > 0 {
                    next.reach(1);
                }
            }
            if let Some(used) = here.separators {
                match self.tail.step(rest) {
                    Step::One => next.reach(used),
                    Step::Triplet => after_triplet.reach(used),
                    Step::None => {}
                }
                if separated && used < self.max_separators {
                    next.reach(used + 1);
                }
            }
            window.rotate_left(1);
            let [.., last] = &mut window;
            *last = State::default();
        }
    }
}

/// How far into an expression a position can be.
#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Within the first value.
    head: bool,
    /// Within a later one: the fewest separators that lead here. Fewer leave more to use, so the
    /// other ways need not be kept.
    separators: Option<usize>,
}

impl State {
    fn reach(&mut self, separators: usize) {
        self.separators = Some(self.separators.map_or(separators, |least| least.min(separators)));
    }
}

/// The characters a value is made of, beside `%HH` triplets.
#[derive(Debug, Clone, Copy)]
enum Class {
    /// Unreserved characters and `,`.
    Values,
    /// The same and `=`.
    Pairs,
    /// Unreserved and reserved characters.
    Reserved,
}

/// What a class takes from the front of a text.
enum Step {
    None,
    One,
    Triplet,
}

impl Class {
    fn step(self, text: &[u8]) -> Step {
        match text {
            [b'%', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                Step::Triplet
            }
            [byte, ..] if self.contains(*byte) => Step::One,
            _ => Step::None,
        }
    }

    fn contains(self, byte: u8) -> bool {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'~' | b'-' | b',' => true,
            b'=' => !matches!(self, Self::Values),
            b'!' | b'#' | b'$' | b'&'..=b'+' | b'/' | b':' | b';' | b'?' | b'@' | b'[' | b']' => {
                matches!(self, Self::Reserved)
            }
            _ => false,
        }
    }
}

/// Moves every end across a literal.
fn pass_literal(literal: &[u8], text: &[u8], ends: &mut [bool]) {
    let starts: Vec<bool> = ends.to_vec();
    ends.fill(false);
    for (start, end) in ends.iter_mut().skip(literal.len()).enumerate() {
        *end = starts.get(start) == Some(&true)
            && text.get(start..).is_some_and(|rest| rest.starts_with(literal));
    }
}

/// Takes the literal text up to the next expression. `None` when a character may not stand in a
/// literal (RFC 6570, 2.1).
fn literal(text: &str) -> Option<(&str, &str)> {
    let end = text.find('{').unwrap_or(text.len());
    let (literal, rest) = text.split_at_checked(end)?;
    (literal.chars().all(is_literal) && triplets_are_whole(literal)).then_some((literal, rest))
}

/// `literals`, `ucschar` and `iprivate` of RFC 6570 (with `'`, after its erratum 6937), and `%`,
/// which is checked apart.
fn is_literal(character: char) -> bool {
    match character {
        '!'
        | '#'..=';'
        | '='
        | '?'..='['
        | ']'
        | '_'
        | 'a'..='z'
        | '~'
        | '\u{a0}'..='\u{fdcf}'
        | '\u{fdf0}'..='\u{ffef}'
        | '\u{e1000}'..='\u{efffd}' => true,
        // The planes above the first, without the two noncharacters that end each of them.
        '\u{10000}'..='\u{dfffd}' | '\u{f0000}'..='\u{10fffd}' => {
            u32::from(character) & 0xffff < 0xfffe
        }
        _ => false,
    }
}

/// Whether every `%` begins a `%HH`.
fn triplets_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        matches!(after.as_bytes(), [high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

/// Reads one variable with its modifier: whether it explodes, `None` when it is malformed.
fn variable(spec: &str) -> Option<bool> {
    let (name, explodes) = match spec.strip_suffix('*') {
        Some(name) => (name, true),
        None => (spec.split_once(':').map_or(Some(spec), prefixed)?, false),
    };
    is_name(name).then_some(explodes)
}

/// Checks a prefix modifier and returns the name before it.
fn prefixed<'a>((name, length): (&'a str, &str)) -> Option<&'a str> {
    let digits = !length.starts_with('0') && length.bytes().all(|digit| digit.is_ascii_digit());
    let length: u32 = length.parse().ok()?;
    (digits && length <= MAX_PREFIX_LENGTH).then_some(name)
}

/// `varname` of RFC 6570, 2.3.
fn is_name(name: &str) -> bool {
    let varchar = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%');
    triplets_are_whole(name)
        && name.split('.').all(|label| !label.is_empty() && label.bytes().all(varchar))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(template: &str, topics: &[&str], others: &[&str]) {
        let parsed = Template::parse(template).unwrap_or_else(|| panic!("{template} is valid"));
        for topic in topics {
            assert!(parsed.matches(topic), "{template} matches {topic:?}");
        }
        for topic in others {
            assert!(!parsed.matches(topic), "{template} does not match {topic:?}");
        }
    }

    #[test]
    fn a_simple_variable_stays_within_one_segment_and_may_be_empty() {
        check(
            "https://e.com/{foo}/bar",
            &[
                "https://e.com/foo/bar",
                "https://e.com//bar",
                "https://e.com/a,b/bar",
                "https://e.com/%C3%a9/bar",
                "https://e.com/A-z.0_~/bar",
            ],
            &[
                "https://e.com/foo/bar/baz",
                "https://e.com/a/b/bar",
                "https://e.com/a=b/bar",
                "https://e.com/%C3%g9/bar",
                "https://e.com/%/bar",
                "https://e.com/é/bar",
                "https://e.com/foo",
                "xhttps://e.com/foo/bar",
                "https://e.com/foo/bar\n",
                "",
            ],
        );
        check("{id}", &["", "1", "a,b"], &["a/b", "a b", "é"]);
    }

    #[test]
    fn a_query_expression_matches_names_and_values() {
        check(
            "https://e.com/users/foo/{?topic}",
            &[
                "https://e.com/users/foo/",
                "https://e.com/users/foo/?topic=https%3A%2F%2Fe.com%2Fbooks%2F1",
            ],
            &["https://e.com/users/foo/?topic=https://e.com", "https://e.com/users/foo/topic=1"],
        );
    }

    #[test]
    fn each_operator_has_its_own_first_separator_and_characters() {
        check("a{+x}", &["a", "a/b?c=d&e", "a[1];%20", "a!"], &["a b", "a\"", "a%2", "b"]);
        check("a{#x}", &["a", "a#", "a#b/c", "a##"], &["ab", "a b"]);
        check("a{.x}", &["a", "a.", "a.b", "a.b.c", "a.b,c"], &["ab", "a/b", "a.b=c"]);
        check("a{.x,y}", &["a.b.c"], &["a/b"]);
        check("a{/x}", &["a", "a/", "a/b", "a/b,c"], &["ab", "a/b/c", "a/b=c"]);
        check("a{/x,y}", &["a/b", "a/b/c", "a//"], &["a/b/c/d"]);
        check("a{;x}", &["a", "a;x=1", "a;x"], &["a;x=1;y=2", "ax=1"]);
        check("a{;x,y}", &["a;x=1;y=2"], &["a;x=1;y=2;z=3"]);
        check("a{?x,y}", &["a?x=1", "a?x=1&y=2"], &["a?x=1&y=2&z=3", "a&x=1", "a?x=1?y=2"]);
        check("a{&x}", &["a&x=1", "a"], &["a&x=1&y=2", "a?x=1"]);
        check("{x,y}", &["1,2", "1,2,3", ""], &["1=2"]);
    }

    #[test]
    fn explode_lifts_the_number_of_values_and_allows_pairs() {
        check("a{/x*}", &["a", "a/b", "a/b/c/d", "a/k=v/l=w"], &["ab", "a?b"]);
        check("{x*}", &["k=v,l=w"], &["k=v&l=w"]);
        check("{?x*}", &["?a=1&b=2&c=3"], &["?a=1;b=2"]);
        // Only the values after a separator may be pairs when the first does not explode.
        check("{x,y*}", &["a", "a,k=v"], &["k=v"]);
    }

    #[test]
    fn a_prefix_length_is_read_but_not_enforced() {
        check("{x:3}", &["abc", "abcdef", ""], &["a/b"]);
        check("{/x:9999,y:1}", &["/abc/def"], &["/a/b/c"]);
    }

    #[test]
    fn names_may_have_dots_and_triplets() {
        check("{a.b_1}{%41c}", &["x"], &["/"]);
    }

    #[test]
    fn literals_are_compared_as_they_are() {
        check(
            "https://é.com/a.b/(c)+{x}",
            &["https://é.com/a.b/(c)+1"],
            &["https://é.com/aXb/(c)+1"],
        );
        check("it's/{x}", &["it's/1"], &["its/1"]);
        check("a%20{x}", &["a%201"], &["a 1"]);
        check("{x}aab", &["aab", "aaab", "aaaab"], &["aaaba", "ab"]);
        check("{x}/{y}/{z}", &["//", "a/b/c"], &["a/b", "a/b/c/d"]);
        check("a/b", &["a/b"], &["a/b/", "a"]);
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        for text in [
            "{",
            "}",
            "a}",
            "{}",
            "{a",
            "{{a}}",
            "{a}}",
            "{a b}",
            "{é}",
            "{a-b}",
            "{=a}",
            "{,a}",
            "{!a}",
            "{@a}",
            "{|a}",
            "{+}",
            "{?}",
            "{a,}",
            "{,}",
            "{a,,b}",
            "{.}",
            "{..a}",
            "{a.}",
            "{a..b}",
            "{a:}",
            "{a:0}",
            "{a:01}",
            "{a:10000}",
            "{a:99999999999}",
            "{a:x}",
            "{a:+1}",
            "{a*:1}",
            "{a:1*}",
            "{a**}",
            "{*}",
            "{:1}",
            "{%}",
            "{%4}",
            "{%4.1}",
            "{%zz}",
            "%{a}",
            "%4{a}",
            "%zz{a}",
            "a b{c}",
            "\"{a}",
            "<{a}",
            ">{a}",
            "\\{a}",
            "^{a}",
            "`{a}",
            "|{a}",
            "{a}|",
            "\u{7f}{a}",
            "\u{80}{a}",
            "\u{fdd0}{a}",
            "\u{fffd}{a}",
            "\u{1ffff}{a}",
            "\u{e0001}{a}",
            "\0{a}",
            "\n{a}",
        ] {
            assert!(Template::parse(text).is_none(), "{text:?} is not a template");
        }
    }

    #[test]
    fn more_expressions_than_the_limit_are_refused() {
        assert!(Template::parse(&"{a}".repeat(MAX_EXPRESSIONS)).is_some());
        assert!(Template::parse(&"{a}".repeat(MAX_EXPRESSIONS + 1)).is_none());
    }

    /// The regular expression an expression stands for, written from its description.
    fn regex_of(operator: &str, variables: &[(bool, bool)]) -> String {
        let (first, separator) = match operator {
            "" | "+" => ("", ","),
            "#" => ("#", ","),
            "?" => (r"\?", "&"),
            "&" => ("&", "&"),
            "." => (r"\.", r"\."),
            other => (other, other),
        };
        let explode = variables.iter().any(|&(explodes, _)| explodes);
        let class = |pairs: bool| {
            let characters = match operator {
                "+" | "#" => r"A-Za-z0-9._~!#$&-,/:;=?@\[\]\-",
                ";" | "?" | "&" => r"A-Za-z0-9._~,=\-",
                _ if pairs => r"A-Za-z0-9._~,=\-",
                _ => r"A-Za-z0-9._~,\-",
            };
            format!("(?:[{characters}]|%[0-9A-Fa-f]{{2}})*")
        };
        let head = class(variables[0].0);
        let tail = class(explode);
        let count = if explode { "*".to_owned() } else { format!("{{0,{}}}", variables.len() - 1) };
        format!("(?:{first}{head}(?:{separator}{tail}){count})?")
    }

    /// A template's text with the regular expression that means the same.
    fn template_and_regex() -> impl Strategy<Value = (String, String)> {
        let variable = (any::<bool>(), any::<bool>());
        let expression = (
            prop::sample::select(vec!["", "+", "#", ".", "/", ";", "?", "&"]),
            prop::collection::vec(variable, 1..4),
        );
        let part = prop_oneof![
            "[a/,.=é]{1,3}".prop_map(|text| (text.clone(), regex::escape(&text))),
            expression.prop_map(|(operator, variables)| {
                let names: Vec<&str> = variables
                    .iter()
                    .map(|variable| match variable {
                        (true, _) => "v*",
                        (false, true) => "v:3",
                        (false, false) => "v",
                    })
                    .collect();
                (format!("{{{operator}{}}}", names.join(",")), regex_of(operator, &variables))
            }),
        ];
        prop::collection::vec(part, 0..6).prop_map(|parts| {
            let (texts, regexes): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            (texts.concat(), format!(r"\A{}\z", regexes.concat()))
        })
    }

    proptest! {
        #[test]
        fn matching_agrees_with_the_regular_expression(
            (template, regex) in template_and_regex(),
            topics in prop::collection::vec("([a/,.=;?&#é! ]|%4a|%){0,12}", 20),
        ) {
            let parsed = Template::parse(&template).unwrap();
            let regex = regex::Regex::new(&regex).unwrap();
            for topic in &topics {
                prop_assert_eq!(
                    parsed.matches(topic), regex.is_match(topic), "{} on {:?}", template, topic
                );
            }
        }

        #[test]
        fn no_text_makes_parsing_or_matching_panic(text in any::<String>(), topic in any::<String>()) {
            if let Some(template) = Template::parse(&text) {
                template.matches(&topic);
                template.matches(&text);
            }
        }

        #[test]
        fn no_text_made_of_template_syntax_makes_them_panic(
            text in "[{}+#./;?&,:*%0-9a-fé]{0,40}", topic in "[{}+#./;?&,:*%0-9a-fé]{0,40}",
        ) {
            if let Some(template) = Template::parse(&text) {
                template.matches(&topic);
            }
        }
    }
}
