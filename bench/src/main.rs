//! The benchmark: the scenario that was asked for, on standard output.

mod codec;

use std::io::{self, Write as _};

use clap::Parser;

#[derive(Parser)]
enum Scenario {
    /// Decodes and encodes event streams beside other crates.
    Codec(codec::CodecOptions),
}

fn main() -> anyhow::Result<()> {
    let Scenario::Codec(options) = Scenario::parse();
    let report = codec::run(&options)?;
    Ok(writeln!(io::stdout(), "{report}")?)
}
