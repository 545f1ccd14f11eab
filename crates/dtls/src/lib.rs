//! DTLS 1.2 (RFC 6347) for WebRTC, client and server, without IO.
