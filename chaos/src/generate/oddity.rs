//! Fields that are not there, are empty, or of another type, in otherwise sound objects.

use serde_json::{Value, json};

use super::Dice;

/// A value of each type.
const OTHERS: [&str; 6] = ["7", "0.5", "\"x\"", "true", "[7]", "{\"x\": 7}"];

/// Takes one field of one object away, leaves it empty, or gives it a value of another type.
pub(super) fn spoil(dice: &mut Dice, objects: &mut [Value]) {
    if objects.is_empty() {
        return;
    }
    let index = dice.up_to(objects.len() - 1);
    let mut paths = Vec::new();
    collect(&objects[index], String::new(), &mut paths);
    // No API server lists an object without a name.
    paths.retain(|path| !["/kind", "/apiVersion", "/metadata/name"].contains(&path.as_str()));
    if paths.is_empty() {
        return;
    }
    let path = &paths[dice.up_to(paths.len() - 1)];
    let field = objects[index].pointer_mut(path).expect("the path was found there");
    *field = match (&*field, dice.up_to(4)) {
        _ if path == "/metadata" => Value::Null,
        (_, 0) => Value::Null,
        (_, 1) => dice.pick(&OTHERS).parse().expect("they are JSON"),
        (Value::String(_), _) => json!(dice.pick(&["", " ", "ä", "\"", "0"])),
        (Value::Array(_), _) => json!([]),
        (Value::Object(_), _) => json!({}),
        (Value::Number(_), _) => json!(dice.pick(&[0, -1, 65_536])),
        (Value::Bool(value), _) => json!(!value),
        (Value::Null, _) => return,
    };
}

fn collect(value: &Value, path: String, paths: &mut Vec<String>) {
    let mut child = |name: &str, value: &Value| {
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        paths.push(path.clone());
        collect(value, path, paths);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(name, value)| child(name, value)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| child(&index.to_string(), value));
        }
        _ => {}
    }
}
