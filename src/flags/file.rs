//! `-config-file`: a YAML map with the flags' names as keys.
//!
//! In: the file's text. Out: values in the form that the command line has them in. The peer's own shapes are taken:
//! lists for what adds up and for what has commas, maps for `key=value` flags. Unknown keys are passed over with
//! a note, since the peer passes over them in silence.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::catalogue::{self, Spec};
use super::kind::Kind;
use super::{Command, FlagError, duration};

/// Keys of the file that are no flags: passwords, which must not stand on a command line.
const FILE_ONLY: [&str; 2] = ["swarm-redis-password", "swarm-valkey-password"];
/// The file's name of `-kubernetes-allowed-external-name`.
const ALLOWED_NAMES: &str = "kubernetes-allowed-external-names";

/// One value of the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub spec: &'static Spec,
    pub value: String,
    pub file: PathBuf,
}

/// What a file says.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// The values, in the order of the file's keys.
    pub entries: Vec<Entry>,
    /// Keys that nobody knows, with the nearest flag.
    pub unknown: Vec<(String, Option<&'static str>)>,
}

/// Reads the file.
///
/// # Errors
///
/// Where it cannot be read, is not a map, or a value has a shape that its flag cannot have.
pub(super) fn read(command: Command, path: &Path) -> Result<Contents, FlagError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| FlagError::File { path: path.to_owned(), cause: error.to_string() })?;
    parse(command, &text, path)
}

fn parse(command: Command, text: &str, path: &Path) -> Result<Contents, FlagError> {
    let refuse = |cause: String| FlagError::File { path: path.to_owned(), cause };
    let document: Value = if text.trim().is_empty() {
        Value::Null
    } else {
        serde_saphyr::from_str(text).map_err(|error| refuse(error.to_string()))?
    };
    let map = match document {
        Value::Null => return Ok(Contents::default()),
        Value::Object(map) => map,
        _ => return Err(refuse("is not a map with flags as keys".to_owned())),
    };
    let mut contents = Contents::default();
    for (key, value) in map {
        if FILE_ONLY.contains(&key.as_str()) {
            continue;
        }
        let name = if key == ALLOWED_NAMES { "kubernetes-allowed-external-name" } else { &key };
        let Some(spec) = catalogue::find(command, name) else {
            let nearest = catalogue::nearest(command, name);
            contents.unknown.push((key, nearest));
            continue;
        };
        let values = values(spec.kind, &value)
            .ok_or_else(|| refuse(format!("{key}: the value has a shape that -{name} cannot have")))?;
        contents.entries.extend(values.into_iter().map(|value| Entry { spec, value, file: path.to_owned() }));
    }
    Ok(contents)
}

/// A value of the file as the command line would give it: several where it adds up, none where it is null.
fn values(kind: Kind, value: &Value) -> Option<Vec<String>> {
    match (kind, value) {
        (_, Value::Null) => Some(Vec::new()),
        (Kind::Yaml, _) => Some(vec![value.to_string()]),
        // yaml.v2 reads a bare number as nanoseconds.
        (Kind::Duration, Value::Number(number)) => {
            Some(vec![duration::print(Duration::from_nanos(number.as_u64()?))])
        }
        (Kind::Map | Kind::Breaker | Kind::Ratelimit, Value::Object(map)) => {
            let pairs: Option<Vec<String>> =
                map.iter().map(|(key, value)| Some(format!("{key}={}", scalar(value)?))).collect();
            Some(vec![pairs?.join(",")])
        }
        // The peer's shape of regular expressions and plugins: lists under names.
        (Kind::Regexps | Kind::Many, Value::Object(map)) => {
            let lists: Option<Vec<Vec<String>>> = map.values().map(|value| values(kind, value)).collect();
            Some(lists?.into_iter().flatten().collect())
        }
        (_, Value::Array(items)) if kind.adds_up() => {
            let items: Option<Vec<Vec<String>>> = items.iter().map(|item| values(kind, item)).collect();
            Some(items?.into_iter().flatten().collect())
        }
        (_, Value::Array(items)) if kind.is_list() => {
            let items: Option<Vec<String>> = items.iter().map(scalar).collect();
            Some(vec![items?.join(",")])
        }
        _ => scalar(value).map(|text| vec![text]),
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<(&'static str, String)>, FlagError> {
        let contents = parse(Command::Serve, text, Path::new("flags.yaml"))?;
        Ok(contents.entries.into_iter().map(|entry| (entry.spec.name, entry.value)).collect())
    }

    #[test]
    fn scalars_lists_and_maps_take_the_flags_form() {
        let text = "
address: :8080
kubernetes: true
source-poll-timeout: 1000
wait-for-healthcheck-interval: 10s
timeout-backend: 5000000000
kubernetes-east-west-range-domains: [a.local, b.local]
default-filters-append: [a(), b()]
default-filters-prepend: c()
oauth2-auth-url-parameters: {a: b}
kubernetes-allowed-external-names: {any: [^a$, ^b$]}
open-telemetry: {tracesExporter: otlp}
forward-backend-url:
swarm-redis-password: secret
";
        let mut found = parsed(text).unwrap();
        found.sort();
        let mut expected = [
            ("address", ":8080"),
            ("kubernetes", "true"),
            ("source-poll-timeout", "1000"),
            ("wait-for-healthcheck-interval", "10s"),
            ("timeout-backend", "5s"),
            ("kubernetes-east-west-range-domains", "a.local,b.local"),
            ("default-filters-append", "a()"),
            ("default-filters-append", "b()"),
            ("default-filters-prepend", "c()"),
            ("oauth2-auth-url-parameters", "a=b"),
            ("kubernetes-allowed-external-name", "^a$"),
            ("kubernetes-allowed-external-name", "^b$"),
            ("open-telemetry", "{\"tracesExporter\":\"otlp\"}"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn unknown_keys_are_noted_with_the_nearest_flag() {
        let contents = parse(Command::Serve, "adress: :1\n", Path::new("f")).unwrap();
        assert_eq!(contents.unknown, [("adress".to_owned(), Some("address"))]);
    }

    #[test]
    fn wrong_shapes_are_refused_by_key() {
        let error = parsed("address: [a]\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "-config-file: flags.yaml: address: the value has a shape that -address cannot have"
        );
        assert!(parsed("- a\n").unwrap_err().to_string().contains("is not a map"));
        assert!(parsed("a: [\n").is_err());
        assert!(parsed("").unwrap().is_empty());
    }
}
