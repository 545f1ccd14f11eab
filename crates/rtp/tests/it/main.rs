//! One test binary for the crate (house.md section 9).

mod packets;
