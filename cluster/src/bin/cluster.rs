//! The `rekindle` command for those who have a cluster: the same, and `--cluster`.

use std::process::ExitCode;

use rekindle_cluster::client::Ballista;
use rekindle_training::commands::main_on;

fn main() -> ExitCode {
    main_on(Some(&Ballista))
}
