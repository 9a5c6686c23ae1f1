//! The code of the actions.

use serde_json::{Value, json};

/// Returns its number, and tells it on standard output.
pub(super) const ECHO: &str = "function main({ n }) { console.log('n is ' + n); return { n } }";
/// The same, printing nothing, in Python.
pub(super) const PYTHON_ECHO: &str = "def main(args):\n    return {'n': args.get('n')}\n";
/// Fails as an action may.
pub(super) const FAILS: &str = "function main({ n }) { return { error: 'no ' + n } }";
/// Steps twice through `soak-echo`, then ends.
pub(super) const CONDUCTOR: &str = "\
function main({ n, step }) {
  step = step || 0
  return step < 2 ? { action: 'soak-echo', params: { n: n + 1 }, state: { step: step + 1 } } : { params: { n } }
}";
/// Answers a web page with the number of the query.
pub(super) const WEB: &str =
    "function main({ n }) { return { body: '<p>' + n + '</p>', headers: { 'x-n': n } } }";

/// An action of Node.js.
pub(super) fn node(code: &str) -> Value {
    json!({"exec": {"kind": "nodejs:default", "code": code}, "limits": {"memory": 128}})
}
