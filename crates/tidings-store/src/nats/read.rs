//! Reads older parts of the log: many messages are asked for at once, each by its seq, of any replica. What a replica does not
//! have, the leader is asked about: only it knows whether the message was removed.

use tidings_hub::{Logged, OwnId, Page, Unavailable, Wanted};

use super::api::Stored;
use super::keys::entry;
use super::link::{Link, Up};
use super::trouble::Trouble;

/// How many messages one call looks at, at the most.
const MAX_SEARCHED: u64 = 1024;
/// How many messages are asked for at once, at the most.
const AT_ONCE: u64 = 256;
/// How many holes one call steps over.
const MAX_HOLES: usize = 16;
/// How many messages with the same mark are looked at for one own id.
const MAX_SAME_MARK: usize = 64;

/// Reads updates.
pub(super) async fn read(link: &Link, wanted: Wanted) -> Result<Page, Unavailable> {
    let up = link.up()?;
    let page = pages(link, &up, wanted).await;
    // What was read may be of a log that is no more.
    match link.up() {
        Ok(now) if now.epoch() != up.epoch() => Err(link.unavailable(&begun_anew())),
        _ => page.map_err(|trouble| failed(link, &up, &trouble)),
    }
}

async fn pages(link: &Link, up: &Up, wanted: Wanted) -> Result<Page, Trouble> {
    let mut bounds = link.last_bounds();
    if wanted.until > bounds.next || bounds.epoch != up.epoch() {
        bounds = link.look(up).await?;
    }
    let mut page =
        Page { epoch: up.epoch(), updates: Vec::new(), next: wanted.from, oldest: bounds.oldest };
    page.next = page.next.max(page.oldest);
    let until = wanted.until.min(bounds.next);
    let max_updates = wanted.max_updates.max(1);
    let mut bytes = 0;
    let mut searched = 0;
    let mut holes = 0;
    'pages: while page.next < until && searched < MAX_SEARCHED && page.updates.len() < max_updates {
        let room = max_updates - page.updates.len();
        let at_once = at_once(
            &wanted,
            room,
            wanted.max_bytes.saturating_sub(bytes),
            bounds.bytes,
            bounds.next - bounds.oldest,
        );
        let end = until.min(page.next + at_once);
        let found = up.api.some_of(page.next..end).await?;
        for stored in found {
            if stored.seq != page.next {
                break;
            }
            if let Some(logged) = logged(&stored).filter(|logged| is_wanted(&wanted, logged)) {
                if page.updates.len() >= max_updates
                    || (bytes > 0 && bytes + logged.update.data.len() > wanted.max_bytes)
                {
                    break 'pages;
                }
                bytes += logged.update.data.len();
                page.updates.push(logged);
            }
            page.next += 1;
            searched += 1;
        }
        if page.next < end {
            if holes >= MAX_HOLES {
                break;
            }
            holes += 1;
            // A hole, here or in the whole log.
            let bounds = link.look(up).await?;
            page.oldest = bounds.oldest;
            let first = up.api.first_from(page.next, &format!("{}.log.>", up.api.name)).await?;
            page.next =
                first.map_or(until, |stored| stored.seq.min(until)).max(page.oldest.min(until));
        }
        if bytes >= wanted.max_bytes {
            break;
        }
    }
    page.next = page.next.max(wanted.from).min(wanted.until);
    Ok(page)
}

/// How many messages to ask for: no more than fit, as far as the average tells, but one at least.
fn at_once(wanted: &Wanted, room: usize, bytes_left: usize, held: Option<u64>, count: u64) -> u64 {
    let average = held.unwrap_or(0) / count.max(1);
    let by_bytes =
        (bytes_left as u64).checked_div(average).map_or(AT_ONCE, |count| count.saturating_add(1));
    let by_room = if wanted.topics.is_some() { AT_ONCE } else { room as u64 };
    by_bytes.min(by_room).clamp(1, AT_ONCE)
}

fn is_wanted(wanted: &Wanted, logged: &Logged) -> bool {
    let Some(topics) = &wanted.topics else { return true };
    logged.update.topics.iter().any(|topic| topics.iter().any(|wanted| **wanted == **topic))
}

fn logged(stored: &Stored) -> Option<Logged> {
    let entry = entry(stored)?;
    Some(Logged { seq: stored.seq, at: entry.at, update: entry.update })
}

/// Finds the update that a publisher's own id means.
pub(super) async fn find(link: &Link, id: &OwnId) -> Result<Option<u64>, Unavailable> {
    let up = link.up()?;
    let subjects: Vec<String> = up.subjects.with_id(id).collect();
    let found = match id {
        OwnId::Hub { .. } => oldest(&up, subjects, id).await,
        OwnId::Topic { .. } => newest(&up, subjects, id).await,
    };
    found.map_err(|trouble| failed(link, &up, &trouble))
}

async fn oldest(up: &Up, subjects: Vec<String>, id: &OwnId) -> Result<Option<u64>, Trouble> {
    for subject in subjects {
        let mut from = 1;
        for _ in 0..MAX_SAME_MARK {
            let Some(stored) = up.api.first_from(from, &subject).await? else { break };
            if is_meant(&stored, id) {
                return Ok(Some(stored.seq));
            }
            from = stored.seq + 1;
        }
    }
    Ok(None)
}

async fn newest(up: &Up, subjects: Vec<String>, id: &OwnId) -> Result<Option<u64>, Trouble> {
    for subject in subjects.into_iter().rev() {
        let Some(last) = up.api.last_under(&subject).await? else { continue };
        if is_meant(&last, id) {
            return Ok(Some(last.seq));
        }
        // Another id with the same mark came later.
        let mut found = None;
        let mut from = 1;
        for _ in 0..MAX_SAME_MARK {
            let Some(stored) = up.api.first_from(from, &subject).await? else { break };
            if is_meant(&stored, id) {
                found = Some(stored.seq);
            }
            from = stored.seq + 1;
        }
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

fn is_meant(stored: &Stored, wanted: &OwnId) -> bool {
    let Some(update) = entry(stored).map(|entry| entry.update) else { return false };
    let has = |id: &str| update.id.as_ref().is_some_and(|own| own.as_str() == id);
    match wanted {
        OwnId::Hub { id } => has(id),
        OwnId::Topic { topic, id } => {
            has(id) && update.topics.first().is_some_and(|first| **first == **topic)
        }
    }
}

fn begun_anew() -> Trouble {
    Trouble::Away("the log was begun anew while it was read".into())
}

/// Whoever reads is often the first to see that the stream is gone.
fn failed(link: &Link, up: &Up, trouble: &Trouble) -> Unavailable {
    if matches!(trouble, Trouble::Unheard | Trouble::Api(_)) {
        link.doubt(up.round);
    }
    link.unavailable(trouble)
}
