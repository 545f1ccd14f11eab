//! Real browsers against the real server. One test at a time, each in a network of its own.

mod baseline;
