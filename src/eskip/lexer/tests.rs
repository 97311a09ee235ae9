use crate::eskip::{Arg, ParseError, parse, parse_filters};

/// The arguments of `f(text)`.
fn args(text: &str) -> Result<Vec<Arg>, ParseError> {
    parse_filters(&format!("f({text})")).map(|mut filters| filters.remove(0).args)
}

fn string(text: &str) -> String {
    match &args(text).unwrap()[..] {
        [Arg::String(value)] => value.clone(),
        other => panic!("{text} is {other:?}"),
    }
}

fn number(text: &str) -> f64 {
    match args(text).unwrap()[..] {
        [Arg::Number(value)] => value,
        ref other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn strings_stand_in_two_kinds_of_quotes() {
    assert_eq!(string(r#""a`b""#), "a`b");
    assert_eq!(string(r#"`a"b`"#), r#"a"b"#);
    assert_eq!(string("\"a\nb\""), "a\nb");
    assert_eq!(string("\"\""), "");
}

#[test]
fn strings_have_go_s_letter_escapes_and_keep_other_backslashes() {
    assert_eq!(string(r#""\a\b\f\n\r\t\v""#), "\x07\x08\x0c\n\r\t\x0b");
    assert_eq!(string(r#""\\\"""#), r#"\""#);
    assert_eq!(string(r"`\``"), "`");
    assert_eq!(string(r#""\`\x\/\é""#), r"\`\x\/\é");
    assert_eq!(string(r#""\\n""#), r"\n");
}

#[test]
fn regular_expressions_undo_only_slash_and_backslash() {
    assert_eq!(string(r"/a\/b\\c\nd\./"), r"a/b\c\nd\.");
    assert_eq!(string("/\"é/"), "\"é");
}

#[test]
fn a_slash_in_a_character_class_does_not_end_a_regular_expression() {
    for (written, value) in [
        ("/[/]/", "[/]"),
        (r"/[\/]/", "[/]"),
        (r"/[\[]/", r"[\[]"),
        (r"/[\]]/", r"[\]]"),
        (r"/[\\]/", r"[\]"),
        (r"/[[:upper:]]/", "[[:upper:]]"),
        (r"/\[/", r"\["),
        ("/]/", "]"),
    ] {
        assert_eq!(string(written), value, "{written}");
    }
    assert!(args("/[a/").is_err());
}

#[test]
fn numbers_have_digits_and_at_most_one_dot() {
    for (written, value) in [
        ("0", 0.0_f64),
        ("42", 42.0),
        ("-42", -42.0),
        ("2.71", 2.71),
        (".3", 0.3),
        ("-.3", -0.3),
        ("007", 7.0),
    ] {
        assert_eq!(number(written).to_bits(), value.to_bits(), "{written}");
    }
    assert_eq!(number("-0").to_bits(), (-0.0_f64).to_bits());
    assert_eq!(number(&"9".repeat(400)), f64::INFINITY);
    for written in ["3.", ".", "-", "-.", "-x", "1e5", "+1", "1.2.3", "1..2", "- 1", "0x1"] {
        assert!(args(written).is_err(), "{written}");
    }
}

#[test]
fn blanks_and_comments_stand_between_all_tokens() {
    let text = " // first\n r \x0b:\x0c *\t-> // c\r\n f ( 1 , `x` ) ->\n<shunt> ; // last";
    assert_eq!(parse(text).unwrap()[0].to_string(), r#"* -> f(1, "x") -> <shunt>"#);
    assert_eq!(parse("// nothing else").unwrap(), []);
    assert!(parse("* -> < shunt>").is_err());
    assert!(parse("* - > <shunt>").is_err());
}

#[test]
fn what_only_looks_like_a_blank_is_none() {
    for blank in ['\u{a0}', '\u{85}', '\u{2003}', '\u{feff}'] {
        assert!(parse(&format!("*{blank}-> <shunt>")).is_err(), "{blank:?}");
        assert_eq!(string(&format!("\"{blank}\"")), blank.to_string());
    }
}
