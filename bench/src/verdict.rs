//! What must be reached, as data: which figure, which bound, and whether it is held.

use crate::{
    report::{Report, Verdict, median},
    table::number,
};

/// A figure that must be reached.
struct Bar {
    scenario: &'static str,
    target: &'static str,
    figure: &'static str,
    measure: Measure,
    side: Side,
    bound: f64,
    /// The unit of the bound, or what it is a multiple of.
    unit: &'static str,
    says: &'static str,
}

/// What is compared with the bound.
enum Measure {
    /// The median.
    Value,
    /// The median of the ratios to the floor.
    OfFloor,
    /// The median of the ratios to the same figure of another target.
    OfTarget(&'static str),
    /// The least of the ratios to the rivals: that to the best of them.
    OfRivals,
    /// The median of the ratios to another figure of the same target.
    OfFigure(&'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    AtMost,
    AtLeast,
}

use Measure::{OfFigure, OfFloor, OfRivals, OfTarget, Value};
use Side::{AtLeast, AtMost};

macro_rules! bars {
    ($($scenario:literal $target:literal $figure:literal $measure:expr,
       $side:ident $bound:literal $unit:literal $says:literal;)*) => {
        &[$(Bar {
            scenario: $scenario,
            target: $target,
            figure: $figure,
            measure: $measure,
            side: $side,
            bound: $bound,
            unit: $unit,
            says: $says,
        }),*]
    };
}

const BARS: &[Bar] = bars! {
    "broadcast" "tidings" "cpu_1" OfFloor, AtMost 1.25 "x floor" "direct lane, window 1: CPU per event";
    "broadcast" "tidings-body" "cpu_1" OfFloor, AtMost 1.9 "x floor" "body lane, window 1: CPU per event";
    "broadcast" "tidings" "cpu_wide" OfFloor, AtMost 0.5 "x floor's window 1" "direct lane, wide window: CPU per event";
    "broadcast" "tidings-relay" "cpu_1" OfTarget("tidings"), AtMost 1.25 "x published" "a relayed event, window 1: CPU";
    "broadcast" "tidings-relay" "cpu_wide" OfTarget("tidings"), AtMost 1.25 "x published" "a relayed event, wide window: CPU";
    "broadcast" "tidings-disk" "cpu_1" OfTarget("tidings"), AtMost 1.05 "x in memory" "log on disk, window 1: CPU per event";
    "broadcast" "tidings-disk" "cpu_wide" OfTarget("tidings"), AtMost 1.05 "x in memory" "log on disk, wide window: CPU per event";
    "idle" "tidings" "peak" Value, AtMost 2.5 "KiB" "direct lane: memory per connection at the peak of a storm";
    "idle" "tidings-body" "peak" Value, AtMost 12.0 "KiB" "body lane: memory per connection at the peak of a storm";
    "idle" "tidings" "keep_alive" OfFloor, AtMost 1.3 "x floor" "direct lane: CPU per keep-alive";
    "own-topics" "tidings" "cpu_later" OfTarget("nchan"), AtMost 1.0 "x nchan" "CPU per publish and delivery";
    "own-topics" "tidings" "cpu_first" OfFigure("cpu_later"), AtMost 1.2 "x a later one" "first publish on a topic: CPU";
    "own-topics" "tidings" "cpu_first_few" OfFigure("cpu_later_few"), AtMost 1.2 "x a later one" "the same with 100 subscribers in all";
    "storm" "tidings" "cpu" OfFloor, AtMost 1.6 "x floor" "server CPU of the whole storm";
    "storm" "tidings" "last" OfFloor, AtMost 2.0 "x floor" "time until the last client is served";
    "slow" "tidings" "p99_stuck" OfFigure("p99_none"), AtMost 1.1 "x without" "p99 of the others, with 50 stuck";
    "slow" "tidings" "memory_stuck" Value, AtMost 64.0 "KiB" "memory of each stuck subscriber";
    "selectors" "tidings" "beyond" Value, AtMost 20.0 "µs" "publish among 1,000 templates, beyond its deliveries";
    "publish" "tidings" "ndjson_core" Value, AtLeast 300_000.0 "/s" "NDJSON updates per second of server CPU";
    "publish" "tidings-disk" "ndjson" Value, AtLeast 100_000.0 "/s" "NDJSON updates acknowledged per second, log on disk";
    "shards" "tidings" "cpu_ratio" Value, AtMost 1.1 "x one core" "two server cores: CPU per event";
    "append" "tidings" "rate" OfTarget("one"), AtLeast 15.0 "x one sync each" "64 publishers: acknowledged per second";
    "append" "tidings" "rate" OfTarget("grouped"), AtLeast 0.6 "x bare groups" "the same";
    "append-redis" "tidings" "everysec_64" OfTarget("redis-benchmark"), AtLeast 0.7 "x redis-benchmark" "64 under way, everysec";
    "append-redis" "tidings" "everysec_512" OfTarget("redis-benchmark"), AtLeast 0.7 "x redis-benchmark" "512 under way, everysec";
    "append-redis" "tidings" "always_64" OfTarget("redis-benchmark"), AtLeast 0.7 "x redis-benchmark" "64 under way, always";
    "append-redis" "tidings" "always_512" OfTarget("redis-benchmark"), AtLeast 0.7 "x redis-benchmark" "512 under way, always";
    "append-nats" "tidings" "rate_64" OfTarget("nats-bench"), AtLeast 0.7 "x nats bench" "64 under way";
    "append-nats" "tidings" "rate_512" OfTarget("nats-bench"), AtLeast 0.7 "x nats bench" "512 under way";
    "hop" "tidings-redis" "p99" OfTarget("redis"), AtMost 3.0 "x Redis alone" "publish at one hub to delivery at another, p99";
    "hop" "tidings-nats" "p99" OfTarget("nats"), AtMost 3.0 "x NATS alone" "publish at one hub to delivery at another, p99";
    "restart" "tidings-disk" "ready" Value, AtMost 2_000.0 "ms" "killed and started with 1,000,000 updates: ready";
    "restart" "tidings-disk" "stream" Value, AtMost 2_000.0 "ms" "first byte of a stream";
    "restart" "tidings-disk" "peak" Value, AtMost 200.0 "MB" "memory at its peak";
    "restart" "tidings-disk" "topic" Value, AtMost 50.0 "ms" "resuming from the middle, one topic: first update";
    "restart" "tidings-disk" "all" Value, AtMost 50.0 "ms" "resuming from the middle, `*`: first update";
    "restart" "tidings-disk" "ready_cold" Value, AtMost 2_000.0 "ms" "the same three with nothing cached: ready";
    "restart" "tidings-disk" "topic_cold" Value, AtMost 50.0 "ms" "one topic";
    "restart" "tidings-disk" "all_cold" Value, AtMost 50.0 "ms" "`*`";
    "retention" "tidings-disk" "peak" Value, AtMost 130.0 "MB" "a log of at most 100 MB: its directory";
    "codec" "tidings lent" "decode_llm_1400" OfRivals, AtLeast 1.5 "x fastest crate" "decode a language model's chunks, events lent, cut at 1,400 B";
    "codec" "tidings lent" "decode_llm_16384" OfRivals, AtLeast 1.5 "x fastest crate" "the same, cut at 16 KiB";
    "codec" "tidings lent" "decode_update_1400" OfRivals, AtLeast 1.5 "x fastest crate" "decode id, event and data, events lent, cut at 1,400 B";
    "codec" "tidings lent" "decode_update_16384" OfRivals, AtLeast 1.5 "x fastest crate" "the same, cut at 16 KiB";
    "codec" "tidings lent" "decode_line_1400" OfRivals, AtLeast 1.5 "x fastest crate" "decode a line of 4 MiB, events lent, cut at 1,400 B";
    "codec" "tidings lent" "decode_line_16384" OfRivals, AtLeast 1.5 "x fastest crate" "the same, cut at 16 KiB";
    "codec" "tidings lent" "decode_line_1400" OfRivals, AtLeast 20.0 "x fastest crate" "a line of 4 MiB, far ahead, cut at 1,400 B";
    "codec" "tidings lent" "decode_line_16384" OfRivals, AtLeast 20.0 "x fastest crate" "the same, cut at 16 KiB";
};

/// Judges a report by the bars of its scenario.
pub(crate) fn judge(report: &Report) -> Vec<Verdict> {
    BARS.iter()
        .filter(|bar| bar.scenario == report.scenario)
        .map(|bar| {
            let measured = bar.measured(report);
            let (sign, held): (_, fn(f64, f64) -> bool) = match bar.side {
                AtMost => ("<=", |measured, bound| measured <= bound),
                AtLeast => (">=", |measured, bound| measured >= bound),
            };
            Verdict {
                says: format!("{}: {}", bar.target, bar.says),
                bound: format!("{sign} {} {}", number(bar.bound), bar.unit),
                measured,
                held: measured.is_some_and(|measured| held(measured, bar.bound)),
                off: measured.map(|measured| measured / bar.bound - 1.0),
            }
        })
        .collect()
}

impl Bar {
    fn measured(&self, report: &Report) -> Option<f64> {
        let cell = report.cell(self.target, self.figure)?;
        match self.measure {
            Value => median(cell.rounds.iter().flatten().copied()),
            OfFloor => cell.to_floor,
            OfTarget(other) => cell.ratio_to(report.cell(other, self.figure)?),
            OfRivals => cell.to_rivals.values().copied().min_by(f64::total_cmp),
            OfFigure(other) => cell.ratio_to(report.cell(self.target, other)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args, codec, logs, report::Row, scenario};

    fn report(floor: f64, tidings: f64) -> Report {
        let figures = [("floor", floor), ("tidings", tidings)];
        let mut report = Report::new("broadcast", "", 1, false);
        report.figures = (scenario::ALL[0].figures)(&args::Run::default_for_tests());
        for (target, _) in figures {
            report.rows.push(Row::new(target, ""));
        }
        for (target, value) in figures {
            report.enter(target, 0, "cpu_1", value);
        }
        report.compare();
        report
    }

    #[test]
    fn a_bar_is_held_or_missed_or_not_measured() {
        let find = |report: &Report| {
            let verdicts = judge(report);
            let direct =
                verdicts.iter().find(|verdict| verdict.says.contains("direct lane, window 1"));
            (direct.unwrap().measured, direct.unwrap().held, verdicts[1].measured)
        };
        assert_eq!(find(&report(10.0, 12.0)), (Some(1.2), true, None));
        assert_eq!(find(&report(10.0, 13.0)), (Some(1.3), false, None));
    }

    #[test]
    fn the_best_rival_is_the_one_that_counts() {
        let mut report = Report::new("codec", "", 1, false);
        report.rivals = ["sse-stream", "sse-codec"].map(str::to_owned).to_vec();
        for (target, value) in [("tidings lent", 60.0), ("sse-stream", 30.0), ("sse-codec", 50.0)] {
            report.rows.push(Row::new(target, ""));
            report.enter(target, 0, "decode_llm_1400", value);
        }
        report.compare();
        let verdict = &judge(&report)[0];
        assert_eq!((verdict.measured, verdict.held), (Some(1.2), false));
    }

    #[test]
    fn every_bar_names_a_scenario_and_a_figure_that_are_there() {
        for bar in BARS {
            let over_http = scenario::ALL.iter().find(|scenario| scenario.name == bar.scenario);
            let of_logs = logs::ALL.iter().find(|scenario| scenario.name == bar.scenario);
            let figures = match (over_http, of_logs) {
                (Some(scenario), _) => (scenario.figures)(&args::Run::default_for_tests()),
                (None, Some(scenario)) => (scenario.figures)(),
                (None, None) if bar.scenario == "codec" => codec::figures(),
                (None, None) => panic!("{}", bar.scenario),
            };
            let known =
                |key: &str| assert!(figures.iter().any(|figure| figure.key == key), "{key}");
            known(bar.figure);
            if let OfFigure(other) = bar.measure {
                known(other);
            }
        }
    }
}
