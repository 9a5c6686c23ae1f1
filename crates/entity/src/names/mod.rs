//! How entities are named: names, paths, fully qualified names, versions, subjects.

mod entity_name;
mod entity_path;
mod qualified_name;
mod version;

pub use entity_name::{EntityName, NameError};
pub use entity_path::EntityPath;
pub use qualified_name::{FullyQualifiedName, ReferenceError};
pub use version::{SemVer, VersionError};
