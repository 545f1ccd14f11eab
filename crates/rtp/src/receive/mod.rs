//! Machines of the receiving side, one for each stream or transport.

mod nack;
mod statistics;
mod transport_cc;

pub use nack::{Arrival, MAX_MISSING, NackGenerator};
pub use statistics::Statistics;
pub use transport_cc::TransportCcRecorder;
