//! JSON texts as OpenWhisk reads and writes them.
//!
//! OpenWhisk's reader fixes three things that clients see: the texts of syntax errors, the form in
//! which numbers come back (`1e3` as `1E+3`), and that the last of two equal members wins. So every
//! text that enters is brought into one canonical form by [`canonical`], after which it is only
//! copied: payloads are never turned into trees.

mod canonical;
mod number;
mod value;

pub use canonical::{SyntaxError, canonical};
pub use number::canonical_number;
pub use value::{Json, JsonKind, Members, quoted};
