//! What OpenWhisk's API, bus and stores talk about: names, limits, actions, activations and their
//! JSON forms.
//!
//! No I/O, no async, no clock: a value comes in, a value or an error comes out. Messages of errors
//! that a client sees are OpenWhisk's, to the byte.
#![forbid(unsafe_code)]

mod action;
mod activation;
mod activation_id;
mod byte_size;
mod exec;
mod identity;
pub mod json;
mod limits;
mod manifest;
mod names;
mod package;
mod parameters;
mod record_keeping;
mod trigger;

pub use action::WhiskAction;
pub use activation::{ActivationResponse, ResponseStatus, WhiskActivation};
pub use activation_id::{ActivationId, ActivationIdError};
pub use byte_size::{ByteSize, SizeError, WrittenSize};
pub use exec::{Code, CodeExec, Exec, ExecError, is_binary_code};
pub use identity::{AuthKey, Identity, Namespace, Privilege, UserLimits};
pub use json::Json;
pub use limits::{ActionLimits, Bound, LimitBounds, LimitError, LimitsPatch};
pub use manifest::{ExecManifest, ImageName, ManifestError, RuntimeManifest, StemCell};
pub use names::{
    EntityName, EntityPath, FullyQualifiedName, NameError, ReferenceError, SemVer, VersionError,
};
pub use package::{Binding, WhiskPackage};
pub use parameters::{Parameter, Parameters, ParametersError};
pub use record_keeping::{
    Asked, RecordDurability, RecordDurabilityError, RecordKeeping, StoreLevel, StoreLevelError,
};
pub use trigger::{RuleLink, RuleStatus, WhiskRule, WhiskTrigger};
