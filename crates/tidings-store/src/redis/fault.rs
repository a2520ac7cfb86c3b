//! What went wrong between a hub and its Redis, in an operator's words.

use std::fmt;

use redis::{ErrorKind, RedisError};
use tidings_hub::Unavailable;

/// How much of what a server says is passed on, in characters.
const MAX_SAID: usize = 200;

/// What went wrong, and what follows from it.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    /// For the operator.
    pub(super) why: Unavailable,
    /// Whether the connection is of no more use.
    pub(super) ends_connection: bool,
    /// Whether waiting does not help: somebody has to change something first.
    pub(super) is_lasting: bool,
    pub(super) done: Done,
}

/// Whether what was asked for was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// Surely not.
    No,
    /// That is not known.
    Perhaps,
    /// That is not known, and no answer came in time.
    Late,
}

impl Fault {
    /// A server's or a connection's error, met at a place while doing something.
    pub(super) fn new(place: &str, doing: &str, error: &RedisError) -> Self {
        let code = code(error);
        let advice = advice(code, error);
        let why =
            Unavailable::new(format_args!("{place}: cannot {doing}: {}{advice}", Said(error)));
        let is_refusal = error.is_connection_refusal();
        let of_connection = error.is_io_error() || error.kind() == ErrorKind::Parse;
        Self {
            why,
            ends_connection: of_connection
                || matches!(
                    code,
                    "READONLY"
                        | "NOAUTH"
                        | "UNBLOCKED"
                        | "WRONGTYPE"
                        | "NOSCRIPT"
                        | "MASTERDOWN"
                        | "CLUSTERDOWN"
                        | "MOVED"
                        | "ASK"
                        | "TRYAGAIN"
                ),
            is_lasting: is_lasting(code, error),
            done: if is_refusal || refuses_whole(code) {
                Done::No
            } else if error.is_timeout() {
                Done::Late
            } else {
                Done::Perhaps
            },
        }
    }

    /// An answer that no Tidings and no Redis gives.
    pub(super) fn strange(place: &str, doing: &str, what: impl fmt::Display) -> Self {
        let why = Unavailable::new(format_args!("{place}: cannot {doing}: {what}"));
        Self { why, ends_connection: false, is_lasting: false, done: Done::Perhaps }
    }
}

/// The server's word for the error, or nothing.
fn code(error: &RedisError) -> &str {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return "WRONGPASS";
    }
    // A script's own error begins with the code of the command that failed.
    error.code().unwrap_or_default()
}

fn is_lasting(code: &str, error: &RedisError) -> bool {
    matches!(code, "WRONGPASS" | "NOAUTH" | "NOPERM" | "WRONGTYPE" | "MOVED")
        || error.kind() == ErrorKind::InvalidClientConfig
        || knows_no_hello(error)
        || error.to_string().contains("invalid peer certificate")
}

/// Whether a server that says so has done nothing of what a script was to do: it says it before the script runs, or at
/// its first write. Any other error may come in the middle of a script, and what that has done stays.
fn refuses_whole(code: &str) -> bool {
    matches!(
        code,
        "OOM"
            | "READONLY"
            | "MISCONF"
            | "NOREPLICAS"
            | "LOADING"
            | "BUSY"
            | "NOSCRIPT"
            | "NOAUTH"
            | "WRONGPASS"
            | "MOVED"
            | "ASK"
            | "TRYAGAIN"
            | "CROSSSLOT"
            | "CLUSTERDOWN"
            | "MASTERDOWN"
    )
}

/// Whether the server does not speak the protocol of Redis 6 and later.
fn knows_no_hello(error: &RedisError) -> bool {
    error.kind() == ErrorKind::RESP3NotSupported
        || error.detail().is_some_and(|said| said.starts_with("unknown command 'HELLO'"))
}

