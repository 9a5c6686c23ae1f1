//! Working stand-ins for everything around an invoker, and a harness that puts them together.
mod bus;
mod clock;
mod containers;
mod harness;
mod messages;
mod stores;

pub use bus::{DeliveryEvent, FakeBus};
pub use clock::ManualClock;
pub use containers::{ContainerEvent, FakeFactory, response};
pub use harness::{Harness, eventually, settle};
pub use messages::{ActionSpec, MessageSpec, id};
pub use stores::{FakeArtifacts, FakeRecords};
