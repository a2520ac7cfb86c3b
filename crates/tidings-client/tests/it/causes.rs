//! What an error says on one line: what has happened, or why, too.

use std::io;
use std::net::TcpListener;

use tidings_client::{Backoff, Publisher, Update};

use crate::told::{plain_client, subscribe};

const NOWHERE: &str = "no token:\r\nthe file is gone";

fn once() -> Backoff {
    Backoff::default().with_max_attempts(1)
}

/// Where nobody listens: bound and closed again.
fn closed() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://ann:hunter2@{address}/a?token=hunter2")
}

/// Fails unless the error says what has happened when printed in short, and in full in the same line why.
fn assert_says(short: &str, full: &str, what: &str, why: &str) {
    assert!(short.ends_with(what), "{short}");
    let causes = full.strip_prefix(short).unwrap();
    assert!(causes.starts_with(": ") && causes.contains(why), "{full}");
    assert_eq!(full.matches(why).count(), 1, "{full}");
    assert!(!full.contains("hunter2") && !full.contains(['\r', '\n']), "{full}");
}

#[tokio::test]
async fn the_alternate_form_of_a_subscriptions_error_has_its_causes() {
    let mut events = subscribe(closed()).with_backoff(once()).open();
    let error = events.next().await.unwrap().unwrap_err();
    let (short, full) = (error.to_string(), format!("{error:#}"));
    assert_says(&short, &full, "/a: the server cannot be reached", "Connection refused");

    let asked = |_| async { Err::<String, _>(io::Error::other(NOWHERE)) };
    let mut events =
        subscribe(closed()).with_header_from("authorization", asked).with_backoff(once()).open();
    let error = events.next().await.unwrap().unwrap_err();
    let (short, full) = (error.to_string(), format!("{error:#}"));
    assert_says(&short, &full, "the URL or a header could not be had", "the file is gone");
}

#[tokio::test]
async fn the_alternate_form_of_a_publishers_error_has_its_causes() {
    let publisher = Publisher::new(closed()).with_http_client(plain_client()).with_backoff(once());
    let error = publisher.publish(&Update::new("a", "b")).await.unwrap_err();
    let (short, full) = (error.to_string(), format!("{error:#}"));
    assert_says(&short, &full, "/a: the hub cannot be reached", "Connection refused");

    let asked = |_| async { Err::<String, _>(io::Error::other(NOWHERE)) };
    let publisher = publisher.with_header_from("authorization", asked);
    let error = publisher.publish(&Update::new("a", "b")).await.unwrap_err();
    let (short, full) = (error.to_string(), format!("{error:#}"));
    assert_says(&short, &full, "the URL or a header could not be had", "the file is gone");
}
