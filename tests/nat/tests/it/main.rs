//! Which pair of NATs connects by which candidates.

mod rebind;
mod server;
mod table;
mod text;
mod together;
