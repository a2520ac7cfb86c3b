//! Which redirects are followed, and what goes along. Where a `Location` leads is tested beside the code.

use http::Method;

use crate::server::{Answer, Server, answer, stream};
use crate::told::{all_texts, subscribe};

fn redirect(status: u16, location: &str) -> Answer {
    answer(&format!("{status} X"), &format!("Location: {location}\r\n"), "")
}

#[tokio::test(start_paused = true)]
async fn redirects_are_followed_at_each_attempt_from_the_original_url_on() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(vec![
            redirect(status, "b?c"),
            redirect(status, "/d"),
            stream("id: 1\ndata\n\n"),
            redirect(status, "/e"),
        ])
        .await;
        let told = all_texts(subscribe(server.url("/a/x")).with_header("x-one", "1")).await;
        let expected = ["opened 200", "message \"\" #1", "retrying: the stream ended", "stopped"];
        assert_eq!(told, expected);
        let requests = server.requests();
        let lines: Vec<_> = requests.iter().map(|it| it.line.as_str()).collect();
        let expected =
            ["/a/x", "/a/b?c", "/d", "/a/x", "/e"].map(|it| format!("GET {it} HTTP/1.1"));
        assert_eq!(lines, expected, "{status}");
        assert!(requests.iter().all(|it| it.header("x-one") == Some("1")));
        assert_eq!(requests[4].header("last-event-id"), Some("1"));
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_the_callers_reaches_another_origin() {
    let other = Server::start(vec![stream("id: 1\ndata\n\n")]).await;
    let moved = redirect(307, &other.url("/b").replace("http://", "http://eve:x@"));
    let server = Server::start(vec![moved]).await;
    let url = server.url("/a").replace("http://", "http://ann:secret@");
    let subscribe = subscribe(url)
        .with_header("authorization", "Bearer secret")
        .with_header("x-key", "secret")
        .with_header("accept", "text/event-stream;secret")
        .with_last_event_id("0");
    all_texts(subscribe).await;
    let request = &other.requests()[0];
    assert_eq!(request.header("accept"), Some("text/event-stream"));
    assert_eq!(request.header("last-event-id"), Some("0"), "the id is the stream's, no secret");
    let mut names = request.header_names();
    names.sort_unstable();
    assert_eq!(names, ["accept", "cache-control", "host", "last-event-id", "user-agent"]);
    let again = &server.requests()[1];
    assert_eq!(again.header("x-key"), Some("secret"));
    assert_eq!(again.header("last-event-id"), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_post_goes_on_with_its_body_or_becomes_a_get() {
    for (status, line, body) in [
        (307, "POST /b HTTP/1.1", "x=1"),
        (308, "POST /b HTTP/1.1", "x=1"),
        (301, "GET /b HTTP/1.1", ""),
        (302, "GET /b HTTP/1.1", ""),
        (303, "GET /b HTTP/1.1", ""),
    ] {
        let server = Server::start(vec![redirect(status, "/b"), stream("")]).await;
        all_texts(subscribe(server.url("/a")).with_method(Method::POST).with_body("x=1")).await;
        let requests = server.requests();
        assert_eq!((requests[1].line.as_str(), requests[1].body.as_str()), (line, body));
        assert_eq!(
            (requests[2].line.as_str(), requests[2].body.as_str()),
            ("POST /a HTTP/1.1", "x=1")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn ten_redirects_are_followed_and_an_eleventh_stops() {
    let ten = || vec![redirect(302, "/a"); 10];
    let mut opens = ten();
    opens.push(stream(""));
    let server = Server::start(opens).await;
    assert_eq!(all_texts(subscribe(server.url("/"))).await[0], "opened 200");
    let mut loops = ten();
    loops.push(redirect(302, "/a"));
    loops.push(stream(""));
    let server = Server::start(loops).await;
    let told = all_texts(subscribe(server.url("/"))).await;
    assert_eq!(told, ["stopped: the server redirects more than 10 times"]);
    assert_eq!(server.requests().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_that_leads_nowhere_stops() {
    let nowhere = "stopped: the server redirects without a Location";
    let bad = "stopped: the server redirects to a Location that is no http or https URL of at most 64 KiB";
    let long = format!("Location: /{}\r\n", "x".repeat(1 << 16));
    let cases = [
        ("", nowhere),
        ("Location:\r\n", nowhere),
        ("Location: file:///etc/passwd\r\n", bad),
        (&long, bad),
    ];
    for status in ["301 X", "307 X"] {
        for (headers, said) in cases {
            let server = Server::start(vec![answer(status, headers, "")]).await;
            assert_eq!(all_texts(subscribe(server.url("/"))).await, [said]);
            assert_eq!(server.requests().len(), 1);
        }
    }
}
