//! The one way in which scenario files are laid out.

use crate::json::{Json, JsonError};

/// Lays out a scenario file: a line for each step and each clean-up request, so that a change of one
/// step is one line of a diff. The order of members and the form of numbers stay.
///
/// # Errors
/// [`JsonError`] if the text is not JSON.
pub fn canonical(text: &str) -> Result<String, JsonError> {
    let mut out = String::new();
    file(&mut out, &Json::parse(text)?);
    Ok(out)
}

fn file(out: &mut String, value: &Json) {
    let Json::Object(members) = value else {
        return out.push_str(&format!("{}\n", value.to_spaced()));
    };
    out.push('{');
    for (index, (name, member)) in members.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.push_str(&format!("{}: ", Json::from(name.as_str())));
        match member {
            Json::Array(cases) if name == "cases" => list(out, cases, "\n", case),
            _ => out.push_str(&member.to_spaced()),
        }
    }
    out.push_str("\n}\n");
}

fn case(out: &mut String, value: &Json) {
    let Json::Object(members) = value else {
        return out.push_str(&value.to_spaced());
    };
    out.push('{');
    for (index, (name, member)) in members.iter().enumerate() {
        out.push_str(if index == 0 { "" } else { "," });
        match member {
            Json::Array(requests) if name == "steps" || name == "cleanup" => {
                out.push_str(&format!("\n \"{name}\": "));
                list(out, requests, "\n  ", |out, request| {
                    out.push_str(&request.to_spaced())
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
