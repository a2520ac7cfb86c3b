//! Every reason that the server can give is met by a request of the tables.

use std::collections::BTreeSet;

use super::harness::{Case, Expected};
use super::{form, json, limits, log_away, ndjson, routing, silence, subscribing, syntax, tokens};

/// No request can bring these about: the system has no randomness, or a hub has an error that the edge does not know.
const OUT_OF_REACH: [&str; 2] = ["internal", "unavailable"];

/// What only an application that is asked brings about: the tests of `authorize` do.
const BY_APPLICATIONS: [&str; 4] =
    ["callback_unauthorized", "callback_forbidden", "callback_failed", "kicked"];

/// What only another hub brings about that does not answer: the tests of `cluster` do.
const BY_OTHER_HUBS: [&str; 1] = ["hubs_missing"];

/// Where the reasons are: the one table, and the names of errors that it takes over.
const SOURCES: [&str; 4] = [
    include_str!("../../../src/reject.rs"),
    include_str!("../../../src/publish/draft.rs"),
    include_str!("../../../src/mercure/query.rs"),
    include_str!("../../../src/auth/error.rs"),
];

pub(super) fn all() -> Vec<Case> {
    [
        form::cases(),
        json::cases(),
        ndjson::cases(),
        routing::cases(),
        vec![routing::reused()],
        subscribing::cases(),
        syntax::cases(),
        tokens::cases(),
        limits::cases(),
        log_away::cases(),
        silence::cases(),
    ]
    .concat()
}

/// The words in quotes on the lines that give a reason: `row(S::..., "reason")`, or `Self::... => "reason"`.
fn known() -> BTreeSet<&'static str> {
    let gives_reason = |line: &&str| {
        line.contains("row(S::")
            || line.contains("later(S::")
            || line.trim_start().starts_with("Self::")
    };
    let reason = |line: &'static str| line.split('"').nth(1);
    let is_word = |word: &&str| {
        word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
    };
    SOURCES
        .iter()
        .flat_map(|source| source.lines())
        .filter(gives_reason)
        .filter_map(reason)
        .filter(is_word)
        .collect()
}

#[test]
fn every_reason_of_the_table_of_refusals_is_met() {
    let met: BTreeSet<&str> = all()
        .iter()
        .flat_map(|case| match case.expected {
            Expected::Refused { reason, .. } => vec![reason],
            Expected::Lines(results) => results.to_vec(),
            _ => Vec::new(),
        })
        .chain(OUT_OF_REACH)
        .chain(BY_APPLICATIONS)
        .chain(BY_OTHER_HUBS)
        .filter(|word| *word != "id")
        .collect();
    assert_eq!(met, known());
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let cases = all();
    let mut names = BTreeSet::new();
    for case in &cases {
        assert!(names.insert(case.name.as_str()), "{} is there twice", case.name);
    }
    assert!(names.len() >= 300, "{} cases are left", names.len());
}
