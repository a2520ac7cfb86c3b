//! What a hub knows of the log that it shares: which one it is, and how far it has seen it. By that it notices that the
//! log has been lost, or has lost its end.
//!
//! A Redis that fails over to a replica that lagged, or restarts without its newest data, still has the same epoch, and
//! gives seqs that it has given before to other updates. Whoever has seen more of the log than there is now, or another
//! update in its place, gives it a new epoch; a script lets the first of them do so, and the others take that one.
//! Until then a hub that has not noticed may append to it: the update is in the log, and only the position in its
//! receipt is of an epoch that is no more.

use std::sync::Arc;

use parking_lot::Mutex;
use redis::{Cmd, Value};
use siphasher::sip::SipHasher13;
use tidings_hub::{Bounds, Epoch};

use super::answer;
use super::fault::Fault;
use super::session::{Keys, Script, Session};

/// The format of what is kept.
const FORMAT: &str = "1";

/// The highest generation that is believed in: scripts count exactly no further than a few bits more.
const MAX_GENERATION: u64 = 1 << 50;

/// What a hub knows of the log.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) keys: Arc<Keys>,
    place: Arc<str>,
    known: Mutex<Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    /// `None`: nothing is known yet.
    epoch: Option<Epoch>,
    /// How many epochs the log has had up to that one.
    generation: u64,
    /// The newest update that was seen: its seq, and a hash of its record.
    newest: Option<(u64, u64)>,
    /// The epoch that was told last to who asked for the bounds.
    told: Option<Epoch>,
}

/// What the log is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// `None`: the log is gone.
    pub(super) bounds: Option<Bounds>,
    /// How many epochs it has had.
    generation: u64,
}

impl Node {
    pub(super) fn new(keys: Arc<Keys>, place: Arc<str>) -> Self {
        let known = Known { epoch: None, generation: 0, newest: None, told: None };
        Self { keys, place, known: Mutex::new(known) }
    }

