//! What the layers make together, and that the defaults are written once.

mod log;
mod relay;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use tidings_server::{Lane, auth::Algorithm};

use super::{
    DEFAULTS, Flag,
    error::ConfigError,
    key::{KEYS, Key, Kind},
    layers::Layers,
    load::lay_all,
    settings::{Config, KeySource, Store},
    show::resolved,
};

const KEY: &str = "a secret of at least 32 bytes, for tests";

/// What a hub is started with.
#[derive(Default)]
struct Given<'a> {
    file: &'a str,
    environment: &'a [(&'a str, &'a str)],
    set: &'a [(&'a str, &'a str)],
}

impl Given<'_> {
    fn layers(&self) -> Result<Layers, ConfigError> {
        let environment: BTreeMap<_, _> = self
            .environment
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let flag = |(name, value): &(&str, &str)| Flag {
            typed: "--set",
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        let flags: Vec<_> = self.set.iter().map(flag).collect();
        lay_all(Some((Path::new("hub.toml"), self.file)), &environment, &flags)
    }

    fn resolve(&self) -> Result<Config, ConfigError> {
        Config::resolve(&self.layers()?)
    }

    /// The error's text.
    fn refusal(&self) -> String {
        self.resolve().expect_err("it resolves").to_string()
    }
}

/// A hub with both keys and these settings.
fn with_keys(set: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let environment = [("TIDINGS_AUTH_PUBLISHER_KEY", KEY), ("TIDINGS_AUTH_SUBSCRIBER_KEY", KEY)];
    Given { environment: &environment, set, ..Given::default() }.resolve()
}

#[test]
fn a_later_layer_stands_before_an_earlier_one() {
    let keys = [("MERCURE_PUBLISHER_JWT_KEY", KEY), ("MERCURE_SUBSCRIBER_JWT_KEY", KEY)];
    let file = "[limits]\nper_user = 1\nper_address = 1\nselectors = 1\n[stream]\nkeep_alive = '2s'\nmax_age = '2s'";
    let mut environment = keys.to_vec();
    environment.extend([
        ("MERCURE_EXTRA_DIRECTIVES", "heartbeat 3s\nwrite_timeout 3s"),
        ("TIDINGS_LIMITS_PER_ADDRESS", "4"),
        ("TIDINGS_LIMITS_SELECTORS", "4"),
        ("TIDINGS_STREAM_MAX_AGE", "4s"),
    ]);
    let set = [("limits.selectors", "5")];
    let config = Given { file, environment: &environment, set: &set }.resolve().unwrap();
    assert_eq!(config.limits.per_user.unwrap().get(), 1);
    assert_eq!(config.limits.per_address.unwrap().get(), 4);
    assert_eq!(config.limits.selectors.get(), 5);
    assert_eq!(config.stream.keep_alive, Duration::from_secs(3));
    assert_eq!(config.stream.max_age, Some(Duration::from_secs(4)));
    assert_eq!(config.limits.topics_per_update.get(), 1_000, "what nobody said is the default");
}

