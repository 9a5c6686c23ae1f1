//! What the helper takes over from the server: the socket, the user namespace, the signals.

use std::os::fd::{FromRawFd, OwnedFd};

use super::child::close_on_exec;
use super::spawn;

/// The descriptor on which the server passes the socket.
pub(crate) const SOCKET_NUMBER: i32 = 3;

/// Takes the socket to the server. To be called once, first thing.
#[expect(unsafe_code, reason = "the server passes the socket by its number")]
pub(super) fn inherited_socket() -> OwnedFd {
    // SAFETY: the server has put the socket at this number before it started this program, which
    // has opened nothing else.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET_NUMBER) };
    // A failure would only let containers inherit it, and they close what they inherit.
    let _ = close_on_exec(&socket);
    socket
}

/// Tells whether this process is in a user namespace of its own, as an ordinary user's is.
pub(super) fn in_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let mut fields = map.split_ascii_whitespace();
    (fields.next(), fields.next(), fields.next()) != (Some("0"), Some("0"), Some("4294967295"))
}

/// Has ended children and the wish to end come through a descriptor, and gives all other signals back their meaning.
#[expect(unsafe_code, reason = "neither std nor rustix has signalfd")]
pub(super) fn watch_signals() -> rustix::io::Result<OwnedFd> {
    // SAFETY: the set is initialised before use; the process has one thread. What the server's
    // parent ignores must not be ignored in containers; that some signals cannot be set does not matter.
    unsafe {
        for signal in (1..=libc::SIGRTMAX()).filter(|&signal| signal != libc::SIGPIPE) {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        libc::sigaddset(&raw mut set, libc::SIGTERM);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            Err(spawn::last_error())
        } else {
            Ok(OwnedFd::from_raw_fd(fd))
        }
    }
}
