//! The sandbox helper: a small process with one thread that makes and reaps containers.
//!
//! It is the server's own program, started again before the server grows, so that forking is cheap.
//! It is the first process of its own pid namespace, in which all containers have theirs: when it
//! ends, however it ends, the kernel kills every process of every container. It ends when the
//! server's end of the socket closes.

mod child;
mod confine;
mod events;
mod inherited;
mod network;
mod root;
mod seccomp;
mod spawn;
mod syscalls;
mod watchdog;
mod way_out;

pub(crate) use confine::landlock_version;
pub use events::helper_main;
pub(crate) use inherited::SOCKET_NUMBER;

use std::io;

use rustix::io::Errno;

/// A step of making a container that the system refused.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) step: &'static str,
    pub(crate) errno: i32,
}

/// Names the step in which an error happened.
pub(crate) trait InStep<T> {
    /// Turns the error into a [`Failure`] of this step.
    fn in_step(self, step: &'static str) -> Result<T, Failure>;
}

impl<T> InStep<T> for io::Result<T> {
    fn in_step(self, step: &'static str) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            step,
            errno: error.raw_os_error().unwrap_or(libc::EIO),
        })
    }
}

impl<T> InStep<T> for Result<T, Errno> {
    fn in_step(self, step: &'static str) -> Result<T, Failure> {
        self.map_err(|errno| Failure {
            step,
            errno: errno.raw_os_error(),
        })
    }
}
