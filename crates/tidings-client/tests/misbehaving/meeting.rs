//! A client meets a server: what it does, how often it comes back, and what it tells.

use std::error::Error;
use std::time::Duration;

use tidings_client::{Backoff, Events, Retrying, Signal, Subscribe};
use tokio::time::{Instant, timeout_at};

use crate::case::{Case, Outcome};
use crate::server::Server;

/// No meeting takes longer, whatever the server does.
const LONGEST: Duration = Duration::from_secs(20);

/// The time in which attempts are counted.
const COUNTED: Duration = Duration::from_secs(2);

/// The most attempts in that time: with a base of 100 ms and full jitter, more have a probability far below one in a million.
const MOST_ATTEMPTS: usize = 12;

/// The most connections of one attempt: its own and those of ten redirects.
const CONNECTIONS_OF_AN_ATTEMPT: usize = 11;

/// How long the client waits for a head, and in a silent stream, where it may have to give up.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// And elsewhere: a machine that is slow must not change what happens.
const PATIENCE: Duration = Duration::from_secs(10);

/// A stream that is neither ended nor broken after this time is open.
const STAYS_OPEN: Duration = Duration::from_millis(500);

/// After a wait that is no longer, the client is seen to come back.
const SHORT_WAIT: Duration = Duration::from_secs(1);

/// Five minutes for what servers ask, and the cap of the random part.
const LONGEST_WAIT: Duration = Duration::from_secs(330);

/// Meets a server, and tells how many attempts the client made; or what is wrong.
pub(crate) async fn meet(case: &Case) -> Result<usize, String> {
    let server = Server::start(case).await;
    // A time that has passed is never a reason to stop.
    let gives_up = case.is_slow() && case.outcomes() == [Outcome::Retries];
    let patience = if gives_up { SHORT_PATIENCE } else { PATIENCE };
    let client = Subscribe::new(server.url())
        .with_backoff(Backoff::default().with_base(Duration::from_millis(100)))
        .with_connect_timeout(patience)
        .with_idle_timeout(patience);
    let mut meeting = Meeting {
        case,
        events: client.open(),
        started: Instant::now(),
        attempts: 1,
        opened: None,
        first_wait: None,
    };
    if meeting.watch().await? == Outcome::Retries {
        meeting.count().await?;
        let connections = server.connections();
        let comes_back = meeting.first_wait.is_some_and(|wait| wait < SHORT_WAIT);
        if comes_back && connections < 2 {
            return Err("did not come back".to_owned());
        }
        if connections > meeting.attempts * CONNECTIONS_OF_AN_ATTEMPT {
            return Err(format!("{connections} connections in {} attempts", meeting.attempts));
        }
    }
    Ok(meeting.attempts)
}

struct Meeting<'a> {
    case: &'a Case,
    events: Events,
    started: Instant,
    attempts: usize,
    opened: Option<Instant>,
    first_wait: Option<Duration>,
}

impl Meeting<'_> {
    /// Reads until the client has done what it may do, or something else.
    async fn watch(&mut self) -> Result<Outcome, String> {
        loop {
            let may_open = self.case.allows(Outcome::Opens);
            let until = match self.opened {
                Some(opened) if may_open => opened + STAYS_OPEN,
                _ => self.started + LONGEST,
            };
            let Ok(signal) = timeout_at(until, self.events.next_signal()).await else {
                return match self.opened {
                    Some(_) if may_open => Ok(Outcome::Opens),
                    _ => Err("hangs".to_owned()),
                };
            };
            // A server that always has something to say leaves no timer a chance.
            if may_open && self.opened.is_some_and(|opened| opened.elapsed() > STAYS_OPEN) {
                return Ok(Outcome::Opens);
            }
            match signal {
                None => return Err("ends without a last signal".to_owned()),
                Some(Signal::Opened(_)) => self.opened = Some(Instant::now()),
                Some(Signal::Retrying(retrying)) => {
                    self.check_outcome(Outcome::Retries, Some(&retrying.error))?;
                    self.note_wait(&retrying)?;
                    return Ok(Outcome::Retries);
                }
                Some(Signal::Stopped(why)) => {
                    let outcome = if why.is_some() { Outcome::Stops } else { Outcome::Ends };
                    let why = why.as_ref();
                    self.check_outcome(outcome, why.map(|why| why as &dyn Error))?;
                    return Ok(outcome);
                }
                Some(_) => {}
            }
        }
    }

    /// Goes on reading while attempts are counted.
    async fn count(&mut self) -> Result<(), String> {
        // Where the first attempt took long, the second is waited for.
        let second = self.first_wait.unwrap_or_default().min(SHORT_WAIT) + STAYS_OPEN;
        let until = (self.started + COUNTED).max(Instant::now() + second);
        while let Ok(Some(signal)) = timeout_at(until, self.events.next_signal()).await {
            match signal {
                // It has made the attempt that the signal before announced.
                Signal::Retrying(retrying) => {
                    self.attempts += 1;
                    self.note_wait(&retrying)?;
                }
                Signal::Stopped(why) => {
                    let why = why.as_ref();
                    return self.check_outcome(Outcome::Stops, why.map(|why| why as &dyn Error));
                }
                _ => {}
            }
            if self.attempts > MOST_ATTEMPTS {
                return Err(format!("{} attempts in {:?}", self.attempts, self.started.elapsed()));
            }
            if Instant::now() > until {
                break;
            }
        }
        Ok(())
    }

    fn note_wait(&mut self, retrying: &Retrying) -> Result<(), String> {
        let wait = retrying.wait;
        let least = self.case.least_wait();
        self.first_wait.get_or_insert(wait);
        check_secrets(&format!("{retrying:?}"))?;
        if wait < least || wait > LONGEST_WAIT {
            return Err(format!("waits {wait:?}, and should at least {least:?}"));
        }
        Ok(())
    }

    fn check_outcome(&self, outcome: Outcome, error: Option<&dyn Error>) -> Result<(), String> {
        let told = error.map(whole).unwrap_or_default();
        check_secrets(&told)?;
        check_secrets(&format!("{:?}", self.events))?;
        if !self.case.allows(outcome) {
            let allowed = self.case.outcomes();
            return Err(format!("{outcome:?} instead of {allowed:?}: {told}"));
        }
        match self.case.why(outcome) {
            Some(why) if !told.to_lowercase().contains(&why) => {
                Err(format!("does not say `{why}`: {told}"))
            }
            _ => Ok(()),
        }
    }
}

/// An error with its causes, as logs have it, and as developers look at it.
fn whole(error: &dyn Error) -> String {
    let mut chain = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push(error.to_string());
        cause = error.source();
    }
    format!("{} ({error:?})", chain.join(": "))
}

fn check_secrets(text: &str) -> Result<(), String> {
    if text.contains("s3cret") { Err(format!("tells the secret: {text}")) } else { Ok(()) }
}
