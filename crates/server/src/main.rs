//! The `headwater` server.
fn main() {}
