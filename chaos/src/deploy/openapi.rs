//! Objects against what Kubernetes publishes of its kinds (`api/openapi-spec/swagger.json`): unknown fields, wrong types,
//! missing ones. What only code can know, the API server is asked.
//!
//! Source: OpenAPI 2.0 as far as Kubernetes uses it: <https://kubernetes.io/docs/concepts/overview/kubernetes-api/>.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::peers::files;
use crate::stage::manifests;

/// The versions that objects are held against, for people.
pub(super) fn versions() -> String {
    files::KUBERNETES.join(", ")
}

/// Holds every object of a built-in kind against each version; how many there were.
pub(super) fn check(objects: &[(&str, Value)]) -> Result<usize> {
    let mut checked = 0;
    for version in files::KUBERNETES {
        let text = std::fs::read(files::openapi(version)?).context("read the schemas")?;
        let schemas: Value =
            serde_json::from_slice(&text).with_context(|| format!("schemas of {version}"))?;
        let definitions = Definitions(&schemas["definitions"]);
        checked = 0;
        for (case, object) in objects.iter().filter(|(_, object)| is_built_in(object)) {
            let what = format!(
                "Kubernetes {version}, values for {case}, {} {}",
                object["kind"], object["metadata"]["name"]
            );
            definitions.check(object).context(what)?;
            checked += 1;
        }
    }
    ensure!(checked > 0, "there is nothing to check");
    Ok(checked)
}

/// Kinds of others have a dot in their group and are not Kubernetes' own.
pub(super) fn is_built_in(object: &Value) -> bool {
    let group =
        object["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |both| both.0);
    !group.contains('.') || group.ends_with(".k8s.io")
}

struct Definitions<'a>(&'a Value);

impl Definitions<'_> {
    fn check(&self, object: &Value) -> Result<()> {
        let kind = manifests::kind(object)?;
        let is = |one: &Value| {
            let names = one["x-kubernetes-group-version-kind"].as_array();
            names.into_iter().flatten().any(|name| {
                name["group"] == *kind.group && name["version"] == *kind.version && name["kind"] == *kind.kind
            })
        };
        let definition = self.0.as_object().into_iter().flatten().find(|(_, one)| is(one));
        let (_, definition) = definition.with_context(|| format!("there is no {kind:?}"))?;
        self.fits(object, definition, &kind.kind)
    }

    fn fits(&self, value: &Value, schema: &Value, at: &str) -> Result<()> {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.trim_start_matches("#/definitions/");
            let schema = self.0.get(name).with_context(|| format!("{at}: no definition {name}"))?;
            return self.fits(value, schema, at);
        }
        let right = match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("string"), Some("int-or-string")) => value.is_string() || value.is_i64(),
            (Some("string"), _) => value.is_string(),
            (Some("integer"), _) => value.is_i64() || value.is_u64(),
            (Some("number"), _) => value.is_number(),
            (Some("boolean"), _) => value.is_boolean(),
            (Some("array"), _) => value.is_array(),
            (Some("object"), _) => value.is_object(),
            (None, _) => true,
            (Some(other), _) => bail!("{at}: the schema has the type {other}"),
        };
        ensure!(right, "{at}: {value} is not what it should be: {} {}", schema["type"], schema["format"]);
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            self.fits(item, &schema["items"], &format!("{at}[{index}]"))?;
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            ensure!(value.get(required).is_some(), "{at}: {required} is missing");
        }
        let known = schema["properties"].as_object();
        for (name, inner) in value.as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            match (known.and_then(|known| known.get(name)), &schema["additionalProperties"]) {
                (Some(schema), _) => self.fits(inner, schema, &at)?,
                (None, Value::Object(_)) => self.fits(inner, &schema["additionalProperties"], &at)?,
                (None, _) if known.is_none() => {}
                (None, _) => bail!("{at}: there is no such field"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let schemas = json!({
            "v1.Pod": {
                "type": "object", "required": ["spec"],
                "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "Pod"}],
                "properties": {
                    "apiVersion": {"type": "string"}, "kind": {"type": "string"},
                    "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                    "spec": {"$ref": "#/definitions/v1.Spec"},
                },
            },
            "v1.Spec": {"type": "object", "properties": {
                "ports": {"type": "array", "items": {"type": "integer"}},
                "port": {"type": "string", "format": "int-or-string"},
            }},
        });
        let check = |spec: Value| {
            let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"a": "b"}});
            if !spec.is_null() {
                pod["spec"] = spec;
            }
            Definitions(&schemas).check(&pod).map_err(|error| error.to_string())
        };
        assert_eq!(check(json!({"ports": [1], "port": 80})), Ok(()));
        assert_eq!(check(Value::Null), Err("Pod: spec is missing".to_owned()));
        assert_eq!(check(json!({"prots": [1]})), Err("Pod.spec.prots: there is no such field".to_owned()));
        assert!(check(json!({"ports": ["1"]})).unwrap_err().starts_with("Pod.spec.ports[0]: \"1\" is not"));
        assert!(check(json!({"port": true})).unwrap_err().starts_with("Pod.spec.port: true is not"));
        assert!(Definitions(&schemas).check(&json!({"apiVersion": "v2", "kind": "Pod"})).is_err());
    }

    #[test]
    fn kinds_of_others_are_told_apart() {
        let of = |version: &str| is_built_in(&json!({"apiVersion": version}));
        assert!(of("v1") && of("apps/v1") && of("rbac.authorization.k8s.io/v1"));
        assert!(!of("monitoring.coreos.com/v1") && !of("cert-manager.io/v1"));
    }
}
