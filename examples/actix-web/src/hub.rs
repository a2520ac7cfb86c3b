//! The hub as an actix-web handler. To copy: it knows nothing of this app.
//!
//! actix-web has HTTP types of its own generation (http 0.2), so requests and answers are carried over one field after
//! the other; an event stream's pieces are passed on as they are, without a copy.

use actix_web::body::{self, BodyStream, MessageBody as _, SizedStream};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use http::Request;
use http_body::Body as _;
use tidings_server::auth::Identity;
use tidings_server::{Body, Peer, Server};

/// Answers with the hub at its own paths, `/.well-known/mercure` and `/events`. Route all methods there to it, and have the
/// [`Server`] in the app's data.
///
/// Middleware says who asks by putting an [`Identity`] into the request's extensions. The body of a publish over HTTP is
/// taken as a whole, so it may be as long as the app's `PayloadConfig` says, by default 256 KiB.
pub(crate) async fn hub(request: HttpRequest, body: Bytes, server: Data<Server>) -> HttpResponse {
    match carry_in(&request, body) {
        Ok(carried) => {
            let peer = request.peer_addr().map(Peer::from).unwrap_or_default();
            carry_out(server.handle(carried, peer).await)
        }
        // What one of the two generations takes for HTTP and the other does not.
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}

fn carry_in(request: &HttpRequest, body: Bytes) -> Result<Request<Body>, http::Error> {
    let mut carried =
        Request::builder().method(request.method().as_str()).uri(request.uri().to_string());
    for (name, value) in request.headers() {
        carried = carried.header(name.as_str(), value.as_bytes());
    }
    let mut carried = carried.body(Body::from(body))?;
    if let Some(identity) = request.extensions().get::<Identity>() {
        carried.extensions_mut().insert(identity.clone());
    }
    Ok(carried)
}

fn carry_out(response: http::Response<Body>) -> HttpResponse {
    let (head, pieces) = response.into_parts();
    let status = actix_web::http::StatusCode::from_u16(head.status.as_u16()).unwrap_or_default();
    let mut carried = HttpResponse::build(status);
    for (name, value) in &head.headers {
        carried.append_header((name.as_str(), value.as_bytes()));
    }
    carried.body(match pieces.size_hint().exact() {
        // To `HEAD`, or 204: without a body there is no length to tell.
        Some(0) => body::None::new().boxed(),
        Some(size) => SizedStream::new(size, pieces).boxed(),
        None => BodyStream::new(pieces).boxed(),
    })
}
