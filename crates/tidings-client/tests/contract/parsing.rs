//! What comes of the bytes: fields, events, marks of the encoding, comments, line ends.

use std::collections::BTreeSet;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::cases::{Case, play};
use crate::stage::{Stage, other_service};

const BOM: &str = "\u{feff}";

#[tokio::test]
async fn events_are_what_their_fields_say() {
    // Text that repeats nowhere, so that no part can stand for another.
    let mut bytes = vec![0; 5 << 20];
    fastrand::Rng::with_seed(7).fill(&mut bytes);
    let large = BASE64_STANDARD.encode(bytes);
    let numbers: Vec<String> = (0..100).map(|n| format!("data: {n}\n\n")).collect();
    let many = Case::new("a hundred in one chunk, in order").send(numbers.concat());
    let text = "data: h\u{e4}\u{20ac}\u{8c46}\u{1f980}\n\n";
    let cases = vec![
        Case::new("one in one chunk").send("data: one\n\n").data("one"),
        Case::new("one in two chunks").send("data: o").send("ne\n\n").data("one"),
        Case::new("two in one chunk").send("data: 1\n\ndata: 2\n\n").data("1").data("2"),
        Case::new("two in three chunks, the middle one of both")
            .send("data: fi")
            .send("rst\n\ndata:")
            .send("second\n\n")
            .data("first")
            .data("second"),
        Case::new("7 MB").send(format!("data: {large}\n\n")).data(large.clone()),
        Case::new("14 MB in two chunks")
            .send(format!("data: {large}"))
            .send(format!("{large}\n\n"))
            .data(large.repeat(2)),
        Case::new("two lines").send("data: a\ndata:b\n\n").data("a\nb"),
        Case::new("empty data").send("data:\n\n").data(""),
        Case::new("a type").send("event: news\ndata: a\n\n").event("news", "a", ""),
        Case::new("the type where none is given").send("data: a\n\n").event("message", "a", ""),
        Case::new("an id").send("id: 7\ndata: a\n\n").event("message", "a", "7"),
        Case::new("a type and an id")
            .send("event: news\nid: 7\ndata: a\n\n")
            .event("news", "a", "7"),
        Case::new("an id with NUL is none").send("id: 7\0x\ndata: a\n\n").data("a"),
        Case::new("an id holds on")
            .send("id: 7\ndata: a\n\n")
            .send("data: b\n\n")
            .event("message", "a", "7")
            .event("message", "b", "7"),
        Case::new("an empty id ends it")
            .send("id: 7\ndata: a\n\n")
            .send("id: \ndata: b\n\n")
            .event("message", "a", "7")
            .data("b"),
        Case::new("fields in another order")
            .send("data: a\nid: 7\nevent: news\n\n")
            .event("news", "a", "7"),
        Case::new("a field that means nothing")
            .send("event: news\ncolour: red\ndata: a\n\n")
            .event("news", "a", ""),
        Case::new("no space after the colon").send("event:news\ndata:a\n\n").event("news", "a", ""),
        Case::new("two spaces after the colon")
            .send("event:  news\ndata:  a\n\n")
            .event(" news", " a", ""),
        Case::new("no colon").send("data\n\ndata\ndata\n\n").data("").data("\n"),
        Case::new("characters of many bytes").send(text).data(&text[6..text.len() - 2]),
        Case::new("characters of many bytes, byte by byte")
            .send_in(1, text)
            .data(&text[6..text.len() - 2]),
        (0..100).fold(many, |case, n| case.data(n.to_string())),
    ];
    assert_eq!(cases.len(), 23);
    play(cases).await;
}

