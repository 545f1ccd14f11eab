//! One file per target.

mod ice_agent;
mod rtcp;
mod rtp_packet;
mod srtp;
mod stun_message;

pub use ice_agent::ice_agent;
pub use rtcp::rtcp;
pub use rtp_packet::rtp_packet;
pub use srtp::srtp;
pub use stun_message::stun_message;
mod rtp_receive;
pub use rtp_receive::rtp_receive;
mod payload;
pub use payload::payload;
mod dtls_wire;
pub use dtls_wire::dtls_wire;
mod dtls_connection;
pub use dtls_connection::dtls_connection;
mod sdp;
pub use sdp::sdp;
mod sfu;
pub use sfu::sfu;
mod turn;
pub use turn::turn;
