//! The `rekindle` command.

use std::process::ExitCode;

use rekindle_training::commands::main_on;

fn main() -> ExitCode {
    main_on(None)
}
