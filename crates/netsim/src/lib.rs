//! A simulated network for tests: links with delay, loss and reordering, NATs, and jumping time.
