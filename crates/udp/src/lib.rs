//! Batched UDP sockets for media.
