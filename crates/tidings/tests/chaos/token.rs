//! Tokens, as the program mints them.

use tokio::process::Command;

use crate::hub::PROGRAM;

const KEY: &str = "a secret of more than thirty-two bytes";
/// Settings of a hub that takes them.
pub(crate) const PUBLISHER_KEY: &str = "auth.publisher_key=a secret of more than thirty-two bytes";
pub(crate) const SUBSCRIBER_KEY: &str =
    "auth.subscriber_key=a secret of more than thirty-two bytes";

/// A token of alice's, who may publish everything, and read this.
pub(crate) async fn mint(readable: &[&str]) -> String {
    let arguments = ["token", "--key", KEY, "--sub", "alice", "--publish", "*", "--subscribe"];
    let minted = Command::new(PROGRAM).args(arguments).args(readable).output().await.unwrap();
    assert!(minted.status.success(), "{minted:?}");
    String::from_utf8(minted.stdout).unwrap().trim().to_owned()
}
