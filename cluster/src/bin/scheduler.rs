//! The `rekindle-scheduler` command.

use clap::Parser;
use rekindle_cluster::nodes::Scheduler;

fn main() -> anyhow::Result<()> {
    Scheduler::parse().run()
}
