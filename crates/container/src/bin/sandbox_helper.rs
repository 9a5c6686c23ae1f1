//! The sandbox helper as a program of its own, for this crate's tests: a test program cannot start
//! itself as its helper, since the test harness owns its `main`.

fn main() {
    oxwhisk_container::sandbox::helper_main()
}
