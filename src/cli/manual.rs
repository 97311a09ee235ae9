//! `completions` and `man`: what the shell and the manual know of the commands, from what the commands themselves know.
//!
//! In: the table of commands. Out: a script, or a page for each command. What can go wrong: a folder that cannot be written.

use std::path::PathBuf;

use clap::{Command, Parser};
use clap_complete::Shell;

use super::{COMMANDS, CliError, print};

/// The options of `completions`.
#[derive(Parser, Debug)]
#[command(
    about = "Print what completes the commands and flags of bellwether in a shell",
    after_help = "For bash: bellwether completions bash > /etc/bash_completion.d/bellwether"
)]
pub(super) struct CompletionsOptions {
    /// The shell.
    shell: Shell,
}

/// The options of `man`.
#[derive(Parser, Debug)]
#[command(
    about = "Write the manual pages",
    after_help = "For everybody: bellwether man /usr/local/share/man/man1"
)]
pub(super) struct ManOptions {
    /// The folder that they are written into.
    into: PathBuf,
}

/// Prints the script.
pub(super) fn completions(options: &CompletionsOptions) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut program(), "bellwether", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Writes the pages.
pub(super) fn man(options: &ManOptions) -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("{}: {error}", options.into.display()));
    std::fs::create_dir_all(&options.into).map_err(failed)?;
    clap_mangen::generate_to(program(), &options.into).map_err(failed)
}

/// The whole program as clap knows programs.
fn program() -> Command {
    let program = Command::new("bellwether")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Serves routes to fleets of Skipper: several replicas, one elected leader, one table")
        .disable_help_subcommand(true)
        .subcommand_required(true);
    COMMANDS.iter().fold(program, |program, command| {
        program.subcommand((command.described)().name(command.name).about(command.about))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_nothing_wrong_with_any_command() {
        program().debug_assert();
    }

    #[test]
    fn every_shell_gets_every_command_and_flags_of_both_kinds() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut program(), "bellwether", &mut script);
            let script = String::from_utf8(script).expect("text");
            for word in ["rollback", "kubernetes-ingress-class", "fast-takeover"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn there_is_a_page_for_each_command() {
        let folder = tempfile::tempdir().expect("a folder");
        let into = folder.path().join("man1");
        man(&ManOptions { into: into.clone() }).expect("written");
        for command in COMMANDS {
            let page = into.join(format!("bellwether-{}.1", command.name));
            assert!(page.is_file(), "{}", page.display());
        }
        let page = std::fs::read_to_string(into.join("bellwether-serve.1")).expect("a page");
        assert!(page.contains("replication\\-listener"), "{page}");
    }
}
