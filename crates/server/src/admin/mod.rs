//! `oxwhisk admin`: users, keys and limits, with the commands of `wskadmin`.
//!
//! [`operation::Operation`] is what can be done. A running server has its database to itself, so it carries operations out for
//! whoever connects to a socket in its data directory; where no server runs, the command opens the database itself.

mod args;
mod command;
mod key;
mod limits;
mod listener;
mod operation;
mod outcome;
mod refusal;
mod socket;
mod users;

pub(crate) use args::{AdminArgs, with_long_namespace};
pub(crate) use command::{Shape, run};
pub(crate) use listener::AdminListener;
