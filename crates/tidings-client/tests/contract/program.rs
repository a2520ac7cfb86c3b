//! The contract test service as a program, for suites that run outside: `cargo run -p tidings-client --example
//! contract-service` prints its URL as its first line, and ends at `DELETE /`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test service: what it cannot do is to end loudly"
)]

mod service;

use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    service::serve(listener).await;
}
