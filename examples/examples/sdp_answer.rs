//! Answers the WebRTC offer on stdin, as a server that takes (or gives) audio and video.
//!
//! ```text
//! sdp_answer [--send] < offer.sdp > answer.sdp
//! ```
//!
//! An answer is a pure function of the offer, of what we can do, and of what we say of ourselves: `answer(&offer,
//! &capabilities, &local)` (RFC 9429 §5.3). What was agreed on comes beside the text, and is printed to stderr.
//! Credentials and fingerprint here are placeholders.

use std::error::Error;
use std::io::Read;

use headwater_sdp::{Capabilities, CodecCapability, Direction, Local, MAX_SIZE, Outgoing, Session, answer};

fn main() -> Result<(), Box<dyn Error>> {
    let sends = std::env::args().any(|argument| argument == "--send");
    let mut text = String::new();
    std::io::stdin().take(MAX_SIZE as u64 + 1).read_to_string(&mut text)?;
    let offer = Session::parse(&text)?;

    let mut capabilities = Capabilities::new(if sends { Direction::SendOnly } else { Direction::RecvOnly });
    capabilities.audio = vec![CodecCapability::opus()];
    capabilities.video = ["VP8", "H264", "VP9", "AV1"].map(CodecCapability::video).to_vec();
    capabilities.video_extensions = vec!["urn:ietf:params:rtp-hdrext:sdes:mid".into()];

    let mut local = Local::new("examplefrag", "anexamplepasswordwith32characters", "sha-256 00:11:22:33");
    local.candidates = vec!["1 1 udp 2130706431 192.0.2.1 8189 typ host".into()];
    local.ice_lite = true;
    if sends {
        local.audio = vec![Outgoing::new("stream", "sound", "example", 1)];
        local.video = vec![Outgoing::new("stream", "picture", "example", 2).with_rtx(3)];
    }

    let answer = answer(&offer, &capabilities, &local)?;
    for media in &answer.media {
        let codecs: Vec<_> =
            media.codecs.iter().map(|codec| format!("{} {}", codec.payload_type, codec.name)).collect();
        let mid = media.mid.as_deref().unwrap_or("-");
        let verdict = if media.rejected { "rejected".to_owned() } else { codecs.join(", ") };
        eprintln!("{:?} (mid {mid}): {verdict}", media.kind);
    }
    print!("{}", answer.session);
    Ok(())
}
