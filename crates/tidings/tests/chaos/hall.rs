//! A hall full of publishers and subscribers, and the ledger in which it is found out what they missed.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use reqwest::Client;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    ledger::Ledger,
    publisher::Publisher,
    subscriber::{LAST, Seen, Subscriber, Wish},
};

/// The topics that are published to.
pub(crate) const TOPICS: [&str; 6] = ["room/1", "room/2", "room/3", "room/4", "news/a", "news/b"];

/// What is asked for: mostly single topics, as usual.
const WISHES: [Wish; 8] = [
    Wish { query: "topic=room/1", prefixes: &["room/1"] },
    Wish { query: "topic=room/2", prefixes: &["room/2"] },
    Wish { query: "topic=news/a", prefixes: &["news/a"] },
    Wish { query: "topic=room/3&topic=news/b", prefixes: &["room/3", "news/b"] },
    Wish { query: "topic=room/%7Bnumber%7D", prefixes: &["room/"] },
    Wish { query: "topic=room/4", prefixes: &["room/4"] },
    Wish { query: "topic=*", prefixes: &[""] },
    Wish { query: "topic=news/%7Bname%7D&topic=room/1", prefixes: &["news/", "room/1"] },
];

/// How long everybody may take, once all is well again, to get what they are owed.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often is looked how far the publishers are.
const LOOK: Duration = Duration::from_millis(5);

/// How many there are, and how they behave.
pub(crate) struct Plan {
    pub(crate) subscribers: usize,
    /// How long a subscriber stays at one hub, about.
    pub(crate) stay: Option<Duration>,
    /// For each publisher, how many updates it sends in one request.
    pub(crate) publishers: &'static [usize],
    /// How long a publisher rests between two requests.
    pub(crate) rest: Duration,
}

/// Everybody, at work.
pub(crate) struct Hall {
    pub(crate) ledger: Arc<Ledger>,
    /// Who may read everything, if not everybody may.
    pub(crate) token: Option<String>,
    hubs: Arc<[SocketAddr]>,
    client: Client,
    random: fastrand::Rng,
    stop: watch::Sender<bool>,
    publishers: JoinSet<()>,
    subscribers: JoinSet<Seen>,
}

impl Hall {
    /// One where nobody is yet.
    pub(crate) fn empty(hubs: &[SocketAddr], random: &mut fastrand::Rng) -> Self {
        let (stop, _) = watch::channel(false);
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            ledger: Arc::default(),
            token: None,
            hubs: hubs.into(),
            client,
            random: random.fork(),
            stop,
            publishers: JoinSet::new(),
            subscribers: JoinSet::new(),
        }
    }

    /// Lets everybody in.
    pub(crate) fn open(hubs: &[SocketAddr], plan: &Plan, random: &mut fastrand::Rng) -> Self {
        let mut hall = Self::empty(hubs, random);
        for number in 0..plan.subscribers {
            let wish = WISHES[number % WISHES.len()];
            let name = format!("subscriber {number} ({})", wish.query);
            let subscriber = hall.subscriber(name, wish, plan.stay);
            hall.let_subscribe(subscriber.read_until_the_last());
        }
        for (number, lines) in plan.publishers.iter().enumerate() {
            let publisher = hall.publisher(format!("publisher {number}"), *lines, plan.rest);
            hall.let_publish(publisher.publish_until(hall.stop()));
        }
        hall
    }

    /// Lets one in who publishes until everybody is to stop.
    pub(crate) fn let_publish(&mut self, publisher: impl Future<Output = ()> + Send + 'static) {
        self.publishers.spawn(publisher);
    }

    /// Lets one in who reads until the last update of all.
    pub(crate) fn let_subscribe(
        &mut self,
        subscriber: impl Future<Output = Seen> + Send + 'static,
    ) {
        self.subscribers.spawn(subscriber);
    }

    /// Tells publishers when to stop.
    pub(crate) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Waits until so many more updates were acknowledged.
    pub(crate) async fn publishes(&self, more: usize) {
        let wanted = self.ledger.count() + more;
        let reached = async {
            while self.ledger.count() < wanted {
                sleep(LOOK).await;
            }
        };
        if timeout(PATIENCE, reached).await.is_err() {
            self.ledger.check();
            panic!(
                "{} updates were acknowledged, not {wanted}, after {PATIENCE:?}",
                self.ledger.count()
            );
        }
    }

    /// Lets everybody finish, once all is well, and compares what they were told. Says how much that was.
    pub(crate) async fn close(mut self) -> String {
        self.stop.send_replace(true);
        let name = "the last publisher".to_owned();
        let last = self.publisher(name, 1, Duration::ZERO);
        let published = async {
            while let Some(published) = self.publishers.join_next().await {
                published.unwrap();
            }
            last.publish_last(LAST).await;
        };
        if timeout(PATIENCE, published).await.is_err() {
            self.ledger.fault(format_args!("not all is acknowledged {PATIENCE:?} after the end"));
            self.ledger.check();
        }
        // Whoever comes now gets all of it, at each of the hubs.
        for hub in Arc::clone(&self.hubs).iter() {
            let wish = Wish { query: "topic=*", prefixes: &[""] };
            let mut newcomer = self.subscriber(format!("a newcomer at {hub}"), wish, None);
            newcomer.hubs = [*hub].into();
            newcomer.token.clone_from(&self.token);
            self.let_subscribe(newcomer.read_until_the_last());
        }
        let (mut deliveries, mut streams) = (0, 0);
        let everybody = async {
            while let Some(seen) = self.subscribers.join_next().await {
                let seen = seen.unwrap();
                deliveries += seen.updates.len();
                streams += seen.begun.len();
                self.ledger.compare(&seen);
            }
        };
        if timeout(PATIENCE, everybody).await.is_err() {
            let missing = self.subscribers.len();
            self.ledger
                .fault(format_args!("{missing} have not seen the end {PATIENCE:?} after it"));
        }
        self.ledger.check();
        let acknowledged = self.ledger.count();
        format!("{acknowledged} updates acknowledged, {deliveries} deliveries on {streams} streams")
    }

    fn subscriber(&mut self, name: String, wish: Wish, stay: Option<Duration>) -> Subscriber {
        let (hubs, ledger) = (Arc::clone(&self.hubs), Arc::clone(&self.ledger));
        Subscriber { name, wish, hubs, stay, token: None, random: self.random.fork(), ledger }
    }

    fn publisher(&mut self, name: String, lines: usize, rest: Duration) -> Publisher {
        Publisher {
            name,
            topics: &TOPICS,
            hubs: Arc::clone(&self.hubs),
            lines,
            rest,
            random: self.random.fork(),
            ledger: Arc::clone(&self.ledger),
            client: self.client.clone(),
        }
    }
}
