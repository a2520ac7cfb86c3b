//! Exit codes, what goes to which stream, and the configuration from the outside.

use std::fs;
use std::net::TcpListener;

use crate::support::{Running, run, tidings};

#[test]
fn the_version_is_the_packages() {
    let version = run(&mut tidings(&["--version"]));
    assert_eq!(
        (version.code(), version.out()),
        (0, concat!("tidings ", env!("CARGO_PKG_VERSION"), "\n"))
    );
}

#[test]
fn every_commands_help_names_an_example() {
    for command in ["serve", "demo", "relay", "publish", "subscribe", "token", "config"] {
        let help = run(&mut tidings(&[command, "--help"]));
        assert_eq!(help.code(), 0);
        let (_, examples) = help.out().split_once("Examples:\n").unwrap();
        assert!(examples.contains(&format!("tidings {command}")), "{examples}");
    }
}

#[test]
fn a_usage_error_exits_with_2_and_says_so_on_standard_error() {
    for arguments in [&["sevre"][..], &[], &["publish"], &["subscribe"], &["serve", "--set", "x"]] {
        let usage = run(&mut tidings(arguments));
        assert_eq!((usage.code(), usage.out()), (2, ""), "{arguments:?}");
        assert!(usage.err().contains("Usage") || usage.err().contains("--set"), "{}", usage.err());
    }
}

#[test]
fn a_hub_without_keys_exits_with_2_and_says_what_to_set() {
    let refused = run(&mut tidings(&["serve"]));
    assert_eq!((refused.code(), refused.out()), (2, ""));
    assert!(refused.err().contains("TIDINGS_AUTH_PUBLISHER_KEY"), "{}", refused.err());
}

#[test]
fn an_address_that_is_taken_names_the_flag_that_changes_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--listen", "--admin-listen"), ("--admin-listen", "--listen")] {
        let refused = run(&mut tidings(&["serve", "--dev", flag, &taken, other, "127.0.0.1:0"]));
        assert_eq!(refused.code(), 2);
        let expected = format!("cannot listen on {taken}: choose another address with {flag} or");
        assert!(refused.err().contains(&expected), "{}", refused.err());
    }
}

/// A server that answers nothing is waited for, for half a minute.
#[test]
fn a_hub_that_still_connects_to_its_log_stops_when_it_is_told_to() {
    for scheme in ["nats", "redis"] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let store = format!("{scheme}://{}", silent.local_addr().unwrap());
        let mut hub = Running::start(&mut tidings(&["serve", "--dev", "--store", &store]));
        // It has come to its log, so it listens for signals.
        let _connection = silent.accept().unwrap();
        assert_eq!(hub.terminate(), Some(0), "{scheme}");
    }
}

#[test]
fn the_printed_defaults_can_be_used_as_a_file() {
    let defaults = run(&mut tidings(&["config"]));
    assert_eq!(defaults.code(), 0);
    let directory = std::env::temp_dir().join(format!("tidings-cli-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let file = directory.join("tidings.toml");
    fs::write(&file, defaults.out().replace("per_user = 100", "per_user = 7")).unwrap();
    let resolved = run(tidings(&["config", "--resolved", "--dev", "--set", "drain.time=3s"])
        .env("TIDINGS_CONFIG", &file)
        .env("TIDINGS_STREAM_RETRY", "5s"));
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!((resolved.code(), resolved.err()), (0, ""));
    for line in [
        "\nretry = \"5s\"  # TIDINGS_STREAM_RETRY\n",
        "\ntime = \"3s\"  # --set\n",
        "\ndev = true  # --dev\n",
    ] {
        assert!(resolved.out().contains(line), "{}", resolved.out());
    }
    let file_line = resolved.out().lines().find(|line| line.starts_with("per_user = 7")).unwrap();
    assert!(file_line.contains("tidings.toml:"), "{file_line}");
}

#[test]
fn a_misspelt_setting_names_the_right_one_and_exits_with_2() {
    let refused = run(tidings(&["config", "--resolved"]).env("TIDINGS_LIMITS_PERUSER", "3"));
    assert_eq!(refused.code(), 2);
    assert!(refused.err().contains("TIDINGS_LIMITS_PER_USER`?"), "{}", refused.err());
    let refused = run(&mut tidings(&["serve", "--config", "no/such/file.toml"]));
    assert_eq!(refused.code(), 2);
    assert!(
        refused.err().contains("cannot read no/such/file.toml: No such file"),
        "{}",
        refused.err()
    );
}

#[test]
fn a_configuration_that_would_not_start_is_shown_and_then_refused() {
    let shown = run(&mut tidings(&["config", "--resolved"]));
    assert_eq!(shown.code(), 2);
    assert!(shown.out().contains("listen = \"127.0.0.1:3000\"  # default"));
    assert!(shown.err().contains("TIDINGS_AUTH_PUBLISHER_KEY"));
}
