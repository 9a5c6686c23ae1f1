//! A whole invoker among stand-ins for everything around it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a test that cannot go on fails"
)]

mod accounting;
mod failing;
mod invoking;
mod platform_faults;
mod scaling;
mod slow_disk;
mod stopping;
mod support;
