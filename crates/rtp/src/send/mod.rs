//! Machines of the sending side.

mod report;

pub use report::SenderStats;
