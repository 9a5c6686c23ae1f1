//! JSON for people to read.

use oxwhisk_entity::Json;

/// Returns the text of a value with the members of objects on lines of their own, indented by two blanks, and the
/// elements of arrays on one line. An empty object spans three lines. Source: observed.md, invocation §9.7.
pub(crate) fn pretty(json: &Json) -> String {
    let mut printer = Printer::default();
    json.text().chars().for_each(|c| printer.take(c));
    printer.out
}

/// Deeper objects are not indented further: with all of them the text would grow with the square of the depth.
const MOST_INDENTED: usize = 50;

/// Reads a canonical text, which has no blanks between its tokens, character by character.
#[derive(Debug, Default)]
struct Printer {
    out: String,
    /// The objects and arrays that are open.
    open: Vec<Container>,
    /// How many of them are objects.
    depth: usize,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    #[default]
    Between,
    /// Just behind the brace of an object.
    Opened,
    InString,
    /// Behind a backslash.
    Escaped,
}

impl Printer {
    fn take(&mut self, c: char) {
        match self.place {
            Place::InString | Place::Escaped => {
                self.out.push(c);
                self.place = match (self.place, c) {
                    (Place::InString, '\\') => Place::Escaped,
                    (Place::InString, '"') => Place::Between,
                    _ => Place::InString,
                };
                return;
            }
            Place::Opened if c != '}' => self.indent(),
            Place::Opened | Place::Between => {}
        }
        self.place = Place::Between;
        match c {
            '"' => {
                self.out.push(c);
                self.place = Place::InString;
            }
            '{' => {
                self.out.push_str("{\n");
                self.open.push(Container::Object);
                self.depth += 1;
                self.place = Place::Opened;
            }
            '}' => {
                self.open.pop();
                self.depth = self.depth.saturating_sub(1);
                self.out.push('\n');
                self.indent();
                self.out.push('}');
            }
            '[' => {
                self.out.push('[');
                self.open.push(Container::Array);
            }
            ']' => {
                self.open.pop();
                self.out.push(']');
            }
            ',' if self.open.last() == Some(&Container::Object) => {
                self.out.push_str(",\n");
                self.indent();
            }
            ',' => self.out.push_str(", "),
            ':' => self.out.push_str(": "),
            _ => self.out.push(c),
        }
    }

    fn indent(&mut self) {
        let steps = self.depth.min(MOST_INDENTED);
        self.out.extend(std::iter::repeat_n("  ", steps));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_objects_do_not_grow_out_of_bounds() {
        let depth = 100_000;
        let text = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        let printed = pretty(&Json::from_canonical(text));
        assert!(printed.len() < 300 * depth, "{}", printed.len());
    }

    /// Recordings `web-results/json-is-pretty-printed`, `web-results/body-json-is-pretty-printed`.
    #[test]
    fn objects_span_lines_and_arrays_do_not() {
        for (text, printed) in [
            ("5", "5"),
            ("\"a{[,:]}\\\"\\\\\"", "\"a{[,:]}\\\"\\\\\""),
            ("[]", "[]"),
            ("[1,[2,\"x,y\"]]", "[1, [2, \"x,y\"]]"),
            ("{}", "{\n\n}"),
            ("{\"a\":1,\"b\":[]}", "{\n  \"a\": 1,\n  \"b\": []\n}"),
            ("{\"c\":{}}", "{\n  \"c\": {\n\n  }\n}"),
            (
                "{\"a\":[1,{\"b\":null}]}",
                "{\n  \"a\": [1, {\n    \"b\": null\n  }]\n}",
            ),
            ("[{\"é\":true}]", "[{\n  \"é\": true\n}]"),
        ] {
            assert_eq!(pretty(&Json::from_canonical(text.to_owned())), printed);
        }
    }
}
