//! Real browsers against the real server. One test at a time, each in a network of its own.

mod baseline;
mod behind_nat;
mod codecs;
mod detours;
mod driver;
mod dtls;
mod ffmpeg;
mod firefox;
mod hostile;
mod ice_peer;
mod lifecycle;
mod lip_sync;
mod media;
mod pages;
mod refusals;
mod security;
mod signalling;
mod srtp;
mod stage;
mod turn_client;
mod turn_server;
