//! The `rekindle-server` command: flags in, an exit code out. 2 for wrong settings, 1 for a service
//! that could not start or run.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use rekindle::settings::{Flags, Settings};
use rekindle::{startup, telemetry};

fn main() -> ExitCode {
    let flags = Flags::parse();
    let settings = match Settings::resolve(&flags) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("rekindle-server: {error}");
            return ExitCode::from(2);
        }
    };
    if flags.check {
        print!("{}", settings.to_toml());
        return ExitCode::SUCCESS;
    }
    match serve(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rekindle-server: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(settings: &Settings) -> anyhow::Result<()> {
    telemetry::start(settings.log_format, settings.log_level);
    actix_web::rt::System::new().block_on(async {
        startup::Service::start(settings)?.run().await.context("failed to serve")
    })
}
