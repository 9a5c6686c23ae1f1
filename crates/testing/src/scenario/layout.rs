//! The one way in which scenario files are laid out.

use crate::json::{Json, JsonError, Object};

/// Members whose elements have a line each.
const LONG_LISTS: [&str; 3] = ["steps", "cleanup", "cases"];

/// Lays out a scenario file: a line for each step and each clean-up request, so that a change of one
/// step is one line of a diff. The order of members and the form of numbers stay.
///
/// # Errors
/// [`JsonError`] if the text is not JSON.
pub fn canonical(text: &str) -> Result<String, JsonError> {
    let mut out = String::new();
    match Json::parse(text)? {
        Json::Object(members) => {
            object(&mut out, &members, "\n", |out, member| match member {
                Json::Array(cases) => list(out, cases, "\n", case),
                Json::Object(members) => {
                    object(out, members, "\n ", |out, member| {
                        out.push_str(&member.to_spaced())
                    });
                }
                _ => out.push_str(&member.to_spaced()),
            });
        }
        other => out.push_str(&other.to_spaced()),
    }
    out.push('\n');
    Ok(out)
}

fn object(
    out: &mut String,
    members: &Object,
    line: &str,
    mut write: impl FnMut(&mut String, &Json),
) {
    out.push('{');
    for (index, (name, member)) in members.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(line);
        out.push_str(&format!("{}: ", Json::from(name.as_str())));
        write(out, member);
    }
    out.push_str(if line == "\n" { "\n}" } else { "}" });
}

fn case(out: &mut String, value: &Json) {
    let Json::Object(members) = value else {
        return out.push_str(&value.to_spaced());
    };
    out.push('{');
    for (index, (name, member)) in members.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        match member {
            Json::Array(elements) if LONG_LISTS.contains(&name.as_str()) => {
                out.push_str(&format!("\n \"{name}\": "));
                list(out, elements, "\n  ", |out, element| {
                    out.push_str(&element.to_spaced())
                });
            }
            _ => {
                let blank = if index == 0 { "" } else { " " };
                out.push_str(&format!(
                    "{blank}{}: {}",
                    Json::from(name.as_str()),
                    member.to_spaced()
                ));
            }
        }
    }
    out.push('}');
}

fn list(
    out: &mut String,
    elements: &[Json],
    line: &str,
    mut write: impl FnMut(&mut String, &Json),
) {
    out.push('[');
    for (index, element) in elements.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        out.push_str(line);
        write(out, element);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_line_and_nothing_else_changes() {
        let source = r#"{"server":"s","cases":[{"case":"a/b","steps":[{"n":1.50},{"n":[1,2]}],"cleanup":[{}]},{"case":"a/c","steps":[]}]}"#;
        let expected = r#"{
"server": "s",
"cases": [
{"case": "a/b",
 "steps": [
  {"n": 1.50},
  {"n": [1, 2]}],
 "cleanup": [
  {}]},
{"case": "a/c",
 "steps": []}]
}
"#;
        assert_eq!(canonical(source).unwrap(), expected);
        assert_eq!(canonical(expected).unwrap(), expected);
    }
}
