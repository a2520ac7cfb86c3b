//! Requests as bytes, filled in as the target's description says.

use std::net::SocketAddr;

use super::stream::Plan;
use crate::target::{Resume, Target};

/// The request for a stream.
pub(super) fn subscribe(target: &Target, host: SocketAddr, plan: &Plan) -> Vec<u8> {
    let subscribe = &target.subscribe;
    let topic = ("topic", plan.selector.as_bytes());
    let mut request = b"GET ".to_vec();
    match (&plan.resume, &subscribe.resume) {
        (Some((id, _)), Some(Resume::Query(path))) => {
            path.render(&[topic, ("last_id", id.as_bytes())], &mut request);
        }
        _ => subscribe.path.render(&[topic], &mut request),
    }
    request.extend_from_slice(b" HTTP/1.1\r\n");
    push_header(&mut request, "Host", &host.to_string());
    for (name, value) in &subscribe.headers {
        push_header(&mut request, name, value);
    }
    if let (Some((id, _)), Some(Resume::Header)) = (&plan.resume, &subscribe.resume) {
        push_header(&mut request, "Last-Event-ID", id);
    }
    request.extend_from_slice(b"\r\n");
    request
}

/// Writes the request that publishes this data.
pub(super) fn publish(
    target: &Target,
    host: SocketAddr,
    topic: u32,
    data: &[u8],
    out: &mut Vec<u8>,
) {
    let publish = &target.publish;
    let name = topic_name(topic);
    let values = [("topic", name.as_bytes()), ("data", data)];
    let mut body = Vec::new();
    publish.body.render(&values, &mut body);
    out.clear();
    out.extend_from_slice(publish.method.as_bytes());
    out.push(b' ');
    publish.path.render(&values, out);
    out.extend_from_slice(b" HTTP/1.1\r\n");
    push_header(out, "Host", &host.to_string());
    for (name, value) in &publish.headers {
        push_header(out, name, value);
    }
    push_header(out, "Content-Length", &body.len().to_string());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&body);
}

/// The name of a topic.
pub(crate) fn topic_name(number: u32) -> String {
    format!("t{number}")
}

fn push_header(request: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        request.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_the_description_says() {
        let target = Target::built_in("tidings").unwrap();
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        let resume = Some(("#a-7".to_owned(), 1));
        let plan = Plan { selector: "t3".to_owned(), resume, ..Plan::default() };
        assert_eq!(
            String::from_utf8(subscribe(&target, host, &plan)).unwrap(),
            "GET /events?topic=t3 HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\
             Accept: text/event-stream\r\nLast-Event-ID: #a-7\r\n\r\n"
        );
        let mut request = Vec::new();
        publish(&target, host, 3, b"tb-z", &mut request);
        assert_eq!(
            String::from_utf8(request).unwrap(),
            "POST /events HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 18\r\n\r\n\
             topic=t3&data=tb-z"
        );
    }
}
