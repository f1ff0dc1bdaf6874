//! The `rekindle-server` command: flags in, an exit code out. 2 for wrong settings, 1 for a service
//! that could not start or run, or a command that failed.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use rekindle::cli::{Cli, Command};
use rekindle::settings::{Flags, Settings};
use rekindle::{startup, telemetry};

fn main() -> ExitCode {
    let Cli { command, flags } = Cli::parse();
    let outcome = match command {
        Some(Command::Keys(keys)) => keys.run(),
        None => match Settings::resolve(&flags) {
            Ok(settings) => serve(&flags, &settings),
            Err(error) => {
                eprintln!("rekindle-server: {error}");
                return ExitCode::from(2);
            }
        },
    };
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    eprintln!("rekindle-server: {error:#}");
    ExitCode::FAILURE
}

fn serve(flags: &Flags, settings: &Settings) -> anyhow::Result<()> {
    if flags.check {
        print!("{}", settings.to_toml());
        return Ok(());
    }
    telemetry::start(settings.log_format, settings.log_level);
    actix_web::rt::System::new().block_on(async {
        startup::Service::start(settings)?.run().await.context("failed to serve")
    })
}
