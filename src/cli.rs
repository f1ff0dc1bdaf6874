//! The command line of `rekindle-server`: the service's flags, or one of the commands beside it.
//! What the flags mean is said in `settings`.

use clap::{Parser, Subcommand};

use crate::keys::KeysCommand;
use crate::settings::Flags;

/// Flags of the service, or a command with flags of its own; not both.
#[derive(Debug, Parser)]
#[command(
    name = "rekindle-server",
    version,
    about = "Score customers over HTTP with judged models",
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// A command to run in place of the service.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[expect(missing_docs, reason = "clap would print the text as that of the program")]
    #[command(flatten)]
    pub flags: Flags,
}

/// What runs in place of the service.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, list, revoke and rotate API keys
    #[command(subcommand)]
    Keys(KeysCommand),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn flags_and_commands_are_told_apart() {
        let cli = |line: &str| Cli::try_parse_from(line.split(' '));
        let service = cli("rekindle-server --registry models --workers 3").unwrap();
        assert!(service.command.is_none());
        assert_eq!(service.flags.workers, Some(3));
        let keys = cli("rekindle-server keys list --keys keys.toml").unwrap();
        assert!(matches!(keys.command, Some(Command::Keys(KeysCommand::List(_)))));
        assert!(cli("rekindle-server --workers 3 keys list --keys keys.toml").is_err());
        Cli::command().debug_assert();
    }

    #[test]
    fn help_has_the_services_examples() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("rekindle-server --registry registry/"), "{help}");
        assert!(help.contains("keys"), "{help}");
    }
}
