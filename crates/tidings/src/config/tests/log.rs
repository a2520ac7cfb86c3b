//! Where the log is kept: what is read from the settings, and what is refused.

use std::path::PathBuf;

use super::*;
use crate::config::Store;

fn store(settings: &[(&'static str, &'static str)]) -> Result<Store, String> {
    with_keys(settings).map(|config| config.log.store).map_err(|error| error.to_string())
}

#[test]
fn the_log_is_on_disk_unless_said_otherwise() {
    let Ok(Store::Disk { directory, durability }) = store(&[]) else { panic!("it is on disk") };
    assert_eq!(directory, PathBuf::from("tidings-data"));
    assert_eq!(durability, tidings_store::disk::Durability::Synced);
    assert!(matches!(store(&[("log.store", "memory")]), Ok(Store::Memory)));
}

#[test]
fn a_url_names_the_engine_and_its_settings() {
    let redis = store(&[("log.store", "rediss://u:p@host:1/2"), ("log.wait_replicas", "2")]);
    let Ok(Store::Redis { engine, wait_replicas: 2 }) = redis else { panic!("it is Redis") };
    assert_eq!((&*engine.url, &*engine.name), ("rediss://u:p@host:1/2", "tidings"));
    assert_eq!(format!("{engine:?}"), "Engine { name: \"tidings\", .. }");
    let nats = store(&[
        ("log.store", "nats://a:4222,nats://b:4222"),
        ("log.replicas", "3"),
        ("log.name", "x"),
        ("log.credentials_file", "c"),
    ]);
    let Ok(Store::Nats { engine, replicas: 3 }) = nats else { panic!("it is NATS") };
    assert_eq!(engine.name, "x");
    assert_eq!(engine.credentials_file, Some(PathBuf::from("c")));
}

#[test]
fn what_is_no_store_is_refused_with_what_is_one() {
    assert!(store(&[("log.store", "disc")]).unwrap_err().contains("not \"disc\""));
    for text in ["disc", "http://host", "redis://", "nats://:4222", "redis:///0"] {
        let refusal = store(&[("log.store", text)]).unwrap_err();
        assert!(refusal.contains("`log.store` must be \"disk\", \"memory\", or a"), "{refusal}");
    }
    for (name, value, words) in [
        ("log.durability", "fsync", "\"synced\" or \"process\""),
        ("log.name", "a b", "letters, digits"),
        ("log.replicas", "6", "1 to 5"),
        ("log.memory", "1000", "must not be less than `limits.update_bytes`"),
    ] {
        let refusal = store(&[(name, value)]).unwrap_err();
        assert!(refusal.contains(name) && refusal.contains(words), "{refusal}");
    }
}

#[test]
fn a_password_in_the_url_is_shown_nowhere() {
    let environment = [("TIDINGS_LOG_STORE", "nats://u:hunter2@a:4222,nats://u:hunter3@b:4222")];
    let given = Given { environment: &environment, ..Given::default() };
    let shown = resolved(&given.layers().unwrap());
    assert!(
        shown.contains(
            "store = \"nats://********:********@a:4222,nats://********:********@b:4222\""
        ),
        "{shown}"
    );
    let refusal = store(&[("log.store", "http://u:hunter2@host")]).unwrap_err();
    assert!(!shown.contains("hunter") && !refusal.contains("hunter"), "{shown}{refusal}");
}

#[test]
fn development_and_bare_relays_keep_the_log_in_memory_unless_said_otherwise() {
    let layers = |flags: &[(&'static str, &'static str)]| {
        let mut layers = Layers::defaults().unwrap();
        let flag = |(name, value): &(&'static str, &'static str)| Flag {
            typed: "--set",
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        layers.lay_flags(&flags.iter().map(flag).collect::<Vec<_>>()).unwrap();
        layers.lay_dev();
        layers
    };
    let dev = Config::resolve(&layers(&[("dev", "true")])).unwrap();
    assert!(matches!(dev.log.store, Store::Memory));
    let asked = Config::resolve(&layers(&[("dev", "true"), ("log.store", "disk")])).unwrap();
    assert!(matches!(asked.log.store, Store::Disk { .. }));
    let mut relay = layers(&[("auth.publisher_key", KEY), ("auth.anonymous", "true")]);
    relay.lay_memory();
    assert!(matches!(Config::resolve(&relay).unwrap().log.store, Store::Memory));
}

#[test]
fn a_shared_relay_and_a_shared_log_do_not_go_together() {
    let file = "[[relay]]\npath = '/x'\nurl = 'http://a/b'\n";
    let environment = [("TIDINGS_LOG_STORE", "redis://host"), ("TIDINGS_AUTH_ANONYMOUS", "true")];
    let given = Given { file, environment: &environment, ..Given::default() };
    let refusal = given.resolve().unwrap_err().to_string();
    assert!(refusal.contains("/x") && refusal.contains("per-client"), "{refusal}");
}
