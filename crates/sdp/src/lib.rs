//! SDP for WebRTC: parse, write, and answer an offer as a pure function.