    /// Which log it is, as far as is known.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.known.lock().epoch
    }

    /// The epoch that whoever asked for the bounds goes by.
    pub(super) fn told(&self) -> Option<Epoch> {
        let known = self.known.lock();
        known.told.or(known.epoch)
    }

    /// Remembers what was told to who asked for the bounds.
    pub(super) fn tell(&self, epoch: Epoch) {
        self.known.lock().told = Some(epoch);
    }

    /// Remembers an update that is in the log.
    pub(super) fn saw(&self, epoch: Epoch, seq: u64, record: &[u8]) {
        let mut known = self.known.lock();
        if known.epoch == Some(epoch) && known.newest.is_none_or(|(newest, _)| newest < seq) {
            known.newest = Some((seq, hash(record)));
        }
    }

    /// Whether the log is still the one that is known, and reaches as far as was seen.
    pub(super) fn is_as_known(&self, bounds: &Bounds) -> bool {
        let known = self.known.lock();
        known.epoch == Some(bounds.epoch)
            && known.newest.is_none_or(|(newest, _)| newest < bounds.next)
    }

    /// Looks what the log is now.
    pub(super) async fn look(&self, session: &Session) -> Result<Look, Fault> {
        let doing = "look at the log";
        let answer = session.run::<&str>(Script::Look, doing, &[]).await?;
        let mut parts = answer::list(answer).ok_or_else(|| session.strange(doing))?.into_iter();
        let mut text = || parts.next().and_then(answer::text).ok_or_else(|| session.strange(doing));
        let (format, epoch, there) = (text()?, text()?, text()?);
        if !format.is_empty() && format != FORMAT {
            let what =
                "the log was written by a newer Tidings: update this one, or choose another name";
            let mut fault = Fault::strange(&self.place, doing, what);
            fault.is_lasting = true;
            return Err(fault);
        }
        let mut number = || text()?.parse::<u64>().map_err(|_| session.strange(doing));
        let (oldest, last, bytes, generation) = (number()?, number()?, number()?, number()?);
        if generation > MAX_GENERATION {
            return Err(session.strange(doing));
        }
        let Some(next) = last.checked_add(1).filter(|_| there == "there" && !epoch.is_empty())
        else {
            return Ok(Look { bounds: None, generation });
        };
        let epoch = epoch.parse().map_err(|_| session.strange(doing))?;
        let oldest = oldest.clamp(1, next);
        let bounds = Bounds { epoch, oldest, next, bytes: Some(bytes) };
        Ok(Look { bounds: Some(bounds), generation })
    }

    /// Makes sure that the log is there and the one that is known; where it is not, that all hubs agree on another
    /// epoch. To be called on every new connection before it is used, and when something says that the log is lost.
    pub(super) async fn settle(&self, session: &Session) -> Result<Bounds, Fault> {
        loop {
            let known = *self.known.lock();
            let mut look = self.look(session).await?;
            if self.is_lost(session, known, &look).await? {
                let found = look.bounds.map(|bounds| bounds.epoch);
                look = self.renew(session, found, known.generation).await?;
            }
            let bounds = look.bounds.ok_or_else(|| session.strange("begin the log"))?;
            if self.adopt(bounds.epoch, look.generation) {
                self.see_newest(session, &bounds).await?;
                return Ok(bounds);
            }
            // Something newer has become known meanwhile.
        }
    }

    /// Whether the log is gone, is an older one that came back, or has lost its end.
    async fn is_lost(&self, session: &Session, known: Known, look: &Look) -> Result<bool, Fault> {
        match (look.bounds, known.epoch) {
            (None, _) => Ok(true),
            (Some(_), None) => Ok(false),
            (Some(bounds), Some(epoch)) if bounds.epoch == epoch => {
                self.has_lost_its_end(session, known, &bounds).await
            }
            (Some(_), Some(_)) => Ok(look.generation <= known.generation),
        }
    }

    /// Whether the log does not reach as far as it was seen, or has another update there.
    async fn has_lost_its_end(
        &self,
        session: &Session,
        known: Known,
        bounds: &Bounds,
    ) -> Result<bool, Fault> {
        let Some((seq, hash_then)) = known.newest else { return Ok(false) };
        if seq >= bounds.next {
            return Ok(true);
        }
        // Where it has left the log by now, there is nothing to compare.
        let entry = self.entry(session, seq).await?;
        Ok(entry.is_some_and(|record| hash(&record) != hash_then))
    }

    /// Gives the log a new epoch, of a generation above one, unless it has another one than was found by now.
    async fn renew(
        &self,
        session: &Session,
        found: Option<Epoch>,
        above: u64,
    ) -> Result<Look, Fault> {
        let doing = "begin the log";
        let new = Epoch::random().map_err(|error| Fault::strange(&self.place, doing, error))?;
        let found = found.map(|epoch| epoch.to_string()).unwrap_or_default();
        let above = above.to_string();
        session.run(Script::Settle, doing, &[found.as_str(), new.as_str(), &above]).await?;
        self.look(session).await
    }

    /// Takes an epoch for the log's, unless one that is as new or newer is known.
    fn adopt(&self, epoch: Epoch, generation: u64) -> bool {
        let mut known = self.known.lock();
        match known.epoch {
            Some(before) if before == epoch => return true,
            Some(_) if generation <= known.generation => return false,
            Some(before) => {
                let place = &self.place;
                tracing::warn!(%place, %before, now = %epoch, "the log was lost, or has lost its end: what it has now is another log");
            }
            None => {}
        }
        (known.epoch, known.generation, known.newest) = (Some(epoch), generation, None);
        true
    }

    /// Where nothing of the log was seen yet, its newest update is the first.
    async fn see_newest(&self, session: &Session, bounds: &Bounds) -> Result<(), Fault> {
        if self.known.lock().newest.is_some() || bounds.oldest >= bounds.next {
            return Ok(());
        }
        let seq = bounds.next.saturating_sub(1);
        if let Some(record) = self.entry(session, seq).await? {
            self.saw(bounds.epoch, seq, &record);
        }
        Ok(())
    }

    async fn entry(&self, session: &Session, seq: u64) -> Result<Option<Vec<u8>>, Fault> {
        let mut command = Cmd::new();
        command.arg("XRANGE").arg(self.keys.log()).arg(format!("0-{seq}")).arg("+");
        command.arg("COUNT").arg(1);
        let found: Value = session.send(command, "look at the log").await?;
        let mut found = answer::entries(found).unwrap_or_default().into_iter().flatten();
        Ok(found.find(|(its, _)| *its == seq).map(|(_, record)| record))
    }
}

fn hash(record: &[u8]) -> u64 {
    SipHasher13::new().hash(record)
}
