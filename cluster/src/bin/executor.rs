//! The `rekindle-executor` command.

use clap::Parser;
use rekindle_cluster::nodes::Executor;

fn main() -> anyhow::Result<()> {
    Executor::parse().run()
}
