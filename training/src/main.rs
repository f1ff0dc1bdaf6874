//! The `rekindle` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rekindle_training::commands::{Cli, annotate};

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // The exit code tells it too, where nobody reads.
            let _ = writeln!(std::io::stderr(), "rekindle: {}", sentence(&error));
            annotate(&sentence(&error));
            ExitCode::from(2)
        }
    }
}

/// An error with its causes, without those that the error before them already tells.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = if text.is_empty() { cause } else { format!("{text}: {cause}") };
        }
    }
    text
}
