use super::*;

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

#[test]
fn numbers_are_equal_only_in_value_and_type() {
    let table = [
        ("5", "5", true),
        ("5", "5.0", false),
        ("5", "5e0", false),
        ("1E+3", "1000.0", true),
        ("1000", "1E+3", false),
        ("-0", "0", true),
        ("100000000000000000000", "100000000000000000000", true),
        ("100000000000000000000", "100000000000000000001", false),
        ("true", "1", false),
        ("null", "0", false),
    ];
    for (left, right, equal) in table {
        assert_eq!(json(left) == json(right), equal, "{left} and {right}");
    }
}

#[test]
fn source_form_of_numbers_and_order_of_members_survive() {
    for text in [
        r#"{"b":1.50,"a":[1E+3,-0,12345678901234567890123]}"#,
        r#"["\n\"é\u0001",true,null]"#,
    ] {
        assert_eq!(json(text).to_compact(), text);
    }
}

#[test]
fn order_of_members_does_not_matter_and_the_last_duplicate_wins() {
    assert_eq!(json(r#"{"a":1,"b":2}"#), json(r#"{"b":2,"a":1}"#));
    assert_eq!(
        json(r#"{"a":1,"b":2,"a":3}"#).to_compact(),
        r#"{"a":3,"b":2}"#
    );
}

#[test]
fn malformed_and_too_deep_texts_are_errors() {
    for text in ["", "{", "[1,]", "01", "nope", "1 2", r#""\ud800""#] {
        assert!(
            matches!(Json::parse(text), Err(JsonError::Syntax(_))),
            "{text}"
        );
    }
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    assert!(matches!(Json::parse(&deep), Err(JsonError::TooDeep)));
}

#[test]
fn paths_lead_to_members_and_elements_from_both_ends() {
    let value = json(r#"{"logs":["a","b"],"x":{"y":null}}"#);
    assert_eq!(value.lookup("logs.0"), Some(&Json::from("a")));
    assert_eq!(value.lookup("logs.-1"), Some(&Json::from("b")));
    assert_eq!(value.lookup("x.y"), Some(&Json::Null));
    for path in ["logs.2", "logs.-3", "logs.x", "x.y.z", "z"] {
        assert_eq!(value.lookup(path), None, "{path}");
    }
}

#[test]
fn changes_reach_every_place_that_a_star_means() {
    let mut value = json(r#"{"a":[{"n":1},{"n":2},{"m":3}],"n":4}"#);
    value.change_at(&["a", "*", "n"], &mut |place| *place = Json::Null);
    value.change_at(&["a", "7", "n"], &mut |place| *place = Json::Null);
    assert_eq!(
        value.to_compact(),
        r#"{"a":[{"n":null},{"n":null},{"m":3}],"n":4}"#
    );
}

#[test]
fn printed_forms_differ_in_blanks_order_and_alphabet() {
    let value = json(r#"{"b":["é","😀"],"a":1}"#);
    assert_eq!(value.to_spaced(), r#"{"b": ["é", "😀"], "a": 1}"#);
    assert_eq!(
        value.to_ascii(),
        r#"{"b": ["\u00e9", "\ud83d\ude00"], "a": 1}"#
    );
    assert_eq!(
        value.to_sort_key(),
        r#"{"a": 1, "b": ["\u00e9", "\ud83d\ude00"]}"#
    );
}
