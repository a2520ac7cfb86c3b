//! The shared streams through a real socket, and the last event id over several connections.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use tidings_client::{Event, Subscribe};

use crate::server::{Answer, Server, stream};
use crate::told::{all_texts, plain_client, subscribe};

#[derive(Deserialize)]
struct Case {
    name: String,
    chunks: Vec<String>,
    expect: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    t: String,
    d: String,
    i: String,
}

/// How the bytes of a case are sent.
fn sent(chunks: impl IntoIterator<Item = Vec<u8>>) -> Answer {
    chunks.into_iter().fold(stream(""), Answer::then)
}

#[tokio::test(start_paused = true)]
async fn every_shared_stream_holds_its_events_however_it_is_cut() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../vectors/wire-cases.json")).unwrap();
    assert_eq!(cases.len(), 37, "no case may get lost");
    let client = plain_client();
    for Case { name, chunks, expect } in cases {
        let chunks: Vec<Vec<u8>> =
            chunks.iter().map(|it| BASE64_STANDARD.decode(it).unwrap()).collect();
        let whole = chunks.concat();
        let expected: Vec<Event> = expect.into_iter().map(event).collect();
        let byte_by_byte = sent(whole.iter().map(|byte| vec![*byte]));
        let cut = (0..=whole.len()).map(|cut| sent([whole[..cut].to_vec(), whole[cut..].to_vec()]));
        for answer in [sent(chunks), byte_by_byte].into_iter().chain(cut) {
            let server = Server::start(vec![answer]).await;
            let mut events =
                Subscribe::new(server.url("/")).with_http_client(client.clone()).open();
            let mut found = Vec::new();
            while let Some(event) = events.next().await {
                found.push(event.unwrap());
            }
            assert_eq!(found, expected, "{name}");
        }
    }
}

fn event(Expected { t, d, i }: Expected) -> Event {
    Event { event_type: t, data: d, last_event_id: i }
}

#[tokio::test(start_paused = true)]
async fn an_id_is_kept_over_connections_that_bring_none_and_reset_by_an_empty_one() {
    let server = Server::start(vec![
        stream("id: 1\ndata: a\n\n"),
        stream("data: b\n\n"),
        stream(": nothing\n\n"),
        stream("data: c\n\nid\n\n"),
        stream("data: d\n\n"),
    ])
    .await;
    let told = all_texts(subscribe(server.url("/"))).await;
    let events: Vec<&String> = told.iter().filter(|it| it.starts_with("message")).collect();
    let expected =
        [r#"message "a" #1"#, r#"message "b" #1"#, r#"message "c" #1"#, r#"message "d" #"#];
    assert_eq!(events, expected);
    let ids: Vec<_> =
        server.requests().iter().map(|it| it.header("last-event-id").map(str::to_owned)).collect();
    let one = Some("1".to_owned());
    assert_eq!(ids, [None, one.clone(), one.clone(), one, None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_block_that_its_connection_cuts_off_counts_for_nothing() {
    let server = Server::start(vec![
        stream("id: 1\ndata: a\n\nid: 2\ndata: b\nevent: x"),
        stream("\ndata: c\n\n"),
        stream("id: 3\n\nid: 4"),
    ])
    .await;
    let told = all_texts(subscribe(server.url("/"))).await;
    assert!(told.contains(&r#"message "c" #1"#.to_owned()), "{told:?}");
    assert!(!told.concat().contains("\"b"), "{told:?}");
    let requests = server.requests();
    assert_eq!(requests[1].header("last-event-id"), Some("1"));
    assert_eq!(requests[3].header("last-event-id"), Some("3"), "a block without data moves it");
}
