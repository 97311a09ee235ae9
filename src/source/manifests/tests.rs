use std::os::unix::fs::symlink;

use super::*;

fn ingress(name: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}, namespace: default}}\n"
    )
}

fn names(reading: &Reading) -> Vec<&str> {
    reading.objects.ingresses.iter().map(|ingress| ingress.metadata.name.as_str()).collect()
}

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("b.yaml"), ingress("b")).unwrap();
    fs::write(dir.path().join("c.json"), r#"[{"kind": "Ingress", "metadata": {"name": "c"}}]"#).unwrap();
    fs::write(dir.path().join("a.yml"), ingress("a1") + "---\n" + &ingress("a2")).unwrap();
    let reading = read(dir.path()).unwrap();
    assert_eq!(names(&reading), ["a1", "a2", "b", "c"]);
    assert_eq!(reading.diagnostics, []);
}

#[test]
fn a_single_file_of_any_name_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cluster");
    fs::write(&path, r#"{"kind": "List", "items": [{"kind": "Ingress", "metadata": {"name": "a"}}]}"#)
        .unwrap();
    assert_eq!(names(&read(&path).unwrap()), ["a"]);
    fs::write(&path, ingress("b")).unwrap();
    assert_eq!(names(&read(&path).unwrap()), ["b"]);
}

#[test]
fn what_does_not_parse_is_named_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), ingress("a")).unwrap();
    fs::write(dir.path().join("b.yaml"), ingress("b") + "---\nkind: Ingress\nspec: {a: 1, a: 2}\n").unwrap();
    fs::write(dir.path().join("c.json"), "{\n  \"kind\": \"Ingress\",\n}").unwrap();
    let reading = read(dir.path()).unwrap();
    assert_eq!(names(&reading), ["a", "b"]);
    let reasons: Vec<_> = reading.diagnostics.iter().map(|diagnostic| diagnostic.reason.as_str()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].contains("b.yaml:6: "), "{reasons:?}");
    assert!(reasons[1].contains("c.json:3: "), "{reasons:?}");
}

#[test]
fn what_cannot_be_read_as_a_whole_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(dir.path()).unwrap_err().code(), "empty");
    assert_eq!(read(&dir.path().join("nowhere")).unwrap_err().code(), "missing");
    fs::create_dir(dir.path().join("x.yaml")).unwrap();
    assert_eq!(read(dir.path()).unwrap_err().code(), "empty");
}

#[test]
fn a_file_that_the_system_refuses_fails_the_reading() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.yaml"), ingress("a")).unwrap();
    symlink("b.yaml", dir.path().join("b.yaml")).unwrap();
    let error = read(dir.path()).unwrap_err();
    assert_eq!(error.code(), "unreadable");
    assert!(error.to_string().contains("b.yaml cannot be read"), "{error}");
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_poll() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, ingress("one")).unwrap();
    let mut source = Manifests::new(dir.path().to_owned(), None);
    assert_eq!(names(&source.read().await.unwrap()), ["one"]);
    fs::write(&path, ingress("two")).unwrap();
    assert_eq!(names(&source.read().await.unwrap()), ["two"]);
    fs::write(dir.path().join("b.yaml"), ingress("b")).unwrap();
    assert_eq!(names(&source.read().await.unwrap()), ["two", "b"]);
    fs::remove_file(&path).unwrap();
    assert_eq!(names(&source.read().await.unwrap()), ["b"]);
}

#[test]
fn an_unchanged_tree_is_not_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, ingress("one")).unwrap();
    let (path, format) = (dir.path().to_owned(), Format::Objects);
    let mut reader = Reader { path, format, default_filters: None, last: None };
    let mut kept = Reading::default();
    kept.diagnostics.push(Diagnostic { object: None, reason: "kept".into(), hint: String::new() });
    reader.last = Some((Tree::walk(dir.path(), Format::Objects).unwrap(), kept));
    assert_eq!(reader.poll().unwrap().diagnostics[0].reason, "kept");
}

#[tokio::test]
async fn an_emptied_folder_is_an_error_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    fs::write(&path, ingress("a")).unwrap();
    let mut source = Manifests::new(dir.path().to_owned(), None);
    source.read().await.unwrap();
    fs::remove_file(&path).unwrap();
    let error = source.read().await.unwrap_err();
    assert_eq!(error.code, "empty");
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    fs::write(&path, ingress("a")).unwrap();
    assert_eq!(names(&source.read().await.unwrap()), ["a"]);
}

#[tokio::test]
async fn default_filters_are_read_on_each_poll() {
    let (dir, filters) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(dir.path().join("a.yaml"), ingress("a")).unwrap();
    let mut source = Manifests::new(dir.path().to_owned(), Some(filters.path().to_owned()));
    assert!(source.read().await.unwrap().objects.default_filters.is_empty());
    fs::write(filters.path().join("api.default"), "status(200)").unwrap();
    assert_eq!(source.read().await.unwrap().objects.default_filters["api.default"], "status(200)");
}
