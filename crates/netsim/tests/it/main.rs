//! The simulated network does what it says.

mod bounds;
mod caller;
mod capture;
mod links;
mod nats;
mod probe;
mod streams;
