//! The request a hub gets from `tidings publish`, and what its answers become.

use std::{io::Write as _, net::TcpListener, process::Stdio};

use crate::support::{ScriptedHub, answer, run, tidings};

#[test]
fn an_update_is_sent_as_mercures_form_and_its_id_is_printed() {
    let hub = ScriptedHub::start(vec![answer("200 OK", "Content-Type: text/plain\r\n", "#e-7")]);
    let published = run(tidings(&[
        "publish",
        "books/1",
        "a=1&b\nü",
        "--type",
        "price",
        "--id",
        "x 1",
        "--retry",
        "5s",
        "--private",
        "--idempotency-key",
        "k-1",
        "--url",
        &hub.url,
    ])
    .env("TIDINGS_TOKEN", "a.b.c"));
    assert_eq!((published.code(), published.out(), published.err()), (0, "#e-7\n", ""));
    let request = hub.request();
    assert_eq!(request.line, "POST /.well-known/mercure HTTP/1.1");
    assert_eq!(request.header("authorization"), Some("Bearer a.b.c"));
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("idempotency-key"), Some("k-1"));
    let form = "topic=books%2F1&data=a%3D1%26b%0A%C3%BC&type=price&id=x+1&retry=5000&private=on";
    assert_eq!(request.body, form);
}

#[test]
fn a_dash_publishes_all_of_standard_input() {
    let hub = ScriptedHub::start(vec![answer("200 OK", "", "1")]);
    let url = format!("{}/events", hub.url);
    let mut command = tidings(&["publish", "t", "-", "--url", &url]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"line 1\nline 2\n").unwrap();
    assert!(child.wait_with_output().unwrap().status.success());
    let request = hub.request();
    assert_eq!(request.line, "POST /events HTTP/1.1", "a path that was given stays");
    assert_eq!(request.body, "topic=t&data=line+1%0Aline+2%0A");
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn a_refused_update_exits_with_1_and_gives_the_hubs_reason() {
    let problem = r#"{"status":401,"reason":"bad_signature","detail":"the key does not fit"}"#;
    let cases = [
        (
            answer("401 Unauthorized", "", problem),
            "refused: 401 Unauthorized: bad_signature: the key does not fit\n",
        ),
        (
            answer("503 Service Unavailable", "Retry-After: 3\r\n", ""),
            "refused: 503 Service Unavailable (try again in 3 s)\n",
        ),
        (
            answer("400 Bad Request", "", "Missing \"topic\"\u{1b}[31m\nmore"),
            "refused: 400 Bad Request: Missing \"topic\"\\u{1b}[31m\n",
        ),
        // Followed, it would become a GET, which subscribes.
        (answer("302 Found", "Location: /elsewhere\r\n", ""), "refused: 302 Found\n"),
    ];
    for (answer, expected) in cases {
        let hub = ScriptedHub::start(vec![answer]);
        let refused = run(&mut tidings(&["publish", "t", "d", "--url", &hub.url]));
        assert_eq!((refused.code(), refused.out()), (1, ""));
        assert_eq!(refused.err(), format!("tidings: {expected}"));
    }
}

#[test]
fn a_hub_that_cannot_be_asked_exits_with_2() {
    // Bound and closed again: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://user:hunter2@{address}");
    let failed = run(&mut tidings(&["publish", "t", "d", "--url", &url]));
    assert_eq!((failed.code(), failed.out()), (2, ""));
    assert!(
        failed.err().contains(&format!("cannot publish to http://{address}/.well-known/mercure: ")),
        "{}",
        failed.err()
    );
    assert!(!failed.err().contains("hunter2"), "{}", failed.err());
    assert_eq!(failed.err().matches("Connection refused").count(), 1, "{}", failed.err());
    let token = ["publish", "t", "d", "--url", &url, "--token", "secret\ntoken"];
    let failed = run(&mut tidings(&token));
    assert_eq!(failed.code(), 2);
    assert!(!failed.err().contains("secret"), "{}", failed.err());
}

#[test]
fn what_is_no_url_is_shown_without_secrets_and_with_what_to_write() {
    let example = "is no http or https URL: write one such as http://127.0.0.1:3000";
    let cases = [
        (
            "127.0.0.1:3000/events",
            "\"127.0.0.1:3000/events\" is no URL: write http://127.0.0.1:3000/events".to_owned(),
        ),
        ("localhost:3000", "\"localhost:3000\" is no URL: write http://localhost:3000".to_owned()),
        ("a:hunter2@b/x?key=hunter2", "\"b/x\" is no URL: write http://b/x".to_owned()),
        ("", format!("\"\" {example}: relative URL without a base")),
        (
            "ftp://a:hunter2?hunter2@x/?hunter2",
            format!("\"ftp://x/\" {example}: invalid port number"),
        ),
        ("a:hunter2@b/?next=http://x", "\"b/\" is no URL: write http://b/".to_owned()),
        ("ftp://x?hunter2", format!("\"ftp://x\" {example}")),
        (
            "http://a:hunter2/@x:99999/#hunter2",
            format!("\"http://x:99999/\" {example}: invalid port number"),
        ),
    ];
    for (url, expected) in cases {
        for arguments in [&["publish", "t", "d"][..], &["subscribe", "t"]] {
            let failed = run(tidings(arguments).env("TIDINGS_URL", url));
            assert_eq!((failed.code(), failed.out()), (2, ""), "{url}");
            assert_eq!(failed.err(), format!("tidings: --url or TIDINGS_URL: {expected}\n"));
        }
    }
}

#[test]
fn plain_http_needs_no_certificates_on_the_machine() {
    let hub = ScriptedHub::start(vec![answer("200 OK", "", "1")]);
    let published = run(tidings(&["publish", "t", "d", "--url", &hub.url])
        .env("SSL_CERT_FILE", "no/such/file")
        .env("SSL_CERT_DIR", "no/such/directory"));
    assert_eq!((published.code(), published.err()), (0, ""));
}
