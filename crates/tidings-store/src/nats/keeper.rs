//! The task that keeps the link: connects, again and again, and sees to it that the stream is the log that is known.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use bytes::Bytes;
use parking_lot::Mutex;
use tidings_hub::Unavailable;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::api::{Api, Info};
use super::config::{ConnectError, NatsConfig, without_secrets};
use super::conn::{Conn, lost, next};
use super::lineage::Lineage;
use super::link::{Link, Signal, Signals, State, Up, bounds};
use super::servers::Servers;
use super::stream::{self, Known, Seen, examine};
use super::trouble::Trouble;

/// How often the stream is looked at for what it retains.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Between two attempts to connect, and two examinations that follow one another: from this…
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// …to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// What a server's `max_payload` is told of below, in bytes: room for twice the largest update of the usual settings.
const ROOMY_PAYLOAD: usize = 2 * 1024 * 1024;
/// Messages from other hubs that are held for a slow listener.
const BUS_CAPACITY: usize = 1024;

/// Connects for the first time, and goes on keeping the link in a task of its own until [`Link::end`].
pub(super) async fn connect(config: NatsConfig) -> Result<Arc<Link>, ConnectError> {
    let at = without_secrets(&config.url);
    check_name(&config.name)?;
    let mut servers = Servers::new(&config).map_err(|trouble| trouble.connecting(&at))?;
    let deadline = Instant::now() + config.connect_within;
    let mut pause = SHORTEST_PAUSE;
    let mut told = None;
    let (conn, lineage, info) = loop {
        match begin(&mut servers, &config).await {
            Ok(begun) => break begun,
            Err(trouble) if trouble.is_lasting() || Instant::now() + pause > deadline => {
                return Err(trouble.connecting(&at));
            }
            Err(trouble) => {
                let why = trouble.to_string();
                if told.as_ref() != Some(&why) {
                    tracing::info!(%at, why, "waiting for the NATS server");
                    told = Some(why);
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = longer(pause);
    };
    let max_payload = conn.max_payload();
    if max_payload < crate::MAX_MESSAGE_BYTES {
        tracing::warn!(%at, max_payload, "the hubs cannot tell each other all that they have to, and larger updates are refused: raise `max_payload` of the NATS servers to 2MB");
    } else if max_payload < ROOMY_PAYLOAD {
        tracing::info!(%at, max_payload, "larger updates are refused: for those, raise `max_payload` of the NATS servers");
    }
    let epoch = lineage.epoch();
    let link = Arc::new(Link {
        state: watch::Sender::new(State::Away(Unavailable::new("not connected yet"))),
        bounds: watch::Sender::new(bounds(epoch, &info.state)),
        told: Mutex::new(None),
        seen: Mutex::new((epoch, Seen::default())),
        signals: Signals::default(),
        bus: broadcast::Sender::new(BUS_CAPACITY),
        at,
        config,
    });
    let mut keeper = Keeper {
        link: Arc::clone(&link),
        servers,
        known: lineage.clone(),
        connection: 0,
        round: 0,
    };
    let pump = keeper.meet(&conn).await.map_err(|trouble| trouble.connecting(&link.at))?;
    keeper.adopt(&conn, lineage, &info);
    tokio::spawn(async move { keeper.keep(conn, pump).await });
    Ok(link)
}

/// Connects once, and sees to it that the stream is there and has the configured limits.
async fn begin(
    servers: &mut Servers,
    config: &NatsConfig,
) -> Result<(Conn, Lineage, Info), Trouble> {
    let conn = Conn::open(servers, config.ack_timeout).await?;
    let api = Api { conn: conn.clone(), name: config.name.clone() };
    let (lineage, info) = examine(&api, config, None).await?;
    let info = stream::fit(&api, config, info).await?;
    Ok((conn, lineage, info))
}

/// The task that keeps the link.
struct Keeper {
    link: Arc<Link>,
    servers: Servers,
    known: Lineage,
    connection: u64,
    round: u64,
}

impl Keeper {
    async fn keep(mut self, conn: Conn, pump: JoinHandle<()>) {
        let mut pause = SHORTEST_PAUSE;
        let Some(mut why) = self.attend(conn, pump).await else { return };
        loop {
            self.away(&why);
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => {}
                () = self.link.signals.over() => return,
            }
            pause = longer(pause);
            why = match self.again().await {
                Ok((conn, pump)) => {
                    pause = SHORTEST_PAUSE;
                    match self.attend(conn, pump).await {
                        Some(why) => why,
                        None => return,
                    }
                }
                Err(trouble) => trouble,
            };
        }
    }

    /// Connects again, and examines the stream.
    async fn again(&mut self) -> Result<(Conn, JoinHandle<()>), Trouble> {
        let conn = Conn::open(&mut self.servers, self.link.config.ack_timeout).await?;
        let pump = self.meet(&conn).await?;
        if let Err(trouble) = self.examine(&conn).await {
            pump.abort();
            return Err(trouble);
        }
        Ok((conn, pump))
    }

    /// Begins with a new connection: passes on what the other hubs say. The task ends when the connection does.
    async fn meet(&mut self, conn: &Conn) -> Result<JoinHandle<()>, Trouble> {
        self.connection += 1;
        let said = conn.subscribe(super::bus::subject(&self.link.config.name)).await?;
        // The server answers in order: then it has the subscription.
        self.api(conn).info().await?;
        Ok(tokio::spawn(pass_on(said, self.link.bus.clone())))
    }

    /// Watches a connection until it is over; says why, or nothing when the link is to end.
    async fn attend(&mut self, conn: Conn, mut pump: JoinHandle<()>) -> Option<Trouble> {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pause = SHORTEST_PAUSE;
        let mut examined = Instant::now();
        let over = loop {
            let is_doubted = tokio::select! {
                _ = &mut pump => break lost(),
                signal = self.link.signals.heard(self.connection, self.round) => match signal {
                    Signal::Doubt => true,
                    Signal::GiveUp => break Trouble::Away(format!(
                        "no answer within {:?}; connecting again",
                        self.link.config.ack_timeout
                    )),
                    Signal::End => {
                        pump.abort();
                        return None;
                    }
                },
                _ = ticks.tick() => match self.is_as_known(&conn).await {
                    Ok(is_as_known) => !is_as_known,
                    Err(trouble) => break trouble,
                },
            };
            if is_doubted {
                pause = if examined.elapsed() > LONGEST_PAUSE * 2 {
                    SHORTEST_PAUSE
                } else {
                    longer(pause)
                };
                tokio::time::sleep(pause).await;
                if let Err(trouble) = self.examine(&conn).await {
                    break trouble;
                }
                examined = Instant::now();
            }
        };
        pump.abort();
        Some(over)
    }

    /// Whether the stream is still the log that is known, as far as can be seen at a glance.
    async fn is_as_known(&self, conn: &Conn) -> Result<bool, Trouble> {
        let seen = self.link.seen.lock().1;
        let Some(info) = self.api(conn).info().await? else { return Ok(false) };
        if stream::read(&info).as_ref() != Some(&self.known) || info.state.last_seq < seen.seq {
            return Ok(false);
        }
        let found = bounds(self.known.epoch(), &info.state);
        self.link.bounds.send_if_modified(|bounds| std::mem::replace(bounds, found) != found);
        Ok(true)
    }

    async fn examine(&mut self, conn: &Conn) -> Result<(), Trouble> {
        // Taken before the stream is asked: what is seen meanwhile would look like a loss.
        let seen = self.link.seen.lock().1;
        let known = Known { lineage: self.known.clone(), seen };
        let (lineage, info) = examine(&self.api(conn), &self.link.config, Some(&known)).await?;
        self.adopt(conn, lineage, &info);
        Ok(())
    }

    /// The log is this one now.
    fn adopt(&mut self, conn: &Conn, lineage: Lineage, info: &Info) {
        self.round += 1;
        let epoch = lineage.epoch();
        {
            let mut seen = self.link.seen.lock();
            if seen.0 != epoch {
                *seen = (epoch, Seen::default());
            }
        }
        self.link.bounds.send_replace(bounds(epoch, &info.state));
        self.known = lineage.clone();
        let was_away = matches!(&*self.link.state.borrow(), State::Away(_));
        if was_away && self.round > 1 {
            tracing::info!(at = self.link.at, "NATS is available again");
        }
        self.link.state.send_replace(State::Up(Arc::new(Up {
            api: self.api(conn),
            subjects: lineage.subjects(&self.link.config.name),
            lineage,
            connection: self.connection,
            round: self.round,
        })));
    }

    fn away(&self, trouble: &Trouble) {
        let why = self.link.unavailable(trouble);
        self.link.state.send_if_modified(|state| {
            let is_news = !matches!(state, State::Away(before) if *before == why);
            if is_news {
                tracing::warn!(%why, "the log is unavailable; trying again");
                *state = State::Away(why.clone());
            }
            is_news
        });
    }

    fn api(&self, conn: &Conn) -> Api {
        Api { conn: conn.clone(), name: self.link.config.name.clone() }
    }
}

/// Passes on what the other hubs say until the connection is lost.
async fn pass_on(mut said: Subscriber, to: broadcast::Sender<Bytes>) {
    while let Some(message) = next(&mut said).await {
        if message.payload.len() <= crate::MAX_MESSAGE_BYTES {
            // Nobody needs to listen.
            drop(to.send(message.payload));
        }
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

/// So that hubs that lost the same server do not come back in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64())
}

fn check_name(name: &str) -> Result<(), ConnectError> {
    let is_good = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_good {
        Ok(())
    } else {
        Err(ConnectError::Config(format!(
            "{name:?} is no name for a log on NATS: write 1 to 64 letters, digits, `-` and `_`"
        )))
    }
}
