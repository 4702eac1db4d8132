//! Bodies in flight: async adapters between the framework's streams and the backend's, thin around the state machines
//! of [`crate::seal`].
//!
//! Memory per transfer: what one poll of the source gives, plus one segment being filled or authenticated (64 KiB for
//! single objects; for parts over 64 MB the segment grows so that a part has at most 1,024 of them).

pub(crate) mod budget;
pub(crate) mod open;
pub(crate) mod seal;
