//! What runs by the clock, one file a job.

pub mod announcements;
pub mod completing;
pub mod purge;
