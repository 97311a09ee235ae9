use super::*;

fn texts(reading: &Reading) -> Vec<String> {
    reading.objects.definitions.iter().map(|it| format!("{} {}", it.metadata.namespace, it.text)).collect()
}

#[tokio::test]
async fn documents_are_read_in_the_order_of_their_names_and_again_when_they_change() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("team")).unwrap();
    fs::write(dir.path().join("team/b.eskip"), "b: *->\"http://b\"").unwrap();
    fs::write(dir.path().join("a.eskip"), "\u{feff}// ours\na: * -> <shunt>; c: * -> <shunt>;").unwrap();
    fs::write(dir.path().join("notes.yaml"), "kind: Ingress").unwrap();
    let mut source = Manifests::routes(dir.path().to_owned());
    let first = source.read().await.unwrap();
    let expected =
        ["a.eskip a: * -> <shunt>;", "a.eskip c: * -> <shunt>;", "team/b.eskip b: * -> \"http://b\";"];
    assert_eq!(texts(&first), expected);
    assert_eq!(first.objects.count(), 3);

    tokio::time::sleep(Duration::from_millis(60)).await;
    let again = source.read().await.unwrap();
    fs::write(dir.path().join("a.eskip"), "a: * -> <loopback>; c: * -> <shunt>;").unwrap();
    let next = source.read().await.unwrap();
    assert_eq!(texts(&next)[0], "a.eskip a: * -> <loopback>;");
    assert!(Arc::ptr_eq(&again.objects.definitions[2], &next.objects.definitions[2]), "shared");
}

#[tokio::test]
async fn a_single_file_is_a_document_of_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("routes");
    fs::write(&path, "a: * -> <shunt>;\nb: Path(\"/ -> <shunt>;\nc: * -> <shunt>;").unwrap();
    let reading = Manifests::routes(path).read().await.unwrap();
    assert_eq!(texts(&reading).len(), 3);
    let flaws: Vec<_> = reading.objects.definitions.iter().filter_map(|it| it.flaw.as_deref()).collect();
    assert!(flaws.len() == 1 && flaws[0].starts_with("routes:2: expected"), "{flaws:?}");
}

#[tokio::test]
async fn a_document_that_is_not_whole_fails_the_reading() {
    let dir = tempfile::tempdir().unwrap();
    let mut source = Manifests::routes(dir.path().to_owned());
    let error = source.read().await.unwrap_err();
    assert_eq!((error.code.as_str(), error.to_string().contains(".eskip")), ("empty", true), "{error}");
    fs::write(dir.path().join("a.eskip"), "a: * -> <shunt>;").unwrap();
    for (text, code, part) in [
        (&b"b: * -> <shunt>;\nc: * -> \"http:"[..], "document", "b.eskip, line 2: "),
        (b"<html>", "document", "b.eskip, line 1: "),
        (b"b: * -> <shunt>;\n\xff", "no-text", "b.eskip:2: "),
    ] {
        fs::write(dir.path().join("b.eskip"), text).unwrap();
        let error = source.read().await.unwrap_err();
        assert_eq!(error.code, code);
        assert!(
            error.to_string().starts_with("read routes at") && error.to_string().contains(part),
            "{error}"
        );
    }
    fs::write(dir.path().join("b.eskip"), "").unwrap();
    assert_eq!(texts(&source.read().await.unwrap()), ["a.eskip a: * -> <shunt>;"]);
}
