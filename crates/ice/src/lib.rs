//! ICE (RFC 8445) agents, full and lite, without IO.