#[test]
fn every_setting_can_be_given_in_the_file_and_in_the_environment() {
    let defaults = Layers::defaults().unwrap();
    for key in &KEYS {
        let shown = defaults.setting(key.name).map(|setting| key.shown(&setting.value).unwrap());
        let shown = shown.unwrap_or_else(|| "\"http://127.0.0.1/\"".to_owned());
        let file = match key.section_and_name() {
            (Some(section), name) => format!("[{section}]\n{name} = {shown}"),
            (None, name) => format!("{name} = {shown}"),
        };
        let from_file = Given { file: &file, ..Given::default() }.layers().unwrap();
        let from_file = from_file.setting(key.name).unwrap().clone();
        assert_eq!(
            from_file.origin.to_string(),
            format!("hub.toml:{}", 1 + usize::from(key.name.contains('.')))
        );

        let (variable, text) = (key.variable(), shown.trim_matches(['"', '[', ']']).to_owned());
        let environment = [(variable.as_str(), text.as_str())];
        let from_environment =
            Given { environment: &environment, ..Given::default() }.layers().unwrap();
        let from_environment = from_environment.setting(key.name).unwrap();
        assert_eq!(from_environment.value, from_file.value, "{variable}={text}");
        if !text.is_empty() {
            assert_eq!(from_environment.origin.to_string(), variable);
        }
    }
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_known_one() {
    let file = |file| Given { file, ..Given::default() }.refusal();
    let cases = [
        (
            file("[stream]\n\nkeep_alife = '3s'"),
            "hub.toml:3: unknown setting `stream.keep_alife`; did you mean `stream.keep_alive`?",
        ),
        (
            file("keep_alive = '3s'"),
            "hub.toml:1: unknown setting `keep_alive`; did you mean `stream.keep_alive`?",
        ),
        (
            file("[strem]\nretry = '3s'"),
            "hub.toml:1: unknown setting `strem.retry`; did you mean `stream.retry`?",
        ),
        (file("[limit]"), "hub.toml:1: unknown setting `limit`; did you mean `limits`?"),
        (
            file("listen_on = 1\n"),
            "hub.toml:1: unknown setting `listen_on`; did you mean `listen`?",
        ),
        (file("[log]\nmax_age.seconds = 3"), "hub.toml:2: `log.max_age` must be text in quotes"),
        (file("wholly_different = 1"), "hub.toml:1: unknown setting `wholly_different`"),
    ];
    for (refusal, expected) in cases {
        assert_eq!(refusal, expected);
    }
    let environment = [("TIDINGS_LIMITS_PER_USERS", "3")];
    assert_eq!(
        Given { environment: &environment, ..Given::default() }.refusal(),
        "TIDINGS_LIMITS_PER_USERS is no setting's variable; did you mean `TIDINGS_LIMITS_PER_USER`?"
    );
    let set = [("limits.peruser", "3")];
    assert_eq!(
        Given { set: &set, ..Given::default() }.refusal(),
        "--set: unknown setting `limits.peruser`; did you mean `limits.per_user`?"
    );
}

#[test]
fn variables_that_nobody_wrote_for_the_hub_do_not_stop_it() {
    let environment = [
        ("TIDINGS_DEV", "true"),
        // What Kubernetes sets for services called `tidings` and `tidings-admin`.
        ("TIDINGS_SERVICE_HOST", "10.0.0.1"),
        ("TIDINGS_SERVICE_PORT", "80"),
        ("TIDINGS_SERVICE_PORT_HTTP", "80"),
        ("TIDINGS_PORT", "tcp://10.0.0.1:80"),
        ("TIDINGS_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("TIDINGS_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("TIDINGS_ADMIN_SERVICE_HOST", "10.0.0.1"),
        ("TIDINGS_ADMIN_PORT_80_TCP_PROTO", "tcp"),
        // The command line's own.
        ("TIDINGS_TOKEN", "x"),
        ("TIDINGS_URL", "x"),
        // Set, but empty: as good as absent.
        ("TIDINGS_LIMITS_STREAMS", ""),
        // An application's own.
        ("MERCURE_URL", "http://hub"),
        ("MERCURE_JWT_SECRET", "x"),
        ("SERVER_NAME", "example.com"),
    ];
    let config = Given { environment: &environment, ..Given::default() }.resolve().unwrap();
    assert_eq!(config.warnings, [""; 0]);
    assert_eq!(config.listen.port(), 3_000);
}

#[test]
fn a_wrong_value_is_refused_with_its_place_and_what_it_must_be() {
    let cases = [
        (
            "listen = 'localhost'",
            "hub.toml:1: `listen` must be an IP address and a port, such as 127.0.0.1:3000 or [::]:3000, not \"localhost\"",
        ),
        ("dev = 'yes'", "hub.toml:1: `dev` must be true or false, not \"yes\""),
        ("[limits]\nstreams = 0", "hub.toml:2: `limits.streams` must be at least 1, not 0"),
        (
            "[limits]\ntopics_per_update = 65_536",
            "hub.toml:2: `limits.topics_per_update` must be at most 65_535, not 65536",
        ),
        ("[limits]\nstreams = -1", "hub.toml:2: `limits.streams` must be a whole number"),
        (
            "[limits]\nupdate_bytes = '1MB'",
            "hub.toml:2: `limits.update_bytes` must be a size such as 65536 or \"64KiB\", not \"1MB\"",
        ),
        (
            "[limits]\nheader_bytes = 100",
            "hub.toml:2: `limits.header_bytes` must be at least 4KiB, not 100",
        ),
        (
            "[stream]\nkeep_alive = '0s'",
            "hub.toml:2: `stream.keep_alive` must be at least 1s, not \"0s\"",
        ),
        (
            "[stream]\nretry = '2'",
            "hub.toml:2: `stream.retry` must be a duration with its unit, such as 250ms, 15s or 1h30m, not \"2\"",
        ),
        (
            "[proxies]\ntrusted = ['10.0.0.0/33']",
            "hub.toml:2: `proxies.trusted` must be addresses or ranges such as 10.0.0.0/8, not [\"10.0.0.0/33\"]",
        ),
        ("[cors]\norigins = [1]", "hub.toml:2: `cors.origins` must be a list of text in quotes"),
        (
            "[auth]\npublisher_jwks_url = 'ftp://x'",
            "hub.toml:2: `auth.publisher_jwks_url` must be an http, https or file URL, not \"ftp://x\"",
        ),
        (
            "[auth]\ncookie_name = 'a b'",
            "hub.toml:2: `auth.cookie_name` must be a cookie name: ASCII letters, digits and a few signs, not \"a b\"",
        ),
        (
            "[telemetry]\nlog = 'loud,=='",
            "hub.toml:2: `telemetry.log` must be error, warn, info, debug, trace or a filter, not \"loud,==\"",
        ),
        (
            "[telemetry]\nlog_format = 'xml'",
            "hub.toml:2: `telemetry.log_format` must be \"text\" or \"json\", not \"xml\"",
        ),
    ];
    for (file, expected) in cases {
        assert_eq!(Given { file, ..Given::default() }.refusal(), expected, "{file}");
    }
}

#[test]
fn a_key_must_fit_its_algorithm() {
    let cases = [
        (("auth.publisher_alg", "none"), "must be HS256, HS384,"),
        (("auth.publisher_alg", "ES256"), "must be a public key in PEM"),
        (("auth.publisher_key", "-----BEGIN PUBLIC KEY-----\n"), "must be a secret"),
        (("auth.publisher_key", "  "), "must be a key, not empty text"),
    ];
    for (set, expected) in cases {
        let refusal = with_keys(&[set]).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!refusal.contains(KEY), "{refusal}");
    }
    let pem = "-----BEGIN PUBLIC KEY-----\n";
    let config =
        with_keys(&[("auth.publisher_key", pem), ("auth.publisher_alg", "EdDSA")]).unwrap();
    assert!(matches!(
        config.auth.publisher,
        Some(KeySource::Key { algorithm: Algorithm::EdDsa, .. })
    ));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let cases = [
        (("admin_listen", "127.0.0.1:3000"), "`admin_listen` must differ from `listen`"),
        (
            ("limits.request_bytes", "1000"),
            "`limits.request_bytes` must not be less than `limits.update_bytes`",
        ),
        (("log.max_bytes", "1000"), "`log.max_bytes` must not be less than `limits.update_bytes`"),
    ];
    for (set, expected) in cases {
        assert_eq!(with_keys(&[set]).unwrap_err().to_string(), expected);
    }
}

#[test]
fn without_a_key_and_without_dev_the_hub_refuses_to_start() {
    let refusal = Given::default().refusal();
    assert!(
        refusal.contains("TIDINGS_AUTH_PUBLISHER_KEY") && refusal.contains("--dev"),
        "{refusal}"
    );
    let publisher = ("auth.publisher_key", KEY);
    let refusal = Given { set: &[publisher], ..Given::default() }.refusal();
    assert!(refusal.contains("TIDINGS_AUTH_SUBSCRIBER_KEY"), "{refusal}");
    assert!(refusal.contains("TIDINGS_AUTH_ANONYMOUS"), "{refusal}");
    let set = [publisher, ("auth.anonymous", "true")];
    Given { set: &set, ..Given::default() }.resolve().unwrap();
}

#[test]
fn development_mode_opens_the_hub_on_loopback_only() {
    let dev = ("dev", "true");
    let config = Given { set: &[dev], ..Given::default() }.resolve().unwrap();
    assert!(config.dev && config.auth.anonymous && config.dashboard);
    assert_eq!(config.cors_origins, ["*"]);
    assert_eq!(config.limits.per_address, None, "this machine has one address for everybody");
    for name in ["listen", "admin_listen"] {
        for address in ["0.0.0.0:3002", "192.168.1.1:3002", "[::]:3002"] {
            let refusal = Given { set: &[dev, (name, address)], ..Given::default() }.refusal();
            assert!(refusal.contains("loopback") && refusal.contains(address), "{refusal}");
        }
    }
    let set = [dev, ("dashboard.enabled", "false"), ("listen", "[::1]:3002")];
    let config = Given { set: &set, ..Given::default() }.resolve().unwrap();
    assert!(!config.dashboard, "what a flag says stands");
    let file = "dev = true\n[dashboard]\nenabled = false\n[cors]\norigins = ['http://a.example']";
    let config = Given { file, ..Given::default() }.resolve().unwrap();
    assert!(config.dashboard, "a file made from the defaults turns nothing off");
    assert_eq!(config.cors_origins, ["http://a.example"]);
}

/// `tidings serve --dev --data DIR` kept the log in memory, and nobody was told.
#[test]
fn whoever_names_a_directory_under_dev_has_the_log_there() {
    let store = |set| Given { set, ..Given::default() }.resolve().unwrap().log.store;
    assert!(matches!(store(&[("dev", "true")]), Store::Memory));
    let named = store(&[("dev", "true"), ("log.data", "here")]);
    assert!(matches!(named, Store::Disk { directory, .. } if directory == Path::new("here")));
    let both = [("dev", "true"), ("log.data", "here"), ("log.store", "memory")];
    assert!(matches!(store(&both), Store::Memory));
}

/// They were on, and a storm of reconnects pushed out of the log what the subscribers came back for.
#[test]
fn active_subscriptions_are_announced_only_where_that_is_asked_for() {
    let subscriptions = |file| Given { file, ..Given::default() }.resolve().unwrap().subscriptions;
    assert!(!subscriptions("dev = true"));
    assert!(subscriptions("dev = true\n[mercure]\nsubscriptions = true"));
}

#[test]
fn what_is_in_force_is_shown_with_its_origin_and_without_secrets() {
    let environment = [
        ("TIDINGS_AUTH_PUBLISHER_KEY", KEY),
        ("TIDINGS_AUTH_SUBSCRIBER_JWKS_URL", "https://user:hunter2@id.example.com/keys"),
        (
            "TIDINGS_AUTH_PUBLISHER_JWKS_URL",
            "https://gh-token@id.example.com/keys?access_token=hunter3",
        ),
        ("TIDINGS_LOG_MAX_BYTES", "33554432"),
    ];
    let file = "[cors]\norigins = ['https://a.example']";
    let given = Given { file, environment: &environment, ..Given::default() };
    let shown = resolved(&given.layers().unwrap());
    for expected in [
        "publisher_key = \"********\"  # TIDINGS_AUTH_PUBLISHER_KEY\n",
        "subscriber_jwks_url = \"https://********:********@id.example.com/keys\"  # TIDINGS_AUTH_SUBSCRIBER_JWKS_URL\n",
        // A token was shown where it stood for the user's name, or in the query.
        "publisher_jwks_url = \"https://********@id.example.com/keys?********\"  # TIDINGS_AUTH_PUBLISHER_JWKS_URL\n",
        "# subscriber_key is not set\n",
        "max_bytes = \"32MiB\"  # TIDINGS_LOG_MAX_BYTES\n",
        "origins = [\"https://a.example\"]  # hub.toml:2\n",
        "\n[drain]\ntime = \"10s\"  # default\n",
    ] {
        assert!(shown.contains(expected), "{expected}{shown}");
    }
    for secret in [KEY, "hunter2", "hunter3", "gh-token"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    toml::from_str::<toml::Table>(&shown).expect("it can be used as a file");
    let debug = format!("{:?}", given.resolve().unwrap());
    assert!(!debug.contains(KEY) && !debug.contains("hunter2"), "{debug}");
}

#[test]
fn a_syntax_error_never_shows_the_line_it_is_in() {
    let file = "dev = false\n[auth]\npublisher_key = 'secret-secret\n";
    let refusal = Given { file, ..Given::default() }.refusal();
    assert!(refusal.starts_with("hub.toml:3: "), "{refusal}");
    assert!(!refusal.contains("secret-secret"), "{refusal}");
}

#[test]
fn weak_keys_and_settings_without_effect_are_warned_of() {
    let warnings = |set: &[(&str, &str)]| with_keys(set).unwrap().warnings.join("\n");
    assert_eq!(warnings(&[]), "");
    assert!(warnings(&[("auth.publisher_key", "short")]).contains("can be guessed"));
    assert!(
        warnings(&[("auth.publisher_key", "!ChangeThisMercureHubJWTSecretKey!")])
            .contains("everyone knows")
    );
    assert!(
        warnings(&[("auth.publisher_jwks_url", "http://127.0.0.1/keys")]).contains("is not used")
    );
    assert!(warnings(&[("stream.keep_alive", "31s")]).contains("30s"));
}

#[test]
fn the_variables_of_mercures_image_are_understood() {
    let directives = r#"
        # Comments and blank lines are nothing.
        anonymous
        cors_origins https://a.example "https://b.example"
        publish_origins *
        heartbeat 20s
        write_timeout 10m
        subscriptions
        cookie_name token   # to the end of the line
        subscriber_jwks_url http://127.0.0.1/keys
        transport bolt {
            path /data/mercure.db
            size 1000
        }
        ui
    "#;
    let environment = [
        ("MERCURE_PUBLISHER_JWT_KEY", KEY),
        ("MERCURE_PUBLISHER_JWT_ALG", "HS512"),
        ("MERCURE_EXTRA_DIRECTIVES", directives),
        ("SERVER_NAME", ":80"),
    ];
    let config = Given { environment: &environment, ..Given::default() }.resolve().unwrap();
    assert_eq!(config.listen, "0.0.0.0:80".parse().unwrap());
    assert!(
        matches!(&config.auth.publisher, Some(KeySource::Key { key, algorithm: Algorithm::Hs512 }) if key == KEY)
    );
    assert!(matches!(&config.auth.subscriber, Some(KeySource::Jwks(url)) if url.path() == "/keys"));
    assert!(config.auth.anonymous && config.subscriptions);
    assert_eq!(config.cors_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.auth.publish_origins, ["*"]);
    assert_eq!(config.auth.cookie_name, "token");
    assert_eq!(config.stream.keep_alive, Duration::from_secs(20));
    assert_eq!(config.stream.max_age, Some(Duration::from_mins(10)));
    let warnings = config.warnings.join("\n");
    assert!(warnings.contains("line 11: `transport` has no effect"), "{warnings}");
    assert!(warnings.contains("`ui` has no effect"), "{warnings}");
}

#[test]
fn a_directive_that_cannot_be_understood_is_refused_with_its_line() {
    let cases = [
        ("\nanonymos", "line 2: unknown directive `anonymos`; did you mean `anonymous`?"),
        ("anonymous yes", "line 1: `anonymous` must be followed by nothing"),
        ("heartbeat", "line 1: `heartbeat` must be followed by a duration such as 15s"),
        ("heartbeat often", "line 1: `heartbeat` must be followed by a duration such as 15s"),
        ("cors_origins", "line 1: `cors_origins` must be followed by one or more origins"),
        ("cookie_name a b", "line 1: `cookie_name` must be followed by one word"),
        (
            "publisher_jwt k HS256 x",
            "line 1: `publisher_jwt` must be followed by a key and perhaps its algorithm",
        ),
        ("ui\ncookie_name \"a", "line 2: a quote or a block is not closed"),
        ("transport bolt {\npath x", "line 2: a quote or a block is not closed"),
        ("}", "line 1: a quote or a block is not closed"),
    ];
    for (directives, expected) in cases {
        let environment = [("MERCURE_EXTRA_DIRECTIVES", directives)];
        let refusal = Given { environment: &environment, ..Given::default() }.refusal();
        assert_eq!(refusal, format!("MERCURE_EXTRA_DIRECTIVES {expected}"));
    }
}

#[test]
fn the_images_server_name_gives_the_port_but_no_https() {
    let listen = |name: &str| {
        let environment =
            [("TIDINGS_DEV", "false"), ("SERVER_NAME", name), ("MERCURE_PUBLISHER_JWT_KEY", KEY)];
        let set = [("auth.anonymous", "true")];
        let config =
            Given { environment: &environment, set: &set, ..Given::default() }.resolve().unwrap();
        (config.listen.to_string(), config.warnings.len())
    };
    for name in [
        ":80",
        "http://:80",
        "http://hub.example",
        "http://hub.example:80/",
        "http://a:80, http://b",
    ] {
        assert_eq!(listen(name), ("0.0.0.0:80".to_owned(), 0), "{name}");
    }
    for name in ["localhost", "hub.example", "https://hub.example:443"] {
        assert_eq!(listen(name), ("127.0.0.1:3000".to_owned(), 1), "{name}");
    }
}

#[test]
fn the_default_file_holds_every_setting_and_no_other() {
    let defaults = Layers::defaults().unwrap();
    for key in &KEYS {
        if defaults.setting(key.name).is_none() {
            let (section, name) = key.section_and_name();
            let section = DEFAULTS.split(&format!("\n[{}]\n", section.unwrap())).nth(1).unwrap();
            let section = section.split("\n[").next().unwrap();
            assert!(section.contains(&format!("\n# {name} = ")), "{}", key.name);
        }
    }
    let literal = default_literals();
    assert_eq!(literal.len(), KEYS.len());
}

/// Each setting's default as the file writes it; `none` if it has none.
fn default_literals() -> BTreeMap<&'static str, String> {
    let (mut section, mut literals) = (String::new(), BTreeMap::new());
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, literal)) = line.split_once(" = ") {
            let (name, literal) =
                name.strip_prefix("# ").map_or((name, literal), |name| (name, "none"));
            if let Some(key) = Key::named(&format!("{section}{name}")) {
                literals.insert(key.name, literal.to_owned());
            }
        }
    }
    literals
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/defaults.md");
    let document = fs::read_to_string(path).unwrap();
    let rows = document.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<_>> = rows
        .map(|row| {
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
        })
        .collect();
    let documented: Vec<_> = rows.iter().map(|row| (row[0], row[1], row[3])).collect();
    let literals = default_literals();
    let variables: Vec<_> = KEYS.iter().map(Key::variable).collect();
    let expected: Vec<_> = KEYS
        .iter()
        .zip(&variables)
        .map(|(key, variable)| (key.name, literals[key.name].as_str(), variable.as_str()))
        .collect();
    assert_eq!(documented, expected);
    for row in rows {
        assert!(
            row.len() == 5 && !row[2].is_empty() && !row[4].is_empty(),
            "{row:?} lacks its unit or its reason"
        );
    }
    assert!(KEYS.iter().any(|key| key.kind == Kind::Secret));
}

