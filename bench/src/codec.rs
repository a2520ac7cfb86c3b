//! The `codec` scenario: decoding and encoding event streams, beside other crates, in this process.
//!
//! Every contender gets the same chunks of memory and hands each event to the same visitor. Before
//! anything is timed, all must have found the same events with the same bytes. The ordinary use of
//! `tidings-wire` is to look at an event while it is lent, as `tidings subscribe` does, so that is
//! what is judged; what it costs to make each event owned, as the other crates do, stands beside it.

mod adaptors;
mod inputs;
mod report;
mod tally;
mod timing;

use anyhow::ensure;
use bytes::BytesMut;

use self::adaptors::{DECODERS, ENCODERS};
use self::inputs::{Cut, Input, Sizes};
use self::tally::{Counter, Tally};
use self::timing::Work;

pub(crate) use self::report::CodecReport;
use self::report::{Row, Table};

/// What to measure, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct CodecOptions {
    /// Rounds, in each of which every contender is measured once; the medians are told.
    #[arg(long, default_value_t = 7)]
    pub(crate) rounds: usize,
    /// Runs everything once, with tiny inputs: to see that it works.
    #[arg(long)]
    pub(crate) smoke: bool,
    /// Only the inputs whose names hold this.
    #[arg(long, default_value = "")]
    pub(crate) only: String,
}

/// Checks and measures all contenders on all inputs.
///
/// # Errors
///
/// When a contender fails, or finds something else than the others.
pub(crate) fn run(options: &CodecOptions) -> anyhow::Result<CodecReport> {
    let sizes = if options.smoke { Sizes::SMOKE } else { Sizes::FULL };
    let mut inputs = inputs::all(sizes)?;
    inputs.retain(|input| input.name.contains(&options.only));
    timing::keep_pages();
    let mut report = CodecReport::default();
    for input in &inputs {
        for cut in input.cuts() {
            report.decode.push(decode(input, &cut, options)?);
        }
    }
    for input in &inputs {
        report.encode.push(encode(input, options)?);
    }
    Ok(report)
}

/// All decoders on one stream.
fn decode(input: &Input, cut: &Cut, options: &CodecOptions) -> anyhow::Result<Table> {
    let chunks = cut.chunks();
    let expected = tally_of(&input.events);
    for decoder in DECODERS {
        if let Some(check) = decoder.check {
            let mut tally = Tally::default();
            check(&chunks, &mut tally)?;
            ensure!(tally == expected, "{} decodes {} otherwise", decoder.name, input.name);
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
    let times = timing::race(&mut works, options.rounds, options.smoke)?;
    Ok(Table {
        name: format!("{}, chunks of {} B", input.name, cut.chunk_bytes),
        bytes: cut.stream.len(),
        rows: DECODERS.iter().zip(times).map(|(it, times)| Row { name: it.name, times }).collect(),
    })
}

/// All encoders on one input.
fn encode(input: &Input, options: &CodecOptions) -> anyhow::Result<Table> {
    let expected = tally_of(&input.events);
    let mut bytes = 0;
    for encoder in ENCODERS {
        let mut stream = BytesMut::new();
        (encoder.encode)(&input.events, &mut |block| stream.extend_from_slice(block))?;
        let mut tally = Tally::default();
        adaptors::decode(&stream, &mut tally)?;
        ensure!(tally == expected, "{} encodes {} otherwise", encoder.name, input.name);
        bytes = stream.len();
    }
    let mut works: Vec<Work<'_>> = Vec::new();
    for encoder in ENCODERS {
        works.push(Box::new(|| {
            (encoder.encode)(&input.events, &mut |block| {
                std::hint::black_box(block);
            })
        }));
    }
    let times = timing::race(&mut works, options.rounds, options.smoke)?;
    Ok(Table {
        name: input.name.to_owned(),
        bytes,
        rows: ENCODERS.iter().zip(times).map(|(it, times)| Row { name: it.name, times }).collect(),
    })
}

/// What every contender must find.
fn tally_of(events: &[tidings_wire::Event]) -> Tally {
    use self::tally::Visitor as _;
    let mut tally = Tally::default();
    for event in events {
        let event_type = event.event_type.as_ref().map_or("message", |text| text.as_str());
        tally.event(event_type, &event.data, event.id.as_ref().map_or("", |id| id.as_str()));
    }
    tally
}
