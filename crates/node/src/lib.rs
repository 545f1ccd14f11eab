//! The media loop: the forwarding unit on real sockets and threads.
