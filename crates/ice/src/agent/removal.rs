//! Addresses of ours that go away: an interface that went down, an allocation that ended (RFC 8445 §5.1.1).

use std::time::Instant;

use headwater_stun::Transport;

use super::Agent;
use crate::candidate::{Candidate, DISCARD_PORT, TcpType};
use crate::pair::CandidatePair;
use crate::{Error, Event, Path};

impl Agent {
    /// Takes back a local candidate, known by kind, transport, address and direction; the rest of it is not compared.
    ///
    /// One that datagrams leave from (a host or a relayed one) takes those along that peers and servers saw for it. Their
    /// pairs go, valid or not; [`Event::Removed`] tells of each path that was validated, and of TCP connections that
    /// nobody needs now. If media went there, the best other valid pair takes its place at once
    /// ([`Event::PathSelected`]), is nominated if that is our part, and the peer hears of it by a check. If none is valid,
    /// nothing is selected until one is, for as long as consent lasts. A reflexive candidate whose base is still there
    /// takes nothing along: its pairs are those of the base.
    ///
    /// Signalling has no way to take a candidate back from the peer; its checks to it fail in time. To bring an address
    /// back, add it again.
    ///
    /// # Errors
    /// [`Error::Unexpected`] if there is no such candidate, [`Error::Closed`].
    pub fn remove_local_candidate(&mut self, now: Instant, candidate: &Candidate) -> Result<(), Error> {
        self.check_open()?;
        let is_it = |it: &Candidate| {
            (it.kind, it.transport, it.tcp_type, &it.address)
                == (candidate.kind, candidate.transport, candidate.tcp_type, &candidate.address)
        };
        let index = self.local_candidates.iter().position(is_it).ok_or(Error::Unexpected)?;
        self.now = self.now.max(now);
        let candidate = self.local_candidates.remove(index);
        if candidate.socket_addr() == candidate.base() {
            self.local_candidates.retain(|it| !it.shares_base(&candidate));
        }

        let locals = &self.local_candidates;
        let is_gone = |path: &Path, asked: Option<&Path>| {
            candidate.is_left_by(path, asked) && !locals.iter().any(|it| it.is_left_by(path, asked))
        };
        self.answers.forget(|it| is_gone(it, None));
        let removed = self.current.checklist.remove(|it| is_gone(&it.path, it.to_connect.as_ref()));
        // Paths without a pair too: of a generation before, or of a peer with too many candidates.
        let others = self.paths.iter().map(|it| it.path);
        let mut gone: Vec<Path> =
            others.filter(|it| self.current.checklist.by_path(it).is_none() && is_gone(it, None)).collect();
        let connections = removed.iter().filter(|it| it.has_connection()).map(|it| it.path);
        let validated = removed.iter().map(|it| it.path).filter(|it| self.paths.get(it).is_some());
        gone.extend(connections.chain(validated));
        gone.sort_unstable();
        gone.dedup();
        for path in &gone {
            self.paths.remove(path);
            self.events.push_back(Event::Removed(*path));
        }
        for path in gone.into_iter().chain(removed.iter().map(|it: &CandidatePair| it.path)) {
            self.lose(path);
        }
        Ok(())
    }
}

impl Candidate {
    /// Whether both leave from one address. Connections have ports of their own.
    fn shares_base(&self, other: &Self) -> bool {
        let is_same = |(ours, theirs): (std::net::SocketAddr, std::net::SocketAddr)| {
            ours == theirs || (self.tcp_type == Some(TcpType::Active) && ours.ip() == theirs.ip())
        };
        (self.transport, self.tcp_type) == (other.transport, other.tcp_type)
            && self.base().zip(other.base()).is_some_and(is_same)
    }

    /// Whether datagrams along `path` leave from it; `asked` is the path that a connection of ours was asked for.
    fn is_left_by(&self, path: &Path, asked: Option<&Path>) -> bool {
        let Some(mut base) = self.base().filter(|_| self.transport == path.candidate_transport()) else {
            return false;
        };
        match (self.transport, self.tcp_type, asked) {
            (Transport::Tcp, Some(TcpType::Active), Some(asked)) => {
                base.set_port(DISCARD_PORT);
                asked.local == base
            }
            (Transport::Tcp, Some(TcpType::Active), None) => base.ip() == path.local.ip(),
            (_, _, Some(_)) => false,
            _ => base == path.local,
        }
    }
}
