//! The machine's clock.

use oxwhisk_controller::Clock;
use oxwhisk_invoker::Clock as _;

/// The clock of the machine for the controller: the invoker's.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn epoch_ms(&self) -> u64 {
        oxwhisk_invoker::SystemClock.epoch_ms()
    }
}
