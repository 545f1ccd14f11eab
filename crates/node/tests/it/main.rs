//! Behaviour of a node on real sockets of this machine: what depends on threads, ports and the kernel.

mod client;
mod detours;
mod drivers;
mod hostile;
mod life;
mod ways;
mod workers;
