//! Which pair of NATs connects by which candidates.

mod real;
mod rebind;
mod server;
mod table;
mod text;
mod together;
