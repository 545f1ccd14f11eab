//! The pairs to check: formed, pruned, ordered, and paced (RFC 8445 §6.1.2, §6.1.4).

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use headwater_stun::TransactionId;

use crate::candidate::{Candidate, CandidateKind, DISCARD_PORT, MAX_PRIORITY, TcpType};
use crate::check::{Nominating, Transaction};
use crate::pair::{CandidatePair, PairId, State};
use crate::{Path, Role};

/// RFC 8445 §6.1.2.5: the recommended most pairs. The worst one that is not valid makes room.
const MAX_PAIRS: usize = 100;
/// Most connections that are being opened at once: a peer may name 64 addresses that swallow what is sent there.
const MAX_CONNECTING: usize = 8;
/// How long a connection may take to open: as long as a check over it may wait for its answer.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(39_500);
/// How long a pair without an answer holds back the others of its foundation. RFC 8445 §6.1.4.2 lets them wait until it
/// has failed, which takes 39.5 s where a firewall lets one port of a host through and swallows what is for another.
const HOLD: Duration = Duration::from_millis(500);
/// RFC 8445 §14.2: one new check each 50 ms.
pub(crate) const TA: Duration = Duration::from_millis(50);

/// All pairs of one generation of credentials.
#[derive(Debug)]
pub(crate) struct Checklist {
    /// Best first.
    pairs: Vec<CandidatePair>,
    /// Pairs that the peer's checks ask us to check, in that order (§6.1.4.1).
    triggered: VecDeque<PairId>,
    /// When the next new check may go out.
    next_check: Instant,
    next_id: u32,
}

impl Checklist {
    pub(crate) fn new(now: Instant) -> Self {
        Self { pairs: Vec::new(), triggered: VecDeque::new(), next_check: now, next_id: 0 }
    }

    /// Pairs a local with a remote candidate, unless they don't fit or the path is there already (§6.1.2.2, §6.1.2.4).
    pub(crate) fn add(&mut self, local: &Candidate, remote: &Candidate, role: Role) -> Option<PairId> {
        // RFC 6544 §6.2: only the active side of a TCP pair has it in its checklist. Both opening at once is left out:
        // few systems let one do it, and no browser offers it.
        let fits = match (local.tcp_type, remote.tcp_type) {
            (None, None) => local.transport == remote.transport,
            (Some(TcpType::Active), Some(TcpType::Passive)) => true,
            _ => false,
        };
        let mut path = Path::new(local.transport, local.base()?, remote.socket_addr()?);
        if local.tcp_type == Some(TcpType::Active) {
            path.local.set_port(DISCARD_PORT);
        }
        if !fits {
            return None;
        }
        if let Some(pair) = self.pairs.iter_mut().find(|it| it.to_connect.unwrap_or(it.path) == path) {
            // §6.1.2.4: of two pairs with one base the better one stays, and candidates come in any order.
            let priority = local.priority.min(MAX_PRIORITY);
            let is_better = priority > pair.local_priority;
            if is_better && matches!(pair.state, State::Frozen | State::Waiting) {
                pair.local_priority = priority;
                self.sort(role);
            }
            return None;
        }
        self.insert(path, local, remote, role)
    }

    /// A new pair for a path that no pair has.
    pub(crate) fn insert(
        &mut self,
        path: Path,
        local: &Candidate,
        remote: &Candidate,
        role: Role,
    ) -> Option<PairId> {
        if !is_reachable(&path) {
            return None;
        }
        let id = PairId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let mut hasher = DefaultHasher::new();
        (&local.foundation, &remote.foundation).hash(&mut hasher);
        let foundation = hasher.finish();
        // §6.1.2.6: the first pair of a foundation may be checked, the others learn from its success.
        let is_first = !self.pairs.iter().any(|it| it.foundation == foundation && it.is_open());
        let is_active = local.tcp_type == Some(TcpType::Active) && path.local.port() == DISCARD_PORT;
        self.pairs.push(CandidatePair {
            id,
            path,
            local_priority: local.priority.min(MAX_PRIORITY),
            remote_priority: remote.priority.min(MAX_PRIORITY),
            foundation,
            state: if is_first { State::Waiting } else { State::Frozen },
            nominated_by_peer: Nominating::No,
            to_connect: is_active.then_some(path),
            round_trip: None,
            is_relayed: [local, remote].iter().any(|it| it.kind == CandidateKind::Relayed),
        });
        self.sort(role);
        if self.pairs.len() > MAX_PAIRS {
            let is_idle = |it: &CandidatePair| !it.is_valid() && !it.has_connection();
            let worst = self.pairs.iter().rposition(is_idle).unwrap_or(MAX_PAIRS);
            let removed = self.pairs.remove(worst).id;
            self.triggered.retain(|it| *it != removed);
            return (removed != id).then_some(id);
        }
        Some(id)
    }

