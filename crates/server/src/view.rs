//! What the API shows of the node's life: JSON shapes, and how the node's values become them.

use headwater_node::{Counters, SessionInfo, StreamInfo};
use serde::Serialize;
use serde_json::{Value, json};

use crate::metrics::Sample;

/// A stream as anybody who may watch sees it.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct StreamView {
    pub(crate) name: String,
    pub(crate) live: bool,
    /// Names as in SDP: `VP8`, `H264`, `opus`.
    pub(crate) codecs: Vec<String>,
    pub(crate) viewers: usize,
}

impl StreamView {
    /// What somebody sees who may watch but not administer.
    pub(crate) fn public(&self) -> Value {
        json!({ "name": self.name, "live": self.live, "codecs": self.codecs, "viewers": self.viewers })
    }
}

/// One publisher or viewer, for administrators.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SessionView {
    pub(crate) id: String,
    pub(crate) stream: String,
    /// `publisher` or `viewer`.
    pub(crate) kind: &'static str,
}

impl From<StreamInfo> for StreamView {
    fn from(info: StreamInfo) -> Self {
        Self { name: info.name, live: info.live, codecs: info.codecs, viewers: info.viewers }
    }
}

impl From<SessionInfo> for SessionView {
    fn from(info: SessionInfo) -> Self {
        let kind = if info.publisher { "publisher" } else { "viewer" };
        Self { id: info.id.to_string(), stream: info.stream, kind }
    }
}

/// The node's counters for `/metrics`: by kind, never by session or stream name.
pub(crate) fn samples(counters: &Counters) -> Vec<Sample> {
    vec![
        Sample::gauge("headwater_sessions", "Sessions now.", &[("kind", "publisher")], counters.publishers),
        Sample::gauge("headwater_sessions", "Sessions now.", &[("kind", "viewer")], counters.viewers),
    ]
}
