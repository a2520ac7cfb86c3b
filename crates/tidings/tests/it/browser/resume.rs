//! A page comes back by itself: after a cut connection it misses nothing, after a lost log it says so.

use super::{hub::Hub, line::Line, page::Page};

#[tokio::test]
async fn a_page_whose_connection_is_cut_resumes_with_no_missed_and_no_doubled_event() {
    let hub = Hub::serve(&[]);
    let line = Line::to(hub.address).await;
    let page = Page::open(line.address).await;
    page.until_state("open").await;
    let mut ids = vec![hub.publish("news", "before")];
    page.until_shown(&ids[0]).await;

    for cuts in 1..=2 {
        line.cut();
        page.until_state("connecting").await;
        ids.extend(["first", "second"].map(|data| hub.publish("news", data)));
        line.mend();
        page.until_resumed(cuts).await;
        ids.push(hub.publish("news", "after"));
        page.until_shown(ids.last().unwrap()).await;
    }
    assert_eq!(page.ids().await, ids);
    assert_eq!(page.notes("gap").await, [""; 0]);
    assert_eq!(page.attribute("#last-id", "data-id").await.as_ref(), ids.last());
}

#[tokio::test]
async fn a_page_that_has_seen_no_event_yet_resumes_as_well() {
    let hub = Hub::serve(&[]);
    hub.publish("news", "before the page");
    let line = Line::to(hub.address).await;
    let page = Page::open(line.address).await;
    page.until_state("open").await;
    assert_eq!(page.ids().await, [""; 0]);

    line.cut();
    page.until_state("connecting").await;
    let missed = hub.publish("news", "meanwhile");
    line.mend();
    page.until_shown(&missed).await;
    assert_eq!(page.ids().await, [missed]);
    assert_eq!(page.notes("gap").await, [""; 0]);
}

#[tokio::test]
async fn a_page_comes_back_to_a_hub_that_was_killed_and_shows_the_gap() {
    let hub = Hub::serve(&[]);
    let page = Page::open(hub.address).await;
    page.until_state("open").await;
    let lost = hub.publish("news", "lost with the log");
    page.until_shown(&lost).await;

    let killed = hub.kill();
    page.until_state("connecting").await;
    let hub = killed.start();
    page.until_there(".note.gap").await;
    page.until_state("open").await;
    let new = hub.publish("news", "in the new log");
    page.until_shown(&new).await;

    assert_ne!(new.split('-').next(), lost.split('-').next(), "the logs have epochs of their own");
    let gaps = page.notes("gap").await;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].contains(&lost), "{gaps:?}");
    let kinds: Vec<_> = page.rows().await.into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["event", "note note", "note gap", "event"]);
    assert_eq!(page.ids().await, [lost, new]);
    assert_eq!(page.text("#resumes").await, "1");
}
