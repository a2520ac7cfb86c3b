//! The `codec` scenario: decoding and encoding event streams beside the crates that do it, in one thread of this process.
//!
//! Every contender gets the same chunks of memory and hands each event to the same visitor. Before anything is timed, all
//! must have found the same events with the same bytes. The ordinary use of `tidings-wire` is to look at an event while it
//! is lent, as `tidings subscribe` does, so that is what is judged; what it costs to make each event owned, as the other
//! crates do, stands beside it.

mod adaptors;
mod inputs;
mod tally;
mod timing;

use anyhow::{Context as _, Result, ensure};
use bytes::BytesMut;

use self::{
    adaptors::{DECODERS, ENCODERS},
    inputs::{CHUNK_BYTES, Input, KINDS, Kind, Sizes},
    tally::{Counter, Tally, Visitor as _},
    timing::{Times, Work},
};
use crate::{
    args::Run,
    machine::Machine,
    report::{Figure, Report, Row},
    sys,
    table::number,
    verdict,
};

const NAME: &str = "codec";
const ABOUT: &str = "decoding and encoding event streams in memory, CPU time of one thread";

/// The crates that a bar is set against.
const CRATES: [&str; 3] = ["eventsource-stream", "sse-stream", "sse-codec"];

/// What is measured, in the order of the table.
pub(crate) fn figures() -> Vec<Figure> {
    let decode = KINDS.iter().flat_map(|kind| {
        CHUNK_BYTES.map(|bytes| {
            let key = decode_key(kind, bytes);
            let cut = number(bytes as f64);
            Figure::new(&key, format!("decode {}, in chunks of {cut} B", kind.about), "MB/s")
                .against(&key)
        })
    });
    let encode = KINDS
        .iter()
        .map(|kind| Figure::new(&encode_key(kind), format!("encode {}", kind.about), "MB/s"));
    decode.chain(encode).collect()
}

/// Checks and measures all contenders on all inputs. Which targets were asked for is of no account: the crates are built in.
///
/// # Errors
/// When a contender fails, or finds something else than the others.
pub(crate) fn run(options: &Run, say: &dyn Fn(&str)) -> Result<Report> {
    let mut report = Report::new(NAME, ABOUT, options.rounds(), options.smoke);
    report.machine = Machine::this(&[], &options.client_cores);
    report.figures = figures();
    report.rivals = CRATES.map(str::to_owned).to_vec();
    let decoders = DECODERS.iter().map(|decoder| (decoder.name, decoder.about));
    let encoders = ENCODERS.iter().map(|encoder| (encoder.name, encoder.about));
    for (name, about) in decoders.chain(encoders) {
        if !about.is_empty() {
            report.notes.push(format!("{name}: {about}"));
        }
        if report.rows.iter().all(|row| row.target != name) {
            report.rows.push(Row::new(name, about));
        }
    }
    // What we made stands above what others did, as in every other table.
    report.rows.sort_by_key(|row| CRATES.contains(&row.target.as_str()));
    sys::pin(&options.client_cores).context("cannot pin this thread to its cores")?;
    timing::keep_pages();
    let sizes = if options.smoke { Sizes::SMOKE } else { Sizes::FULL };
    for kind in KINDS {
        let input = Input::new(kind, sizes)?;
        for chunk_bytes in CHUNK_BYTES {
            let key = decode_key(kind, chunk_bytes);
            decode(&mut report, &key, &input, chunk_bytes).with_context(|| key.clone())?;
            say(&format!("{NAME} {key}"));
        }
        let key = encode_key(kind);
        encode(&mut report, &key, &input).with_context(|| key.clone())?;
        say(&format!("{NAME} {key}"));
    }
    report.compare();
    report.verdicts = verdict::judge(&report);
    Ok(report)
}

fn decode_key(kind: &Kind, chunk_bytes: usize) -> String {
    format!("decode_{}_{chunk_bytes}", kind.key)
}

fn encode_key(kind: &Kind) -> String {
    format!("encode_{}", kind.key)
}

/// All decoders on one stream.
fn decode(report: &mut Report, key: &str, input: &Input, chunk_bytes: usize) -> Result<()> {
    let chunks: Vec<&[u8]> = input.stream.chunks(chunk_bytes).collect();
    let expected = tally_of(&input.events);
    for decoder in DECODERS {
        if let Some(check) = decoder.check {
            let mut tally = Tally::default();
            check(&chunks, &mut tally)?;
            ensure!(tally == expected, "{} finds other events", decoder.name);
        }
    }
    let mut works: Vec<Work<'_>> = Vec::new();
    for decoder in DECODERS {
        let (chunks, expected) = (&chunks, input.events.len());
        works.push(Box::new(move || {
            let mut counter = Counter::default();
            (decoder.count)(chunks, &mut counter)?;
            ensure!(counter.events == expected, "{} lost an event", decoder.name);
            Ok(())
        }));
    }
    let times = timing::race(&mut works, report.rounds, report.smoke)?;
    let names = DECODERS.iter().map(|decoder| decoder.name);
    enter(report, key, input.stream.len(), names.zip(times));
    Ok(())
}

/// All encoders on one input.
fn encode(report: &mut Report, key: &str, input: &Input) -> Result<()> {
    let expected = tally_of(&input.events);
    for encoder in ENCODERS {
        let mut stream = BytesMut::new();
        (encoder.each)(&input.events, &mut |block| stream.extend_from_slice(block))?;
        let mut tally = Tally::default();
        adaptors::decode(&stream, &mut tally)?;
        ensure!(tally == expected, "{} encodes other events", encoder.name);
    }
    let mut works: Vec<Work<'_>> = Vec::new();
    for encoder in ENCODERS {
        works.push(Box::new(|| {
            (encoder.each)(&input.events, &mut |block| {
                std::hint::black_box(block);
            })
        }));
    }
    let times = timing::race(&mut works, report.rounds, report.smoke)?;
    let names = ENCODERS.iter().map(|encoder| encoder.name);
    enter(report, key, input.stream.len(), names.zip(times));
    Ok(())
}

/// Enters each contender's speed on so many bytes.
fn enter(
    report: &mut Report,
    key: &str,
    bytes: usize,
    times: impl Iterator<Item = (&'static str, Times)>,
) {
    for (name, Times { rounds }) in times {
        if rounds.len() < report.rounds && !report.smoke {
            report.notes.push(format!("{name} takes too long on {key}: one round"));
        }
        for (round, seconds) in rounds.into_iter().enumerate() {
            report.enter(name, round, key, bytes as f64 / 1e6 / seconds);
        }
    }
}

/// What every contender must find.
fn tally_of(events: &[tidings_wire::Event]) -> Tally {
    let mut tally = Tally::default();
    for event in events {
        let event_type = event.event_type.as_ref().map_or("message", |text| text.as_str());
        tally.event(event_type, &event.data, event.id.as_ref().map_or("", |id| id.as_str()));
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_is_measured_on_every_input() {
        let options = Run { smoke: true, client_cores: vec![0], ..Run::default_for_tests() };
        let report = run(&options, &|_| ()).unwrap();
        let decoders: Vec<&str> = DECODERS.iter().map(|decoder| decoder.name).collect();
        let encoders: Vec<&str> = ENCODERS.iter().map(|encoder| encoder.name).collect();
        for figure in &report.figures {
            let all = if figure.key.starts_with("decode") { &decoders } else { &encoders };
            for name in all {
                assert!(report.cell(name, &figure.key).unwrap().median().unwrap() > 0.0, "{name}");
            }
        }
        assert!(report.verdicts.iter().all(|verdict| verdict.measured.is_some()));
    }
}