    /// Orders again: priorities depend on the role.
    pub(crate) fn sort(&mut self, role: Role) {
        self.pairs.sort_by_key(|it| std::cmp::Reverse(it.priority(role)));
    }

    /// A remote candidate that checks had found was signalled: what was guessed of it becomes what the peer says.
    pub(crate) fn learn(&mut self, remote: &Candidate, role: Role) {
        let address = remote.socket_addr();
        let is_of = |it: &CandidatePair| {
            it.path.candidate_transport() == remote.transport && Some(it.path.remote) == address
        };
        for pair in self.pairs.iter_mut().filter(|it| is_of(it)) {
            pair.remote_priority = remote.priority.min(MAX_PRIORITY);
            pair.is_relayed |= remote.kind == CandidateKind::Relayed;
        }
        self.sort(role);
    }

    pub(crate) fn pairs(&self) -> &[CandidatePair] {
        &self.pairs
    }

    pub(crate) fn get(&self, id: PairId) -> Option<&CandidatePair> {
        self.pairs.iter().find(|it| it.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: PairId) -> Option<&mut CandidatePair> {
        self.pairs.iter_mut().find(|it| it.id == id)
    }

    pub(crate) fn by_path(&self, path: &Path) -> Option<PairId> {
        self.pairs.iter().find(|it| it.path == *path).map(|it| it.id)
    }

    pub(crate) fn by_transaction(&self, id: TransactionId) -> Option<&CandidatePair> {
        self.pairs.iter().find(|it| it.transaction().is_some_and(|it| it.id == id))
    }

    /// The peer's check came along this pair: check it soon (§7.3.1.4).
    pub(crate) fn trigger(&mut self, id: PairId, now: Instant) {
        let Some(pair) = self.get_mut(id) else { return };
        match &mut pair.state {
            State::Succeeded { .. } => return,
            // The RFC starts a second check beside the first; repeating the first at once serves the same end.
            State::InProgress(check) => return check.hurry(now),
            // The check follows when the connection is there.
            State::Connecting(_) => return,
            State::Frozen | State::Waiting | State::Failed => pair.state = State::Waiting,
        }
        if !self.triggered.contains(&id) {
            self.triggered.push_back(id);
        }
    }

    /// When another new check may go out.
    pub(crate) const fn paced(&self) -> Instant {
        self.next_check
    }

    /// One goes out now.
    pub(crate) fn pace(&mut self, now: Instant) {
        self.next_check = now + TA;
    }

    /// Takes the pair to check now, if Ta has passed: a triggered one, else the best that waits (§6.1.4.2).
    pub(crate) fn take_next(&mut self, now: Instant) -> Option<PairId> {
        if now < self.next_check {
            return None;
        }
        let id = loop {
            match self.triggered.pop_front() {
                Some(id) if self.get(id).is_some_and(|it| self.is_ready(it)) => break id,
                Some(_) => {}
                None => break self.next_ordinary(now)?,
            }
        };
        self.pace(now);
        Some(id)
    }

    fn next_ordinary(&self, now: Instant) -> Option<PairId> {
        let waiting = self.pairs.iter().find(|it| self.is_ready(it));
        let thawed = || self.pairs.iter().find(|it| self.thaws_at(it).is_some_and(|at| at <= now));
        waiting.or_else(thawed).map(|it| it.id)
    }

    /// Whether it waits, and may open a connection if it needs one.
    fn is_ready(&self, pair: &CandidatePair) -> bool {
        matches!(pair.state, State::Waiting) && self.may_connect(pair)
    }

    fn may_connect(&self, pair: &CandidatePair) -> bool {
        let connecting = self.pairs.iter().filter(|it| matches!(it.state, State::Connecting(_)));
        !pair.needs_connection() || connecting.count() < MAX_CONNECTING
    }

    /// §6.1.4.2: a frozen pair may go when no other of its foundation waits or has lately begun. `None`: not before
    /// something else happens.
    fn thaws_at(&self, pair: &CandidatePair) -> Option<Instant> {
        if !matches!(pair.state, State::Frozen) || !self.may_connect(pair) {
            return None;
        }
        let mut at = self.next_check;
        for other in self.pairs.iter().filter(|it| it.foundation == pair.foundation) {
            match &other.state {
                State::Waiting => return None,
                State::InProgress(check) => at = at.max(check.begun() + HOLD),
                State::Connecting(since) => at = at.max(*since + HOLD),
                _ => {}
            }
        }
        Some(at)
    }

    /// §7.2.5.3.3: success of one pair frees the others of its foundation.
    pub(crate) fn thaw(&mut self, foundation: u64) {
        let frozen = self.pairs.iter_mut().filter(|it| it.foundation == foundation);
        frozen.filter(|it| matches!(it.state, State::Frozen)).for_each(|it| it.state = State::Waiting);
    }

    /// §8.1.2: with a nominated pair, what was not begun is dropped, and what is under way ends with it. Better pairs stay
    /// that the peer has nominated too: it does so with each check (RFC 5245), and settles on the best that succeeds.
    /// Returns the paths of connections that nobody needs any more.
    pub(crate) fn complete(&mut self, nominated: PairId) -> Vec<Path> {
        let mut is_better = true;
        self.drop_open(|it| {
            is_better &= it.id != nominated;
            is_better && it.nominated_by_peer == Nominating::Plain
        })
    }

    /// RFC 5245 §8.1.2, aggressive nomination: with a nominated pair only better ones are still worth checking.
    pub(crate) fn drop_worse_than(&mut self, nominated: PairId) -> Vec<Path> {
        let mut is_better = true;
        self.drop_open(|it| {
            is_better &= it.id != nominated;
            is_better
        })
    }

    /// Removes these pairs, whatever their state, and returns them.
    pub(crate) fn remove(&mut self, is_gone: impl Fn(&CandidatePair) -> bool) -> Vec<CandidatePair> {
        let removed = self.pairs.extract_if(.., |it| is_gone(it)).collect();
        self.triggered.retain(|id| self.pairs.iter().any(|it| it.id == *id));
        removed
    }

    /// Drops what is neither valid nor to be kept. `keeps` sees all pairs, best first.
    fn drop_open(&mut self, mut keeps: impl FnMut(&CandidatePair) -> bool) -> Vec<Path> {
        let dropped = self.pairs.extract_if(.., |it| !keeps(it) && !it.is_valid());
        let connections = dropped.filter(CandidatePair::has_connection).map(|it| it.path).collect();
        self.triggered.retain(|id| self.pairs.iter().any(|it| it.id == *id));
        connections
    }

    /// The paths of all connections that are open or being opened.
    pub(crate) fn connections(&self) -> impl Iterator<Item = Path> {
        self.pairs.iter().filter(|it| it.has_connection()).map(|it| it.path)
    }

    /// Marks checks that are due, and returns a pair whose check or connection was just given up.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<PairId> {
        let given_up = |it: &mut CandidatePair| match it.state {
            State::Connecting(since) => since + CONNECT_TIMEOUT <= now,
            _ => it.transaction_mut().is_some_and(|it| !it.handle_timeout(now)),
        };
        let pair = self.pairs.iter_mut().find_map(|it| given_up(it).then_some(it))?;
        pair.state = State::Failed;
        Some(pair.id)
    }