/// What to do about it.
fn advice(code: &str, error: &RedisError) -> &'static str {
    match code {
        "OOM" => "; its memory is full: raise its maxmemory, or let the log retain less",
        "READONLY" => "; it is a replica: let the URL lead to the primary",
        "LOADING" => "; it is reading its data and will be there when it has",
        "MISCONF" => "; it cannot write to its disk: look into its own log",
        "NOREPLICAS" => "; too few replicas are connected to it: see min-replicas-to-write",
        "WRONGPASS" | "NOAUTH" => {
            "; check the user and the password in the URL or the credentials file"
        }
        "NOPERM" => {
            "; let the user run scripts and use streams, hashes, sorted sets and the channel under the log's name"
        }
        "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" | "MASTERDOWN" => {
            "; let the URL lead to the primary that has the log: a cluster's other nodes do not do"
        }
        "WRONGTYPE" => "; another program uses the log's keys: choose another name",
        "BUSY" => "; a script of somebody's runs for too long there",
        "NOSCRIPT" => "; its scripts were flushed, and are loaded again",
        _ if knows_no_hello(error) => {
            "; it is too old, or is told not to know HELLO: use Redis 7 or later, or Valkey"
        }
        "ERR" if error.to_string().contains("top item") => {
            "; another program has written into the log's stream: choose another name, or delete the stream"
        }
        _ if error.is_timeout() => {
            "; it does not answer: it is stopped, overloaded, or cut off by the network"
        }
        _ if error.is_connection_refusal() => "; nothing listens there: is it running?",
        _ if error.kind() == ErrorKind::Parse => {
            "; what listens there does not speak as a Redis does: is the port right, and TLS (rediss://) meant or not?"
        }
        _ if error.is_io_error() => "; the connection was lost",
        _ => "",
    }
}

/// An error's text, short and in one line, whatever the server sent. A server repeats the arguments of a command that
/// it does not know; a password may be one of them.
struct Said<'a>(&'a RedisError);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        let said = self.0.to_string();
        let said = said.split(", with args beginning").next().unwrap_or_default();
        for character in said.chars().take(MAX_SAID) {
            f.write_char(if character.is_control() { ' ' } else { character })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    /// What an error that a server answers with means.
    fn answered(error: &str) -> Fault {
        let answer = redis::parse_redis_value(format!("-{error}\r\n").as_bytes());
        let error = answer.and_then(Value::extract_error).unwrap_err();
        Fault::new("redis://here:6379/0", "append", &error)
    }

    #[test]
    fn a_connection_to_a_server_that_has_the_log_no_longer_is_of_no_more_use() {
        for error in [
            "MOVED 3999 127.0.0.1:6381",
            "ASK 3999 127.0.0.1:6381",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN Hash slot not served",
        ] {
            let fault = answered(error);
            assert!(fault.ends_connection, "{error}");
            assert!(
                fault.why.to_string().contains("the primary that has the log"),
                "{}",
                fault.why
            );
        }
        assert!(!answered("OOM command not allowed").ends_connection);
    }

    #[test]
    fn an_error_within_a_script_leaves_open_what_was_done() {
        let done = |error| answered(error).done;
        assert_eq!(done("OOM command not allowed when used memory > 'maxmemory'."), Done::No);
        assert_eq!(done("NOSCRIPT No matching script. Please use EVAL."), Done::No);
        assert_eq!(done("ERR user_script:7: attempt to compare number with nil"), Done::Perhaps);
        assert_eq!(done("WRONGTYPE Operation against a key, on @user_script:9."), Done::Perhaps);
        assert_eq!(done("NOPERM this user has no permissions to run 'zadd'"), Done::Perhaps);
    }

    #[test]
    fn the_arguments_of_an_unknown_command_are_not_repeated() {
        for error in [
            "ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'hub' 'secret' ",
            "ERR unknown command `AUTH`, with args beginning with: `hub`, `secret`, ",
        ] {
            let why = answered(error).why.to_string();
            assert!(why.contains("unknown command") && !why.contains("secret"), "{why}");
        }
        assert!(
            answered("ERR unknown command 'HELLO', with args").is_lasting,
            "waiting does not help"
        );
    }
}
