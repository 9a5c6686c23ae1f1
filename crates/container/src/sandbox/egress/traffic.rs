//! What a container has exchanged beyond the machine.
//!
//! The numbers are in a file in memory that the egress process writes and the server reads whenever
//! it wants, without asking anybody.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::MemfdFlags;

use crate::Traffic;

/// Length of the file.
const LENGTH: usize = 24;

/// Makes the file for a container.
pub(crate) fn file() -> io::Result<OwnedFd> {
    Ok(rustix::fs::memfd_create("traffic", MemfdFlags::CLOEXEC)?)
}

/// Reads the numbers.
pub(crate) fn read(file: &OwnedFd) -> io::Result<Traffic> {
    let mut bytes = [0; LENGTH];
    // Nothing was written yet if it is short.
    let _length = rustix::io::pread(file, &mut bytes, 0)?;
    let mut numbers = bytes.chunks_exact(8).map(|chunk| {
        chunk
            .first_chunk()
            .map_or(0, |chunk| u64::from_ne_bytes(*chunk))
    });
    let mut next = || numbers.next().unwrap_or_default();
    Ok(Traffic {
        sent: next(),
        received: next(),
        connections: next(),
    })
}

/// Counts and writes the numbers down.
#[derive(Debug)]
pub(crate) struct Meter {
    file: OwnedFd,
    counted: Cell<Traffic>,
}

impl Meter {
    pub(crate) fn new(file: OwnedFd) -> Self {
        Self {
            file,
            counted: Cell::default(),
        }
    }

    /// Adds to the numbers.
    pub(crate) fn add(&self, more: Traffic) {
        if more == Traffic::default() {
            return;
        }
        let old = self.counted.get();
        let new = Traffic {
            sent: old.sent.wrapping_add(more.sent),
            received: old.received.wrapping_add(more.received),
            connections: old.connections.wrapping_add(more.connections),
        };
        self.counted.set(new);
        let Traffic {
            sent,
            received,
            connections,
        } = new;
        let bytes = [sent, received, connections].map(u64::to_ne_bytes).concat();
        // A file in memory takes 24 bytes, or the machine has none left and other things matter.
        let _written = rustix::io::pwrite(&self.file, &bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_can_be_read() {
        let file = file().unwrap();
        assert_eq!(read(&file).unwrap(), Traffic::default());
        let meter = Meter::new(file.try_clone().unwrap());
        let once = Traffic {
            sent: 1,
            received: 2,
            connections: 3,
        };
        meter.add(once);
        meter.add(once);
        let twice = Traffic {
            sent: 2,
            received: 4,
            connections: 6,
        };
        assert_eq!(read(&file).unwrap(), twice);
    }
}
