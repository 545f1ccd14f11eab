//! TCP as far as agents need it, on a network that carries datagrams: connections that open, are refused and end, and
//! bytes framed by RFC 4571. A segment is a datagram, so links of these tests neither lose nor reorder.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use headwater_ice::Path;
use headwater_ice::framing::{Deframer, frame};
use headwater_stun::Transport;

const OPEN: &[u8] = b"open";
const OPENED: &[u8] = b"opened";
const REFUSED: &[u8] = b"refused";
const ENDED: &[u8] = b"ended";
/// What a stream's segment begins with.
const DATA: u8 = b'#';

/// What came of a segment.
pub(crate) enum Arrived {
    /// Of UDP, or nothing to tell.
    Nothing,
    Opened {
        asked: Path,
        local: SocketAddr,
    },
    Closed(Path),
    Frames(Path, Vec<Vec<u8>>),
}

/// One host's connections.
#[derive(Default)]
pub(crate) struct Stack {
    listening: BTreeSet<SocketAddr>,
    /// Ports that connections of ours may have.
    pub(crate) free: VecDeque<SocketAddr>,
    opening: BTreeMap<(SocketAddr, SocketAddr), Path>,
    open: BTreeMap<(SocketAddr, SocketAddr), Deframer>,
    out: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Frames sent, to count repetitions.
    pub(crate) sent: Vec<(SocketAddr, Vec<u8>)>,
}

impl Stack {
    pub(crate) fn listen(&mut self, address: SocketAddr) {
        self.listening.insert(address);
    }

    pub(crate) fn connections(&self) -> Vec<Path> {
        self.open.keys().map(|it| Path::new(Transport::Tcp, it.0, it.1)).collect()
    }

    pub(crate) fn opening(&self) -> usize {
        self.opening.len()
    }

    /// `Event::Connect`.
    pub(crate) fn connect(&mut self, asked: Path) {
        assert_eq!((asked.transport, asked.local.port()), (Transport::Tcp, 9));
        let is_fitting = |it: &SocketAddr| it.ip() == asked.local.ip();
        let index = self.free.iter().position(is_fitting).expect("the test gave enough ports");
        let local = self.free.remove(index).expect("found");
        self.opening.insert((local, asked.remote), asked);
        self.out.push_back((local, asked.remote, OPEN.to_vec()));
    }

    /// Ends a connection, or gives up opening one.
    pub(crate) fn close(&mut self, path: Path) {
        self.opening.retain(|_, it| *it != path);
        if self.open.remove(&(path.local, path.remote)).is_some() {
            self.out.push_back((path.local, path.remote, ENDED.to_vec()));
        }
    }

    /// An agent's datagram.
    pub(crate) fn send(&mut self, local: SocketAddr, remote: SocketAddr, payload: &[u8]) {
        assert!(self.open.contains_key(&(local, remote)), "no connection from {local} to {remote}");
        self.sent.push((remote, payload.to_vec()));
        let mut framed = Vec::new();
        frame(payload, &mut framed).expect("short");
        // In two segments, cut within the length or behind it.
        let (head, tail) = framed.split_at(1 + payload.len() % 3);
        for part in [head, tail] {
            let mut segment = vec![DATA];
            segment.extend_from_slice(part);
            self.out.push_back((local, remote, segment));
        }
    }

    pub(crate) fn next(&mut self) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        self.out.pop_front()
    }

    /// `None`: not TCP.
    pub(crate) fn receive(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        segment: &[u8],
    ) -> Option<Arrived> {
        let ends = (local, remote);
        let path = Path::new(Transport::Tcp, local, remote);
        Some(match segment {
            OPEN if self.listening.contains(&local) => {
                self.open.insert(ends, Deframer::new());
                self.out.push_back((local, remote, OPENED.to_vec()));
                Arrived::Nothing
            }
            OPEN => {
                self.out.push_back((local, remote, REFUSED.to_vec()));
                Arrived::Nothing
            }
            OPENED => match self.opening.remove(&ends) {
                Some(asked) => {
                    self.open.insert(ends, Deframer::new());
                    Arrived::Opened { asked, local }
                }
                None => {
                    self.out.push_back((local, remote, ENDED.to_vec()));
                    Arrived::Nothing
                }
            },
            REFUSED => self.opening.remove(&ends).map_or(Arrived::Nothing, Arrived::Closed),
            ENDED => self.open.remove(&ends).map_or(Arrived::Nothing, |_| Arrived::Closed(path)),
            [DATA, bytes @ ..] => {
                let Some(deframer) = self.open.get_mut(&ends) else { return Some(Arrived::Nothing) };
                let (mut bytes, mut frames) = (bytes, Vec::new());
                while let Some(frame) = deframer.next_frame(&mut bytes) {
                    frames.push(frame.to_vec());
                }
                Arrived::Frames(path, frames)
            }
            _ => return None,
        })
    }
}
