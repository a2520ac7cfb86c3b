//! One connection, used once: when it is lost, it is over, and another one is made.
//!
//! The client would connect again by itself and then send what it had buffered, long after whoever gave it that was told that
//! it failed. So it is left no server to connect to again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_nats::client::PublishError;
use async_nats::{
    Client, ConnectErrorKind, Event, HeaderMap, Message, PublishErrorKind, RequestErrorKind,
    ServerAddr, ServerError, StatusCode, Subject, Subscriber,
};
use bytes::Bytes;
use futures_core::Stream as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::servers::Servers;
use super::trouble::Trouble;

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Conn {
    client: Client,
    complaints: watch::Receiver<Arc<str>>,
    patience: Duration,
}

/// What is published, to be answered.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) headers: Option<HeaderMap>,
    pub(super) payload: Bytes,
}

/// How often a connection on which nothing comes is tried: after three times without an answer it is over.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Messages that a subscription holds for whoever reads it. More than any of ours can be sent before it is read.
const SUBSCRIPTION_CAPACITY: usize = 16 * 1024;
/// An address where no server can be.
const NOWHERE: &str = "nats://127.0.0.1:0";

impl Conn {
    /// Connects to one of the servers; each is tried once. `patience` is how long an answer may take.
    pub(super) async fn open(servers: &mut Servers, patience: Duration) -> Result<Self, Trouble> {
        let addresses = servers.addresses();
        let (complain, complaints) = watch::channel(Arc::from(""));
        let options = servers
            .options()
            .await?
            .name("tidings")
            .connection_timeout(patience)
            .request_timeout(Some(patience))
            .ping_interval(PING_INTERVAL)
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .skip_subject_validation(true)
            .max_reconnects(addresses.len())
            .reconnect_delay_callback(|_| Duration::ZERO)
            .event_callback(move |event| {
                if let Event::ServerError(ServerError::Other(complaint)) = event {
                    complain.send_replace(complaint.into());
                }
                std::future::ready(())
            });
        let client = options.connect(addresses).await.map_err(|error| refused(&error))?;
        let lost = |_| Trouble::Away("the connection was lost as soon as it was made".into());
        let pool = client.server_pool().await.map_err(lost)?;
        servers.discovered(
            pool.into_iter().filter(|server| server.is_discovered).map(|server| server.addr),
        );
        let nowhere: ServerAddr =
            NOWHERE.parse().map_err(|_| Trouble::Config("a bad address".into()))?;
        client
            .set_server_pool(nowhere)
            .await
            .map_err(|_| Trouble::Away("the connection was lost as soon as it was made".into()))?;
        Ok(Self { client, complaints, patience })
    }

    /// Asks for messages that come to an inbox.
    pub(super) async fn ask_into(
        &self,
        subject: String,
        inbox: String,
        payload: Bytes,
    ) -> Result<(), Trouble> {
        self.publish(subject.into(), inbox, Question { headers: None, payload }).await
    }

    /// Publishes something that nobody answers.
    pub(super) async fn tell(&self, subject: String, payload: Bytes) -> Result<(), Trouble> {
        self.client.publish(subject, payload).await.map_err(|error| unsent(&error))
    }

