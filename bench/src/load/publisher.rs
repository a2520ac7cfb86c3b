//! One publisher: a connection that is kept open, with one request at a time.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context as _, Result, bail};

use super::reply::Reply;

/// A publisher's connection.
pub(crate) struct Publisher {
    pub(crate) socket: TcpStream,
    reply: Reply,
    waiting: bool,
}

/// How reading an answer went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It has not wholly come.
    Waiting,
    /// It has come; the connection can be used again.
    Answered,
    /// It has come, or there was none to wait for, and the connection is over.
    Closed,
}

impl Publisher {
    pub(crate) fn connect(to: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(to).context("cannot connect to publish")?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, reply: Reply::default(), waiting: false })
    }

    /// Sends a request.
    pub(crate) fn send(&mut self, request: &[u8]) -> Result<()> {
        let sent = self.socket.write(request).context("cannot publish")?;
        if sent < request.len() {
            bail!("the socket does not take a whole request to publish");
        }
        self.waiting = true;
        Ok(())
    }

    /// Reads once.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<Progress> {
        let read = match self.socket.read(buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Progress::Waiting);
            }
            Err(_) if !self.waiting => return Ok(Progress::Closed),
            Err(error) => return Err(error).context("no answer to a publish"),
        };
        if !self.waiting {
            if read > 0 {
                bail!("an answer that nobody asked for");
            }
            return Ok(Progress::Closed);
        }
        let input = buffer.get(..read).unwrap_or_default();
        let Some(answer) = self.reply.feed(input, read == 0)? else {
            if read == 0 {
                bail!("the connection ended before the answer to a publish");
            }
            return Ok(Progress::Waiting);
        };
        if !(200..300).contains(&answer.status) {
            bail!("an update was refused: {}", self.reply.text());
        }
        self.reply.clear();
        self.waiting = false;
        Ok(if answer.keep { Progress::Answered } else { Progress::Closed })
    }
}
