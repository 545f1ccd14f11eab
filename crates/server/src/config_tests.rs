//! Settings: precedence, refusals.
