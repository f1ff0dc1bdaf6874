//! The `rekindle` command.

use std::process::ExitCode;

use clap::Parser;
use rekindle_training::commands::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("rekindle: {error:#}");
            ExitCode::from(2)
        }
    }
}
