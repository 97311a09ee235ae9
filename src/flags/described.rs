//! The flags of `serve` and `compile` as clap knows flags. Nothing is parsed by this: manual pages and completions are made
//! of it. Both write a flag with two dashes, which is the same as with one.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction};

use super::Command;
use super::catalogue::{self, Group, Treatment};
use super::kind::Kind;

/// The command `name` with every flag that works.
pub fn described(command: Command, name: &'static str) -> clap::Command {
    let mut described = clap::Command::new(name).disable_version_flag(true).disable_help_flag(true);
    for group in Group::ALL {
        for spec in catalogue::all(command) {
            let Treatment::Honoured(its, help) = spec.treatment else { continue };
            if its != group {
                continue;
            }
            let mut argument = Arg::new(spec.name).long(spec.name).help(help).help_heading(group.title());
            argument = match spec.kind {
                Kind::Bool => argument.action(ArgAction::SetTrue),
                Kind::Choice(words) => {
                    argument.value_parser(PossibleValuesParser::new(words.iter().copied()))
                }
                kind => argument.value_name(kind.placeholder()),
            };
            if spec.kind.adds_up() {
                argument = argument.action(ArgAction::Append);
            }
            if !spec.default.is_empty() && !matches!(spec.kind, Kind::Bool) {
                argument = argument.default_value(spec.default);
            }
            described = described.arg(argument);
        }
    }
    described
}
