//! STUN (RFC 8489) messages, transactions and Binding answers, without IO.
