//! RTP, RTCP, header extensions and payload descriptors, without IO.