#[test]
fn a_lane_is_one_of_two() {
    let lane = |text| with_keys(&[("stream.lane", text)]);
    assert_eq!(lane("direct").unwrap().stream.lane, Lane::Direct);
    assert_eq!(lane("body").unwrap().stream.lane, Lane::Body);
    let refusal = lane("fast").unwrap_err().to_string();
    assert!(refusal.contains("`stream.lane` must be \"direct\" or \"body\", not"), "{refusal}");
}

#[test]
fn an_application_that_decides_needs_no_keys_and_is_not_shown() {
    let given = |set: &[(&str, &str)]| Given { set, ..Given::default() }.resolve();
    let url = ("auth.authorize_url", "http://127.0.0.1:8000/authorize?key=hidden");
    let config = given(&[url]).unwrap();
    assert!(config.auth.publisher.is_none() && config.auth.subscriber.is_none());
    let authorize = config.auth.authorize.as_ref().unwrap();
    assert_eq!(authorize.url.as_str(), url.1);
    assert_eq!(authorize.cache, Duration::from_secs(10));
    assert_eq!(authorize.timeout, Duration::from_secs(5));
    assert!(!format!("{config:?}").contains("hidden"));
    assert!(config.warnings.is_empty());

    let set = [url, ("auth.authorize_cache", "0s"), ("auth.authorize_timeout", "250ms")];
    let config = given(&[&set[..], &[("auth.anonymous", "true")]].concat()).unwrap();
    let authorize = config.auth.authorize.as_ref().unwrap();
    assert_eq!((authorize.cache, authorize.timeout), (Duration::ZERO, Duration::from_millis(250)));
    assert!(config.warnings.concat().contains("auth.anonymous is not used"));
    assert!(with_keys(&[]).unwrap().auth.authorize.is_none());

    let refusal = |set: &[(&str, &str)]| given(set).expect_err("it resolves").to_string();
    for wrong in
        ["ftp://a/", "file:///etc/passwd", "not a url", "http://user:hidden@a/", "http://user@a/"]
    {
        let refusal = refusal(&[("auth.authorize_url", wrong)]);
        assert!(refusal.contains("`auth.authorize_url` must be an http or https URL"), "{refusal}");
        assert!(!refusal.contains("hidden"), "{refusal}");
    }
    assert!(refusal(&[url, ("auth.authorize_timeout", "0s")]).contains("longer than 0s"));
    assert!(refusal(&[url, ("auth.authorize_cache", "10")]).contains("a duration with its unit"));
}
