//! The `[[relay]]` tables.

use std::{fs, time::Duration};

use tidings_server::{RelayAccess, RelayMode};

use super::{Given, resolved};
use crate::config::{Config, RelayTable, layers::Origin, relay::KEYS};

const URL: &str = "url = 'http://127.0.0.1:8000/api/events'";

fn file(settings: &str) -> String {
    format!("auth.anonymous = true\n[[relay]]\n{settings}\n")
}

fn resolve(settings: &str) -> Config {
    Given { file: &file(settings), ..Given::default() }.resolve().unwrap()
}

#[test]
fn a_url_is_all_that_a_relay_needs() {
    let config = resolve(URL);
    let relay = &config.relays[0];
    assert_eq!(relay.config.path, "/api/events");
    assert_eq!(
        (relay.config.mode, relay.config.access),
        (RelayMode::Shared, RelayAccess::Subscribers)
    );
    assert_eq!(relay.config.event_bytes, config.limits.update_bytes.get());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let settings = "url = 'https://app.example/people/{id}'\npath = '/users/{id}'\nmode = 'per-client'\nquery = false\n\
                    linger = '5s'\nconnect_timeout = '1s'\nanswer_timeout = '2s'\nevent_bytes = '2KiB'\nupstreams = 7\n\
                    snapshot = 3\nsnapshot_replay = true\ncertificates = 'ca.pem'";
    let config = resolve(settings);
    let relay = &config.relays[0].config;
    assert_eq!(
        (relay.path.as_str(), relay.url.as_str()),
        ("/users/{id}", "https://app.example/people/{id}")
    );
    // The upstream gets the client's credentials, so it decides.
    assert_eq!(
        (relay.mode, relay.access, relay.query),
        (RelayMode::PerClient, RelayAccess::Anyone, false)
    );
    let seconds = |n| Duration::from_secs(n);
    assert_eq!(
        (relay.linger, relay.connect_timeout, relay.answer_timeout),
        (seconds(5), seconds(1), seconds(2))
    );
    assert_eq!((relay.event_bytes, relay.upstreams), (2_048, 7));
    assert_eq!((relay.snapshot, relay.snapshot_replay), (3, true));
    assert_eq!(config.relays[0].certificates.as_deref(), Some("ca.pem".as_ref()));
}

#[test]
fn each_table_is_a_relay_and_its_settings_are_its_own() {
    let settings = format!(
        "{URL}\nsnapshot = 1\n[[relay]]\nurl = 'http://127.0.0.1:8000/b'\naccess = 'granted'"
    );
    let relays = resolve(&settings).relays;
    let relays: Vec<_> =
        relays.iter().map(|relay| (relay.config.path.as_str(), relay.config.snapshot)).collect();
    assert_eq!(relays, [("/api/events", 1), ("/b", 0)]);
}

