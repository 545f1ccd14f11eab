//! The simulated network does what it says.

mod bounds;
mod caller;
mod capture;
mod links;
mod nat_kinds;
mod nats;
mod probe;
mod streams;
