#![doc = include_str!("../README.md")]

pub mod browser;
pub mod ffmpeg;
pub mod http;
pub mod isolation;
pub mod namespace;
pub mod process;
pub mod rig;
pub mod server;
pub mod tools;
pub mod web;

mod error;

pub use browser::{Browser, Options, Page};
pub use error::{Error, Result};
pub use isolation::{isolated, isolated_once};
pub use rig::{Rig, Summary};
pub use server::Server;