    /// The largest message that the server takes, in bytes.
    pub(super) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// Asks, and waits for the answer.
    pub(super) async fn request(
        &self,
        subject: String,
        payload: Bytes,
    ) -> Result<Message, Trouble> {
        let mut complaints = self.complaints.clone();
        complaints.mark_unchanged();
        let answer = self.client.request(subject.clone(), payload);
        tokio::select! {
            answer = answer => answer.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders => Trouble::Unheard,
                RequestErrorKind::TimedOut => Trouble::Away(format!(
                    "no answer to {subject} within {:?}: the server is overloaded, stopped, or without a quorum",
                    self.patience
                )),
                RequestErrorKind::MaxPayloadExceeded => Trouble::TooLarge,
                _ => lost(),
            }),
            complaint = about(&mut complaints, &subject) => Err(not_permitted(&complaint)),
        }
    }

    /// Asks the same of one subject many times at once. The answers come in any order, each with the place of its question.
    pub(super) async fn gather(
        &self,
        subject: &str,
        questions: Vec<Question>,
    ) -> Result<Vec<(usize, Message)>, Trouble> {
        let deadline = Instant::now() + self.patience;
        let wanted = questions.len();
        let inbox = self.client.new_inbox();
        let mut answers = self.subscribe(format!("{inbox}.*")).await?;
        for (place, question) in questions.into_iter().enumerate() {
            let reply = format!("{inbox}.{place}");
            self.publish(subject.into(), reply, question).await?;
        }
        let mut gathered = Vec::with_capacity(wanted);
        while gathered.len() < wanted {
            let answer = timeout_at(deadline, next(&mut answers)).await.map_err(|_| {
                Trouble::Away(format!("no answer to {subject} within {:?}", self.patience))
            })?;
            let answer = answer.ok_or_else(lost)?;
            if answer.status == Some(StatusCode::NO_RESPONDERS) {
                return Err(Trouble::Unheard);
            }
            let place = token(&answer.subject).unwrap_or_default();
            gathered.push((usize::try_from(place).unwrap_or_default(), answer));
        }
        Ok(gathered)
    }

    /// Publishes something that is to be answered.
    pub(super) async fn publish(
        &self,
        subject: Subject,
        reply: String,
        question: Question,
    ) -> Result<(), Trouble> {
        let Question { headers, payload } = question;
        let published = match headers {
            Some(headers) => {
                self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
            None => self.client.publish_with_reply(subject, reply, payload).await,
        };
        published.map_err(|error| unsent(&error))
    }

    /// A new inbox: answers come to subjects below it.
    pub(super) fn inbox(&self) -> String {
        self.client.new_inbox()
    }

    /// Subscribes. What comes is held until it is read.
    pub(super) async fn subscribe(&self, subject: String) -> Result<Subscriber, Trouble> {
        self.client.subscribe(subject).await.map_err(|_| lost())
    }

    /// Waits until the server says that something about a subject is not allowed.
    pub(super) async fn complaint(&self, subject: &str) -> Trouble {
        let mut complaints = self.complaints.clone();
        complaints.mark_unchanged();
        not_permitted(&about(&mut complaints, subject).await)
    }
}

/// The next message of a subscription; `None` when the connection is lost.
pub(super) async fn next(subscriber: &mut Subscriber) -> Option<Message> {
    std::future::poll_fn(|cx| Pin::new(&mut *subscriber).poll_next(cx)).await
}

/// The next message of a subscription if there is one already.
pub(super) async fn next_ready(subscriber: &mut Subscriber) -> Option<Message> {
    std::future::poll_fn(|cx| match Pin::new(&mut *subscriber).poll_next(cx) {
        Poll::Ready(message) => Poll::Ready(message),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// The number that a subject ends with.
pub(super) fn token(subject: &str) -> Option<u64> {
    subject.rsplit_once('.')?.1.parse().ok()
}

fn unsent(error: &PublishError) -> Trouble {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => Trouble::TooLarge,
        _ => lost(),
    }
}

pub(super) fn lost() -> Trouble {
    Trouble::Away("the connection was lost".into())
}

/// Waits for a complaint that names a subject.
async fn about(complaints: &mut watch::Receiver<Arc<str>>, subject: &str) -> Arc<str> {
    let subject = subject.to_lowercase();
    loop {
        if complaints.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        let complaint = Arc::clone(&complaints.borrow_and_update());
        // The server quotes it; some versions in lower case.
        if complaint.to_lowercase().contains(&subject) {
            return complaint;
        }
    }
}

fn not_permitted(complaint: &str) -> Trouble {
    Trouble::Refused(format!(
        "the server says: {complaint}; give this user the permissions that the log needs"
    ))
}

fn refused(error: &async_nats::ConnectError) -> Trouble {
    use std::error::Error as _;
    let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            Trouble::Refused("the login is refused: check the user and the password, the token or the credentials file".into())
        }
        ConnectErrorKind::Tls => Trouble::Refused(format!("no TLS connection: {why}; check the address and the CA file")),
        ConnectErrorKind::TimedOut => {
            Trouble::Away("no answer in time: is the server running, and reachable from here?".into())
        }
        _ if why.contains("certificate") => {
            Trouble::Refused(format!("no TLS connection: {why}; check the address and the CA file"))
        }
        _ => Trouble::Away(format!("no connection: {why}; is the server running, and reachable from here?")),
    }
}
