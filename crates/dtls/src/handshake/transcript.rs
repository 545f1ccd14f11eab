//! The hash over all handshake messages.
//!
//! The versions see a message differently: DTLS 1.2 (RFC 6347 §4.2.6) hashes it with its whole header, as if it had
//! come in one fragment; DTLS 1.3 (RFC 9147 §5.2) with type and length alone, as TLS does. Which of the two, and which
//! hash, is known only when the hellos have been read.

use super::{Fragment, HEADER_LEN};
use crate::crypto::hash::{Output, RunningHash, SuiteHash};
use crate::event::Version;
use crate::message::HandshakeType;
use crate::wire::put_u24;

pub(crate) struct Transcript {
    state: State,
}

enum State {
    /// The messages so far; there are only hellos.
    Undecided(Vec<(HandshakeType, u16, Vec<u8>)>),
    Decided {
        version: Version,
        hash: SuiteHash,
        // Boxed: it goes when the handshake is done, and is the largest part of a connection.
        running: Box<RunningHash>,
        /// DTLS 1.2: all of it, for as long as a CertificateVerify may have to be made or checked (the crypto backend
        /// hashes what it signs by itself).
        bytes: Option<Vec<u8>>,
    },
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self { state: State::Undecided(Vec::new()) }
    }

    pub(crate) fn add(&mut self, kind: HandshakeType, message_seq: u16, body: &[u8]) {
        match &mut self.state {
            State::Undecided(messages) => messages.push((kind, message_seq, body.to_vec())),
            State::Decided { version, running, bytes, .. } => {
                let mut header = Vec::with_capacity(HEADER_LEN);
                emit_header(*version, kind, message_seq, body.len(), &mut header);
                running.update(&header);
                running.update(body);
                if let Some(bytes) = bytes {
                    bytes.extend_from_slice(&header);
                    bytes.extend_from_slice(body);
                }
            }
        }
    }

    /// The hellos have said what the hash is.
    pub(crate) fn decide(&mut self, version: Version, hash: SuiteHash) {
        let State::Undecided(messages) = &mut self.state else { return };
        let messages = std::mem::take(messages);
        let bytes = (version == Version::Dtls12).then(Vec::new);
        let running = Box::new(RunningHash::new(hash));
        self.state = State::Decided { version, hash, running, bytes };
        for (kind, message_seq, body) in messages {
            self.add(kind, message_seq, &body);
        }
    }

    /// After a HelloRetryRequest the first hello is represented by its hash (RFC 8446 §4.4.1). Call it when the hello is
    /// all there is.
    pub(crate) fn fold(&mut self) {
        let State::Decided { hash, running, .. } = &mut self.state else { return };
        let first = (**running).clone().finish();
        **running = RunningHash::new(*hash);
        self.add(HandshakeType::MESSAGE_HASH, 0, &first);
    }

    /// Begins behind a HelloRetryRequest with this body, to a hello of which only the hash is known (RFC 8446 §4.4.1).
    pub(crate) fn resume(&mut self, hash: SuiteHash, first: &[u8], request: &[u8]) {
        self.decide(Version::Dtls13, hash);
        self.add(HandshakeType::MESSAGE_HASH, 0, first);
        self.add(HandshakeType::SERVER_HELLO, 0, request);
    }

    /// The hash so far; [`Self::decide`] came before.
    pub(crate) fn hash(&self) -> Output {
        match &self.state {
            State::Decided { running, .. } => (**running).clone().finish(),
            State::Undecided(_) => unreachable!("nobody asks before the hellos are answered"),
        }
    }

    /// Nothing was added.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        matches!(&self.state, State::Undecided(messages) if messages.is_empty())
    }

    /// Hands out the bytes so far (DTLS 1.2), and keeps none from now on.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        match &mut self.state {
            State::Decided { bytes, .. } => bytes.take().unwrap_or_default(),
            State::Undecided(_) => Vec::new(),
        }
    }
}

fn emit_header(version: Version, kind: HandshakeType, message_seq: u16, len: usize, out: &mut Vec<u8>) {
    match version {
        Version::Dtls12 => Fragment::emit_header(kind, len, message_seq, 0, len, out),
        Version::Dtls13 => {
            out.push(kind.0);
            put_u24(out, len as u32);
        }
    }
}