    /// The best pair with a check to write now.
    pub(crate) fn take_due(&mut self) -> Option<&CandidatePair> {
        let is_due = |it: &mut CandidatePair| it.transaction_mut().is_some_and(Transaction::take_due);
        let index = self.pairs.iter_mut().position(is_due)?;
        self.pairs.get(index)
    }

    /// When [`handle_timeout`](Self::handle_timeout) or [`take_next`](Self::take_next) has something to do.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let mut triggered = self.triggered.iter().filter_map(|id| self.get(*id));
        let is_ready = triggered.any(|it| self.is_ready(it)) || self.pairs.iter().any(|it| self.is_ready(it));
        let thaw = || self.pairs.iter().filter_map(|it| self.thaws_at(it)).min();
        let next = if is_ready { Some(self.next_check) } else { thaw() };
        let pairs = self.pairs.iter().filter_map(|it| match it.state {
            State::Connecting(since) => Some(since + CONNECT_TIMEOUT),
            _ => it.transaction().map(Transaction::poll_timeout),
        });
        pairs.chain(next).min()
    }

    /// RFC 8445 §14.3: the more pairs are under way, the longer each may wait.
    pub(crate) fn rto(&self, least: Duration) -> Duration {
        let open = self.pairs.iter().filter(|it| matches!(it.state, State::Waiting | State::InProgress(_)));
        let open = u32::try_from(open.count()).unwrap_or(u32::MAX);
        least.max(TA.saturating_mul(open))
    }
}

/// RFC 8445 §6.1.2.2: same family; a link-local IPv6 address only with another. And one host, not a whole network.
fn is_reachable(path: &Path) -> bool {
    use std::net::SocketAddr::{V4, V6};
    let ip = path.remote.ip();
    if ip.is_unspecified() || ip.is_multicast() || ip == std::net::Ipv4Addr::BROADCAST {
        return false;
    }
    match (path.local, path.remote) {
        (V4(_), V4(_)) => path.remote.port() != 0,
        (V6(local), V6(remote)) => {
            remote.port() != 0 && local.ip().is_unicast_link_local() == remote.ip().is_unicast_link_local()
        }
        _ => false,
    }
}
