//! The router against a made-up media node.
