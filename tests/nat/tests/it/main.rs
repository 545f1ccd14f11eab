//! Which pair of NATs connects by which candidates.

mod table;
