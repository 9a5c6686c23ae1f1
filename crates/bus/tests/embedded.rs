//! The embedded bus keeps every promise of the seam.

use oxwhisk_bus::conformance::EmbeddedUnderTest;

oxwhisk_bus::conformance_suite!(embedded, EmbeddedUnderTest::default());
