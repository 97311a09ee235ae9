use super::*;

fn texts(document: &str) -> Vec<String> {
    split(document).unwrap().into_iter().map(|piece| piece.text.into_owned()).collect()
}

#[test]
fn what_a_printer_wrote_stays_to_the_byte() {
    let lines = [
        r#"a: Path("/a") && Host(/^(a[.]x[.]?(:[0-9]+)?)$/) && Header("b", "c") -> "http://10.0.0.1:80";"#,
        r#"b: * -> ratelimit(20, "1m; b: ") -> setPath("/\n\"") -> <roundRobin, "http://10.0.0.1:80?zone=z", "http://10.0.0.2:80">;"#,
        r"c: PathRegexp(/a\\nb;\/[/]/) -> <shunt>;",
    ];
    let document = lines.join("\n");
    let pieces = split(&document).unwrap();
    assert!(pieces.iter().all(|piece| matches!(piece.text, Cow::Borrowed(_))));
    let found: Vec<_> = pieces.iter().map(|piece| (piece.id, piece.line, &*piece.text)).collect();
    assert_eq!(found, [("a", 1, lines[0]), ("b", 2, lines[1]), ("c", 3, lines[2])]);
}

#[test]
fn what_people_write_is_laid_out_in_their_words() {
    let document = "
        // the shop
        shop :
            Path(`/a`)&&Host( \"x\" ) // ; not the end
            -> f( 1.50,\"b\" )
            -> \"http://a\" ;;
        last: * -> <shunt>";
    assert_eq!(
        texts(document),
        ["shop: Path(`/a`) && Host(\"x\") -> f(1.50, \"b\") -> \"http://a\";", "last: * -> <shunt>;"]
    );
    assert_eq!(split(document).unwrap()[1].line, 7);
    assert_eq!(texts("// nothing\n ; \n"), [""; 0]);
}

#[test]
fn words_that_would_mean_something_else_are_left_as_they_are() {
    for broken in ["a: * -> < shunt>;", "a: Pa th(\"/\") -> <shunt>;", "a: * -> f(1 2) -> <shunt>;"] {
        assert_eq!(texts(broken), [broken]);
        assert!(parse(broken).is_err(), "{broken}");
    }
}

#[test]
fn a_broken_definition_costs_itself() {
    let broken = [
        "m: * -> \"http://a\"b\";",
        "m: * -> \"http://a;",
        "m: Path(\"/x) -> \"http://a\";",
        "m: Path(\"/x;y) -> setPath(\"/b; c\") -> <shunt>;",
        "m: Path(\"/x) -> \"http://a\"; // c;",
        "m: PathRegexp(/[/) -> <shunt>;",
        "m: * -> f(1.) -> <shunt>;",
        "m: * -> é\u{a0} -> <shunt>;",
        "m: ;;;",
        "m: * -> `;",
        "m: * ->",
        "m: a: b: c",
        "m: * -> <shunt> <shunt>; <shunt>;",
    ];
    let good = ["a: Path(\"/a\") -> \"http://a\";", "b: Host(/b/) -> \"http://b\";", "z: * -> <shunt>;"];
    for broken in broken {
        for at in 0..3 {
            let mut lines = good.to_vec();
            lines.insert(at, broken);
            let document = lines.join("\n");
            let pieces = split(&document).unwrap();
            let ids: Vec<_> = pieces.iter().map(|piece| piece.id).collect();
            let mut expected = vec!["a", "b", "z"];
            expected.insert(at, "m");
            assert_eq!(ids, expected, "{document}");
            for piece in &pieces {
                let is_good = good.contains(&&*piece.text);
                assert_eq!(is_good, piece.id != "m", "{document}: {}", piece.text);
                assert_eq!(parse(&piece.text).is_ok(), is_good, "{}", piece.text);
            }
        }
    }
}

#[test]
fn a_broken_one_at_the_end_is_told_from_a_document_that_is_not_whole() {
    let broken = "a: * -> <shunt>;\nb: * -> \"http://b\"c\";";
    assert_eq!(split(broken).unwrap().len(), 2);
    for cut in
        ["a: * -> <shunt>;\nb: * -> \"htt", "a: * -> <shunt>;\nb: * ->", "a: * -> <shunt>;\nb: Path(\"/\") "]
    {
        assert_eq!(split(cut), Err(SplitError::Unfinished { line: 2 }), "{cut}");
    }
}

#[test]
fn a_string_of_several_lines_is_no_definition() {
    let document = "a: Path(`/\nb: * -> <shunt>;\n`) -> <shunt>;\nc: * -> <shunt>;";
    let ids: Vec<_> = split(document).unwrap().iter().map(|piece| piece.id).collect();
    assert_eq!(ids, ["a", "c"]);
}

#[test]
fn what_has_no_id_is_no_document() {
    for (document, line) in
        [("* -> <shunt>", 1), ("\n\nPath(\"/\") -> <shunt>;", 3), ("<html>", 1), ("\"", 1)]
    {
        assert_eq!(split(document), Err(SplitError::Nameless { line }), "{document}");
    }
}

#[test]
fn nothing_takes_for_ever() {
    let lines = |count: usize| (0..count).map(|n| format!("a{n}: \"\"\"\n")).collect::<String>();
    assert!(split(&format!("{}z: * -> <shunt>;", lines(50))).is_ok());
    assert!(matches!(split(&lines(5_000)), Err(SplitError::Astray { .. })));
    assert!(split(&format!("a: {}\";", ";".repeat(200_000))).is_ok());
}
