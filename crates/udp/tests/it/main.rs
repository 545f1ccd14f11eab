//! What the kernel makes of bursts, on loopback: every driver sends the same datagrams.

mod bursts;
mod drops;
