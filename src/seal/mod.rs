//! STEP 6 of the line: make a released message fit for each next domain.

mod sealed;

pub use sealed::Sealed;
