//! The values of all flags: the defaults, then the configuration file, then the command line.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::catalogue::{self, Spec, Treatment};
use super::file::Entry;
use super::kind::{self, Kind};
use super::syntax::Given;
use super::{Command, FlagError, Setting, duration};

/// What was given for each flag. Every value in it fits its kind.
#[derive(Debug)]
pub(super) struct Values {
    command: Command,
    given: BTreeMap<&'static str, Vec<String>>,
}

impl Values {
    /// Joins what the file and the command line say. For one value the command line wins; what adds up starts with
    /// the file's values. (The peer parses its command line once more after the file, so there they add up twice.)
    ///
    /// # Errors
    ///
    /// The first value that does not fit its flag.
    pub(super) fn join(command: Command, file: &[Entry], line: &[Given<'_>]) -> Result<Self, FlagError> {
        let mut values = Self { command, given: BTreeMap::new() };
        for entry in file {
            values.add(entry.spec, &entry.value).map_err(|error| error.in_file(&entry.file))?;
        }
        for given in line {
            values.add(given.spec, given.value)?;
        }
        Ok(values)
    }

    fn add(&mut self, spec: &'static Spec, value: &str) -> Result<(), FlagError> {
        spec.kind.check(value).map_err(|complaint| FlagError::value(spec.name, value, complaint))?;
        let values = self.given.entry(spec.name).or_default();
        if !spec.kind.adds_up() {
            values.clear();
        }
        values.push(value.to_owned());
        Ok(())
    }

    /// Whether the flag was given at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// All that were given and that nothing comes of, with what becomes of them.
    pub(super) fn without_effect(&self) -> impl Iterator<Item = (&'static str, Treatment)> {
        self.given.keys().filter_map(|name| {
            let spec = catalogue::find(self.command, name)?;
            (!matches!(spec.treatment, Treatment::Honoured(..))).then_some((spec.name, spec.treatment))
        })
    }

    /// All that work, with their values. Whatever may hold a secret is left out: code that is run on requests, and what
    /// stands before the host of an address.
    pub(super) fn settings(&self) -> Vec<Setting> {
        let honoured = |spec: &&Spec| matches!(spec.treatment, Treatment::Honoured(..));
        let setting = |spec: &'static Spec| {
            let given = self.given.get(spec.name);
            let values = given.map_or_else(|| vec![spec.default.to_owned()], Clone::clone);
            let value = values.iter().map(|value| shown(spec.kind, value)).collect::<Vec<_>>().join("\n");
            Setting { flag: spec.name, value, given: given.is_some() }
        };
        catalogue::all(self.command).filter(honoured).map(setting).collect()
    }

    /// The value, or the default, as text.
    pub(super) fn text(&self, name: &'static str) -> &str {
        match self.given.get(name).and_then(|values| values.last()) {
            Some(value) => value,
            None => catalogue::find(self.command, name).map_or("", |spec| spec.default),
        }
    }

    /// The text; `None` where it is empty.
    pub(super) fn non_empty(&self, name: &'static str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A switch.
    pub(super) fn switch(&self, name: &'static str) -> bool {
        kind::boolean(self.text(name)).unwrap_or_default()
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &'static str) -> i64 {
        kind::integer(self.text(name)).unwrap_or_default()
    }

    /// A duration, which none of ours may have below zero; `None` where there is neither value nor default.
    ///
    /// # Errors
    ///
    /// Where it is below zero.
    pub(super) fn duration(&self, name: &'static str) -> Result<Option<Duration>, FlagError> {
        match duration::parse(self.text(name)) {
            Some(signed) if signed.negative => Err(FlagError::value(name, self.text(name), "is below zero")),
            Some(signed) => Ok(Some(signed.length)),
            None => Ok(None),
        }
    }

    /// The items of a list.
    pub(super) fn list(&self, name: &'static str) -> Vec<String> {
        kind::items(self.text(name)).map(str::to_owned).collect()
    }

    /// All values of a flag that adds up, in order.
    pub(super) fn each(&self, name: &str) -> impl Iterator<Item = &str> {
        self.given.get(name).into_iter().flatten().map(String::as_str)
    }
}

/// What of a value may be shown.
fn shown(kind: Kind, value: &str) -> String {
    let is_code = matches!(
        kind,
        Kind::Filters
            | Kind::Predicates
            | Kind::AnnotationFilters
            | Kind::AnnotationPredicates
            | Kind::Rewrites
    );
    if is_code && !value.is_empty() {
        return format!("({} characters, left out)", value.chars().count());
    }
    match value.split_once("://").map(|(scheme, rest)| (scheme, rest, rest.find(['/', '?', '#']))) {
        Some((scheme, rest, end)) => {
            let (authority, path) = rest.split_at(end.unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            let path = path.split_once('?').map_or(path, |(path, _)| path);
            format!("{scheme}://{host}{path}")
        }
        None => value.to_owned(),
    }
}

impl FlagError {
    fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Value { flag, value, complaint, .. } => {
                Self::Value { flag, value, complaint, file: Some(path.to_owned()) }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fit_their_kinds() {
        for command in [Command::Serve, Command::Compile] {
            for spec in catalogue::all(command).filter(|spec| !spec.default.is_empty()) {
                assert_eq!(spec.kind.check(spec.default), Ok(()), "{}", spec.name);
            }
        }
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        assert_eq!(shown(Kind::Filters, "setRequestHeader(\"X\", \"s3cret\")"), "(31 characters, left out)");
        assert_eq!(shown(Kind::Filters, ""), "");
        let url = "https://user:s3cret@api.example.org:6443/x?token=s3cret";
        assert_eq!(shown(Kind::Url, url), "https://api.example.org:6443/x");
        assert_eq!(shown(Kind::Path, "/etc/token"), "/etc/token");
        let line = ["-address=:1", "-default-filters-append=setPath(\"/s3cret\")"].map(str::to_owned);
        let Ok(super::super::syntax::Scanned::Flags(line)) =
            super::super::syntax::scan(Command::Serve, &line)
        else {
            panic!("flags");
        };
        let settings = Values::join(Command::Serve, &[], &line).expect("they fit").settings();
        let of = |flag: &str| settings.iter().find(|it| it.flag == flag).expect("it works");
        assert_eq!((of("address").value.as_str(), of("address").given), (":1", true));
        assert!(!of("support-listener").given);
        assert!(settings.iter().all(|it| !it.value.contains("s3cret")));
        assert!(settings.iter().all(|it| it.flag != "etcd-password"), "it has no effect");
    }

    #[test]
    fn kinds_that_add_up_have_no_default() {
        assert!(catalogue::all(Command::Serve).all(|spec| !spec.kind.adds_up() || spec.default.is_empty()));
        assert!(!Kind::List.adds_up());
    }
}
