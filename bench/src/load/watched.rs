//! The server as the generator sees it.

use anyhow::Result;

use crate::server::Server;

/// A server as the loop sees it: whether it lives, and what it said.
pub(crate) trait Watched {
    /// # Errors
    /// When it has ended.
    fn check(&mut self) -> Result<()>;

    /// The last lines that it wrote.
    fn log(&self) -> String;
}

impl Watched for Server {
    fn check(&mut self) -> Result<()> {
        Self::check(self)
    }

    fn log(&self) -> String {
        Self::log(self)
    }
}
