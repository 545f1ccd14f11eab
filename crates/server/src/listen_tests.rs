//! The accept loop on real sockets.