#[test]
fn what_is_wrong_with_a_relay_is_told_with_its_line() {
    for (settings, words) in [
        ("path = '/a'", "hub.toml:2: `relay.url` must be set: what is to be relayed"),
        (
            "url = 'http://a/b'\npaht = '/a'",
            "hub.toml:4: unknown setting `relay.paht`; did you mean `relay.path`?",
        ),
        (
            "url = 'http://a/b'\nmode = 'both'",
            "hub.toml:4: `relay.mode` must be \"shared\" or \"per-client\", not \"both\"",
        ),
        ("url = 'http://a/b'\naccess = 'all'", "hub.toml:4: `relay.access` must be"),
        (
            "url = 'http://a/b'\nsnapshot = 'x'",
            "hub.toml:4: `relay.snapshot` must be a whole number",
        ),
        ("url = 'http://a/b'\nlinger = '5'", "hub.toml:4: `relay.linger` must be a duration"),
        ("url = 'http://a/b'\nupstreams = 0", "hub.toml:4: `relay.upstreams` must be at least 1"),
        ("url = 'http://a/b'\nheaders = 'x'", "hub.toml:4: `relay.headers` must be a table"),
        ("url = 'http://a/b'\nheaders.x = 1", "`relay.headers` must be text, or { env"),
        ("url = 'http://a/b'\nheaders.'a b' = 'x'", "`relay.headers` must be headers with names"),
        (
            "url = 'http://a/b'\nheaders.x = \"secret\\n\"",
            "`relay.headers` must be headers with values",
        ),
    ] {
        let refusal = Given { file: &file(settings), ..Given::default() }.refusal();
        assert!(refusal.contains(words), "{refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
    let refusal =
        Given { file: &file("url = 'http://a/b'\nevent_bytes = '1GiB'"), ..Given::default() }
            .refusal();
    assert_eq!(refusal, "`relay.event_bytes` must not be more than `log.memory`");
    for text in ["relay = 'x'", "relay = ['x']", "[relay]\nurl = 'http://a/b'"] {
        let refusal = Given { file: text, ..Given::default() }.refusal();
        assert!(
            refusal.starts_with("hub.toml:1: `relay` must be tables: write [[relay]]"),
            "{refusal}"
        );
    }
}

#[test]
fn a_hub_that_only_relays_to_anyone_needs_no_keys() {
    let hub = |text: &str| Given { file: text, ..Given::default() }.resolve();
    let relay = |access: &str| format!("[[relay]]\n{URL}\naccess = '{access}'");
    let config = hub(&relay("anyone")).unwrap();
    assert!(
        config.auth.publisher.is_none()
            && config.auth.subscriber.is_none()
            && !config.auth.anonymous
    );
    for access in ["subscribers", "granted"] {
        assert!(hub(&relay(access)).unwrap_err().to_string().contains("who may subscribe"));
    }
    assert!(hub("").unwrap_err().to_string().contains("who may publish"));
}

#[test]
fn headers_are_never_shown() {
    let settings = format!(
        "{URL}\nheaders = {{ Authorization = 'Bearer hunter2', X-Token = {{ env = 'APP_TOKEN' }} }}"
    );
    let text = file(&settings);
    let given = Given { file: &text, ..Given::default() };
    let shown = resolved(&given.layers().unwrap());
    assert!(
        shown.contains(
            "\n[[relay]]  # hub.toml:2\nurl = \"http://127.0.0.1:8000/api/events\"  # hub.toml:3\n"
        ),
        "{shown}"
    );
    assert!(shown.contains("headers.\"Authorization\" = \"********\"\n"), "{shown}");
    assert!(shown.contains("headers.\"X-Token\" = { env = \"APP_TOKEN\" }\n"), "{shown}");
    toml::from_str::<toml::Table>(&shown).expect("it can be used as a file");
    let config = given.resolve().unwrap();
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2") && !shown.contains("hunter2"), "{debug}");
    assert_eq!(config.relays[0].headers.len(), 2);
}

#[test]
fn a_relay_at_the_hubs_short_path_is_warned_of() {
    let warnings = resolve("url = 'http://127.0.0.1:8000/events'").warnings.join("\n");
    assert!(warnings.contains("use /.well-known/mercure"), "{warnings}");
}

#[test]
fn another_frameworks_pattern_is_warned_of() {
    let warnings = resolve("url = 'http://127.0.0.1:8000/users/:id/events'").warnings.join("\n");
    assert!(warnings.contains("is written {name}"), "{warnings}");
}

#[test]
fn flags_make_a_relay_too() {
    let mut table = RelayTable::new(Origin::Flag("relay"));
    table.set("relay.url", "http://127.0.0.1:8000/api/events", "URL").unwrap();
    table.add_header("X-Token:  a:b ", "--header").unwrap();
    let error = table.add_header("secret", "--header").unwrap_err().to_string();
    assert_eq!(error, "--header: `relay.headers` must be a header, such as 'Name: value'");
    let error = table.set("relay.snapshot", "many", "--snapshot").unwrap_err().to_string();
    assert_eq!(error, "--snapshot: `relay.snapshot` must be a whole number");
    let mut layers = Given { file: "auth.anonymous = true", ..Given::default() }.layers().unwrap();
    layers.add_relay(table);
    let config = Config::resolve(&layers).unwrap();
    assert_eq!(config.relays[0].headers[0].0, "x-token");
}

#[test]
fn every_setting_is_documented() {
    let defaults = crate::config::DEFAULTS;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/relay.md");
    let page = fs::read_to_string(path).unwrap();
    for name in KEYS.iter().map(|key| key.section_and_name().1).chain(["headers"]) {
        assert!(defaults.contains(&format!("\n# {name} ")), "{name} is not in the default file");
        assert!(page.contains(&format!("\n| `{name}` |")), "{name} is not in docs/relay.md");
    }
}
