//! The simulated network does what it says.

mod bounds;
mod capture;
mod links;
mod nats;
mod probe;
