//! STUN against the RFCs' vectors, real browsers, loss, and arbitrary bytes.

mod captures;
mod client;
mod corpus;
mod long_term;
mod messages;
mod properties;
mod servers;
mod vectors;
