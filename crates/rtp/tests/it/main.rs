//! One test binary for the crate (house.md section 9).

mod captures;
mod corpora;
mod extensions;
mod machines;
mod packets;
mod payloads;
mod properties;
mod rtcp;
mod times;
mod transport_cc;