#[tokio::test]
async fn one_mark_of_the_encoding_is_passed_over_at_the_start() {
    let cases = vec![
        Case::new("at the start").send(format!("{BOM}data: a\n\n")).data("a"),
        Case::new("before a type and an id")
            .send(format!("{BOM}event: news\nid: 7\ndata: a\n\n"))
            .event("news", "a", "7"),
        Case::new("before two events")
            .send(format!("{BOM}data: a\n\ndata: b\n\n"))
            .data("a")
            .data("b"),
        Case::new("in later data")
            .send("data: a\n\n")
            .send(format!("data: {BOM}b\n\n"))
            .data("a")
            .data(format!("{BOM}b")),
        Case::new("in two chunks").send(b"\xef\xbb").send(b"\xbfdata: a\n\n").data("a"),
        Case::new("byte by byte").send_in(1, BOM).send("data: a\n\n").data("a"),
        Case::new("and another in the data")
            .send(format!("{BOM}data: {BOM}a\n\n"))
            .data(format!("{BOM}a")),
        Case::new("none").send("data: a\n\n").data("a"),
        Case::new("before two lines").send(format!("{BOM}data: a\ndata: b\n\n")).data("a\nb"),
        Case::new("before a comment")
            .send(format!("{BOM}:hi\ndata: a\n\n"))
            .comment("hi")
            .data("a"),
        Case::new("before empty data").send(format!("{BOM}data:\n\n")).data(""),
    ];
    assert_eq!(cases.len(), 11);
    play(cases).await;
}

#[tokio::test]
async fn comments_are_told_at_the_end_of_their_line() {
    let cases = vec![
        Case::new("one").send(":hi\n").comment("hi"),
        Case::new("two").send(":hi\n").send(":ho\n").comment("hi").comment("ho"),
        Case::new("before an event").send(":hi\n").send("data: a\n\n").comment("hi").data("a"),
        Case::new("after an event").send("data: a\n\n").send(":hi\n").data("a").comment("hi"),
    ];
    play(cases).await;
}

#[tokio::test]
async fn lines_end_with_lf_crlf_or_cr() {
    let streams: [(&str, &str, &[&str]); 6] = [
        ("one line", "data: a\n\n", &["a"]),
        ("one line and two lines", "data: a\n\ndata: b 1\ndata: b 2\n\n", &["a", "b 1\nb 2"]),
        ("an empty line first", "data:\ndata: 2\ndata: 3\n\n", &["\n2\n3"]),
        ("an empty line between", "data: 1\ndata:\ndata: 3\n\n", &["1\n\n3"]),
        ("a blank line too many", "data: a\n\n\ndata: b\n\n", &["a", "b"]),
        ("two blank lines too many", "data: a\n\n\n\ndata: b\n\n", &["a", "b"]),
    ];
    let mut cases = vec![
        Case::new("CRLF that the end of a chunk cuts")
            .send("data: a\r")
            .send("\ndata: b\r")
            .send("\n\r\ndata: c\r")
            .send("\n")
            .send("\r")
            .send("\n")
            .data("a\nb")
            .data("c"),
    ];
    for (end_name, end) in [("LF", "\n"), ("CRLF", "\r\n"), ("CR", "\r")] {
        for (name, stream, expected) in streams {
            let stream = stream.replace('\n', end);
            for size in [usize::MAX, 1, 2] {
                let case = Case::new(format!("{end_name}, {name}, chunks of {size}"));
                let case = case.send_in(size, &stream);
                cases.push(expected.iter().fold(case, |case, data| case.data(*data)));
            }
        }
    }
    assert_eq!(cases.len(), 55);
    play(cases).await;
}

/// Sizes at which some buffer on the way is not quite full, full, and too small by a byte. One that waits to be filled
/// holds the event back for as long as nothing else comes.
#[tokio::test]
async fn an_event_comes_at_once_whatever_its_size() {
    // The suite goes up to 128 MiB. Unless a contract is asked for, that is 20 seconds for little more than for 16 MiB.
    let most = if other_service().is_some() { 27 } else { 24 };
    let powers = (0..=most).map(|power| 1_usize << power);
    let sizes: BTreeSet<usize> = powers.flat_map(|size| [size - 1, size, size + 1]).collect();
    for size in sizes.into_iter().filter(|&size| size > 0) {
        let (mut stage, stream) = Stage::open().await;
        let data = "x".repeat(size);
        stream.send(format!("data: {data}\n\n")).await;
        // As the suite does: time for the large ones, at 2 MiB a second.
        stage.be_patient(Duration::from_secs(10) + Duration::from_secs(size as u64) / (2 << 20));
        stage.expect("message", &data, "").await;
        stage.close(Some(stream)).await;
    }
}
