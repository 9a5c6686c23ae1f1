//! Control groups, of version 1 and 2, each controller where it is found.
//!
//! The server finds places and makes one folder in each, named after itself and locked while it
//! lives ([`layout`]); the helper makes a group for each container below ([`group`]).

mod group;
mod layout;
mod mounts;

pub(crate) use group::{ContainerGroup, GroupLimits, Groups};
pub(crate) use layout::{CgroupLayout, CgroupLocks, Controller, Hierarchy, Version, prepare};
