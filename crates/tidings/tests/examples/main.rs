//! The example apps, started with the first command of their README and used as their users use them.
//!
//! - `contract`: what every app does, and for whom
//! - `page`: the page in a real Chromium
//! - `relayed`: the app's plain endpoint behind a relay that many are subscribed to
//! - `example`: a row of the table below, and its files
//! - `site`: an app with its hub, and requests to them
//! - `app`: the app's processes
//! - `program`, `serving`: this project's own program, as a hub or a relay
//! - `stream`: a subscriber
//! - `sockets`: the connections that an app has
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helper functions of the tests fail by panicking"
)]

mod app;
#[path = "../support/chromium.rs"]
mod chromium;
mod contract;
mod example;
mod page;
#[path = "../support/program.rs"]
mod program;
mod relayed;
mod serving;
mod site;
mod sockets;
mod stream;
#[path = "../support/window.rs"]
mod window;

use example::{Example, Hub};

/// Each row becomes a module with the tests of its app.
macro_rules! examples {
    ($($name:ident: $directory:literal, $hub:expr;)*) => {$(
        mod $name {
            use super::*;

            static EXAMPLE: Example = Example::new($directory, $hub);

            #[test]
            fn it_publishes_to_those_who_may_know_and_to_nobody_else() {
                EXAMPLE.alone(contract::check(&EXAMPLE));
            }

            #[test]
            fn its_page_shows_what_comes() {
                EXAMPLE.alone(page::check(&EXAMPLE));
            }

            #[test]
            fn a_relay_is_one_subscriber_to_it_and_keeps_its_own_while_it_is_killed() {
                EXAMPLE.alone(relayed::check_many(&EXAMPLE));
            }

            #[test]
            fn a_subscriber_of_its_relay_comes_back_to_what_it_missed() {
                EXAMPLE.alone(relayed::check_return(&EXAMPLE));
            }
        }
    )*};
}

/// Each app is a whole to copy, so each has the page in its folder; a change of one is a change of all.
#[test]
fn every_app_has_the_same_page() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let page = |path: &str| std::fs::read_to_string(format!("{examples}/{path}")).unwrap();
    let express = page("express/public/index.html");
    for app in ["fastify", "fastapi", "axum", "actix-web"] {
        assert!(page(&format!("{app}/public/index.html")) == express, "{app}");
    }
    let spring = page("spring-webflux/src/main/resources/static/index.html");
    assert!(spring == express, "spring-webflux");
}

// name: folder in `examples`, where its hub is
examples! {
    express: "express", Hub::Beside;
    fastify: "fastify", Hub::Beside;
    fastapi: "fastapi", Hub::Beside;
    spring_webflux: "spring-webflux", Hub::Beside;
    axum: "axum", Hub::Inside;
    actix_web: "actix-web", Hub::Inside;
}
