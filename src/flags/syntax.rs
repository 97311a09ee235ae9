//! Go's syntax of flags (package `flag`): `-name`, `--name`, `-name=value`, `-name value`.
//!
//! In: the arguments after the command. Out: names with raw values, in order. A switch takes a value only with an
//! equals sign; `--` and the first argument without a dash end the flags, and nothing may follow.

use super::Command;
use super::FlagError;
use super::catalogue::{self, Spec};
use super::kind::Kind;

/// One flag as it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    pub spec: &'static Spec,
    pub value: &'a str,
}

/// What the arguments say.
#[derive(Debug)]
pub(super) enum Scanned<'a> {
    /// These flags.
    Flags(Vec<Given<'a>>),
    /// `-h` or `-help`: say how to use the command.
    Help,
}

/// Takes the arguments apart.
///
/// # Errors
///
/// Where they are not Go's syntax, or a name is unknown. Values are not looked at.
pub(super) fn scan(command: Command, arguments: &[String]) -> Result<Scanned<'_>, FlagError> {
    let mut flags = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let Some(named) = argument.strip_prefix('-').filter(|named| !named.is_empty()) else {
            return Err(FlagError::Positional(argument.clone()));
        };
        let named = named.strip_prefix('-').unwrap_or(named);
        if named.is_empty() {
            break;
        }
        if named.starts_with(['-', '=']) {
            return Err(FlagError::Syntax(argument.clone()));
        }
        let (name, value) = match named.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (named, None),
        };
        let Some(spec) = catalogue::find(command, name) else {
            if matches!(name, "h" | "help") {
                return Ok(Scanned::Help);
            }
            let nearest = catalogue::nearest(command, name).map(str::to_owned);
            return Err(FlagError::Unknown { name: name.to_owned(), nearest });
        };
        let value = match (value, spec.kind) {
            (Some(value), _) => value,
            (None, Kind::Bool) => "true",
            (None, _) => rest.next().ok_or(FlagError::Missing(spec.name))?,
        };
        flags.push(Given { spec, value });
    }
    match rest.next() {
        Some(argument) => Err(FlagError::Positional(argument.clone())),
        None => Ok(Scanned::Flags(flags)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanned(arguments: &[&str]) -> Result<Vec<(&'static str, String)>, FlagError> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match scan(Command::Serve, &arguments)? {
            Scanned::Flags(flags) => {
                Ok(flags.iter().map(|given| (given.spec.name, given.value.to_owned())).collect())
            }
            Scanned::Help => Ok(vec![("help", String::new())]),
        }
    }

    #[test]
    fn all_four_forms() {
        let expected = vec![("address", ":1".to_owned())];
        for form in [&["-address=:1"][..], &["--address=:1"], &["-address", ":1"], &["--address", ":1"]] {
            assert_eq!(scanned(form).unwrap(), expected, "{form:?}");
        }
    }

    #[test]
    fn a_switch_takes_no_following_value() {
        assert_eq!(scanned(&["-kubernetes"]).unwrap(), [("kubernetes", "true".to_owned())]);
        assert_eq!(scanned(&["-kubernetes=F"]).unwrap(), [("kubernetes", "F".to_owned())]);
        assert_eq!(scanned(&["-kubernetes", "true"]), Err(FlagError::Positional("true".to_owned())));
    }

    #[test]
    fn a_value_may_look_like_a_flag_and_have_equals_signs() {
        assert_eq!(scanned(&["-address", "-kubernetes"]).unwrap(), [("address", "-kubernetes".to_owned())]);
        assert_eq!(scanned(&["-edit-route=/a=b/c/"]).unwrap(), [("edit-route", "/a=b/c/".to_owned())]);
        assert_eq!(scanned(&["-address="]).unwrap(), [("address", String::new())]);
    }

    #[test]
    fn two_dashes_end_the_flags() {
        assert_eq!(scanned(&["-kubernetes", "--"]).unwrap().len(), 1);
        assert_eq!(scanned(&["--", "x"]), Err(FlagError::Positional("x".to_owned())));
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        for bad in ["---address=1", "-=1", "--=1"] {
            assert_eq!(scanned(&[bad]), Err(FlagError::Syntax(bad.to_owned())));
        }
        for bad in ["-", "", "x"] {
            assert_eq!(scanned(&[bad]), Err(FlagError::Positional(bad.to_owned())));
        }
        assert_eq!(scanned(&["-address"]), Err(FlagError::Missing("address")));
    }

    #[test]
    fn unknown_names_get_the_nearest_known_one() {
        let error = scanned(&["-kubernetes-ingres-class=a"]).unwrap_err().to_string();
        assert_eq!(error, "unknown flag -kubernetes-ingres-class; did you mean -kubernetes-ingress-class?");
        assert_eq!(scanned(&["-qqqq"]).unwrap_err().to_string(), "unknown flag -qqqq");
    }

    #[test]
    fn help_is_asked_for_in_gos_ways() {
        for form in ["-h", "-help", "--help"] {
            assert_eq!(scanned(&[form]).unwrap()[0].0, "help", "{form}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_arguments_are_read_or_refused(arguments in proptest::collection::vec("(-{0,3}(address|kubernetes|edit-route|[a-z]{0,3})=?\\PC{0,4})|\\PC*", 0..6)) {
            let _ = scan(Command::Serve, &arguments);
        }
    }
}
