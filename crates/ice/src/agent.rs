//! The full agent: checks paths, nominates or follows, keeps consent (RFC 8445).
//!
//! One stream, one component, so one checklist. Gathering is the owner's: it adds host candidates that its
//! sockets have, server-reflexive ones that a [`Client`](headwater_stun::Client) found, relayed ones of TURN.
//! So are TCP connections (RFC 6544): the agent says where to open one, and is told when one ends.
//!
//! Its rooms: what comes in as a request ([`incoming`]) or a response ([`response`]), which pair is nominated and
//! carries media ([`selection`]), when that is silent ([`silence`]), what goes out ([`outgoing`]), TCP connections
//! ([`connection`]), and addresses that go away ([`removal`]).

mod config;
mod connection;
mod incoming;
mod outgoing;
mod removal;
mod response;
mod selection;
mod silence;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_stun::{Class, Datagram, Method, Transmit};

pub use self::config::AgentConfig;
use crate::answer::{self, Answers};
use crate::candidate::{Candidate, CandidateKind};
use crate::consent::Consent;
use crate::credentials::Keyed;
use crate::generation::{Generation, Previous};
use crate::nomination::NominationMode;
use crate::paths::Paths;
use crate::random::Random;
use crate::replay::RecentIds;
use crate::role::RoleState;
use crate::{CloseReason, ConfigError, Credentials, Error, Event, Path, Role};

/// Most local candidates that the owner adds.
const MAX_LOCAL_CANDIDATES: usize = 32;
/// Most addresses of ours that peers have seen and that are kept beside them: a peer may tell of any number.
const MAX_FOUND_CANDIDATES: usize = 16;
/// Most candidates of the peer, signalled or found; one more is refused, or answered without a check of ours.
pub(crate) const MAX_REMOTE_CANDIDATES: usize = 64;
/// Most events that wait when a datagram is taken. One datagram makes at most 4, and tells of connections that a
/// nomination makes needless; commands and time add few, each of which happens once to a pair.
const MAX_EVENTS: usize = 64;
const EVENTS_PER_DATAGRAM: usize = 4;

/// A full ICE agent for one peer.
#[derive(Debug)]
pub struct Agent {
    rto: Duration,
    connect_timeout: Duration,
    nomination: NominationMode,
    /// We have said that we renominate, and the peer has.
    renomination: (bool, bool),
    now: Instant,
    random: Random,
    role: RoleState,
    is_remote_lite: bool,
    local_candidates: Vec<Candidate>,
    /// The peer's addresses, and what came from them.
    paths: Paths,
    recent: RecentIds,
    /// What a restart replaces.
    current: Generation,
    /// What a restart has replaced, until the new generation has a path.
    previous: Option<Previous>,
    selected: Option<Path>,
    answers: Answers,
    events: VecDeque<Event>,
    is_closed: bool,
}

impl Agent {
    /// An agent without candidates. `seed` makes transaction ids; it must be secret and fresh.
    ///
    /// # Errors
    /// [`ConfigError`] if credentials break RFC 8839 §5.4 or a time is out of range.
    pub fn new(config: AgentConfig, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        config.validate()?;
        let AgentConfig { local, role, nomination, renomination, rto, connect_timeout } = config;
        let mut random = Random::new(seed);
        let role = RoleState { role, tie_breaker: random.tie_breaker() };
        Ok(Self {
            rto,
            connect_timeout,
            nomination,
            renomination: (renomination, false),
            now,
            random,
            role,
            is_remote_lite: false,
            local_candidates: Vec::new(),
            paths: Paths::default(),
            recent: RecentIds::default(),
            current: Generation::new(Keyed::new(local), 0, now),
            previous: None,
            selected: None,
            answers: Answers::default(),
            events: VecDeque::new(),
            is_closed: false,
        })
    }

    /// Adds an address of ours. It pairs with the candidates that the peer has and will have.
    ///
    /// An active TCP candidate ([`Candidate::with_tcp`]) makes [`Event::Connect`] for each passive one of the peer; a
    /// passive one waits for connections that the owner accepts. Names and `so` candidates are taken and not used.
    ///
    /// # Errors
    /// [`Error::TooManyCandidates`] after 32, [`Error::Closed`].
    pub fn add_local_candidate(&mut self, candidate: Candidate) -> Result<(), Error> {
        self.check_open()?;
        if !candidate.is_usable() || self.local_candidates.contains(&candidate) {
            return Ok(());
        }
        if self.local_candidates.len() - self.found_candidates() >= MAX_LOCAL_CANDIDATES {
            return Err(Error::TooManyCandidates);
        }
        self.current.pair_local(&candidate, self.role.role);
        self.local_candidates.push(candidate);
        Ok(())
    }

    /// Adds an address of the peer, at any time (RFC 8838).
    ///
    /// Names (mDNS), TCP candidates that don't wait for connections, other components and other generations' candidates
    /// are taken and not used.
    ///
    /// # Errors
    /// [`Error::TooManyCandidates`] after 64, [`Error::Closed`].
    pub fn add_remote_candidate(&mut self, candidate: Candidate) -> Result<(), Error> {
        self.check_open()?;
        self.current.add_remote(candidate, &self.local_candidates, self.role.role).map(|_| ())
    }

    /// The peer has said that no more candidates come; without it failure takes twice as long.
    pub fn end_of_remote_candidates(&mut self) {
        self.current.is_remote_complete = true;
    }

    /// Sets the peer's credentials; checks begin.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] if they break RFC 8839 §5.4, [`Error::Unexpected`] if other ones are set:
    /// new ones of the peer are a restart, which needs new ones of ours too. [`Error::Closed`].
    pub fn set_remote_credentials(&mut self, remote: Credentials) -> Result<(), Error> {
        self.check_open()?;
        remote.validate().map_err(Error::InvalidCredentials)?;
        match &self.current.remote {
            Some(it) if it.credentials == remote => {}
            Some(_) => return Err(Error::Unexpected),
            None => {
                let is_seen = |it: &Path| self.paths.get(it).is_some();
                self.current.set_remote(Keyed::new(remote), self.now, is_seen);
            }
        }
        Ok(())
    }

    /// The peer is a lite agent (`a=ice-lite`): we control, and nominate without waiting for better pairs.
    pub fn set_remote_is_lite(&mut self) {
        self.is_remote_lite = true;
        self.set_role(Role::Controlling);
    }

    /// The peer's description has `a=ice-options:renomination`: if ours has it too ([`AgentConfig::renomination`]),
    /// nominations are numbered and the highest number counts (draft-thatcher-ice-renomination-01).
    pub const fn set_remote_renominates(&mut self) {
        self.renomination.1 = true;
    }

    /// Takes a STUN datagram.
    ///
    /// # Errors
    /// - [`Error::Malformed`], [`Error::Unauthentic`], [`Error::Replayed`]: a stranger, or damage; no answer;
    /// - [`Error::Unexpected`]: not Binding, or a response to nothing;
    /// - [`Error::UnknownLocalAddress`]: no local candidate was added with that address;
    /// - [`Error::Overloaded`]: poll answers and events first;
    /// - [`Error::Closed`].
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Error> {
        self.check_open()?;
        let message = answer::parse(datagram.contents)?;
        if message.method() != Method::BINDING {
            return Err(Error::Unexpected);
        }
        if self.events.len() + EVENTS_PER_DATAGRAM > MAX_EVENTS {
            return Err(Error::Overloaded);
        }
        let path = Path::new(datagram.transport, datagram.local, datagram.remote);
        match message.class() {
            Class::Request => self.handle_request(now, &message, path),
            // A keepalive (RFC 8445 §11): it proves nothing and changes nothing.
            Class::Indication => Ok(()),
            Class::Success | Class::Error => self.handle_response(now, &message, path),
        }
    }

    /// Begins, repeats and gives up checks, nominates, keeps consent.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if self.is_closed {
            return;
        }
        self.watch_consent();
        while let Some(id) = self.current.checklist.handle_timeout(self.now) {
            self.forget_failed(id);
        }
        if self.current.remote.is_some()
            && let Some(id) = self.current.checklist.take_next(self.now)
        {
            self.begin(id);
        }
        let successor = self.doubt();
        if let Some(id) = self.to_nominate(successor) {
            let nominating = self.next_nomination();
            self.begin_check(id, nominating);
        } else if let Some(id) = successor {
            // We are controlled, and the peer that was rebound by a NAT doesn't know that it should nominate.
            self.select(id);
        }
        while let Some(path) = self.paths.remove_expired(self.now, self.selected) {
            self.events.push_back(Event::Removed(path));
        }
        if self.fails_at().is_some_and(|at| at <= self.now) && !self.current.has_hope() {
            self.current.has_failed = true;
            self.events.push_back(Event::Failed);
        }
    }

    /// Appends the next datagram to `buf`: answers first, since the peer waits; then consent; then checks.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        self.handle_timeout(now);
        self.poll_answer(buf).or_else(|| self.poll_consent(buf)).or_else(|| self.poll_check(buf))
    }

    /// What happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_closed {
            return None;
        }
        let Generation { checklist, remote, consent, nomination, is_nominated, .. } = &self.current;
        let nominates = self.role.role == Role::Controlling && !is_nominated && remote.is_some();
        [
            consent.as_ref().map(Consent::poll_timeout),
            self.previous.as_ref().and_then(|it| it.consent.as_ref()).map(Consent::poll_timeout),
            remote.as_ref().and_then(|_| checklist.poll_timeout()),
            nominates.then(|| nomination.poll_timeout(checklist, self.haste())).flatten(),
            self.next_doubt().map(|(_, at)| at),
            // Later than that the checks that are still open decide.
            self.fails_at().filter(|at| *at > self.now || !self.current.has_hope()),
            self.paths.poll_timeout(self.selected),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Notes that authenticated media or DTLS arrived on `path`. HOT.
    ///
    /// It tells a silent path from a busy one; consent comes from responses only (RFC 7675 §5.1).
    pub fn note_received(&mut self, now: Instant, path: &Path) {
        if let Some(valid) = self.paths.get_mut(path) {
            self.now = self.now.max(now);
            valid.note_received(self.now);
        }
    }

    /// Takes new credentials and forgets the peer's, and its candidates (RFC 8445 §9).
    ///
    /// The peer's new ones follow by [`set_remote_credentials`](Self::set_remote_credentials) and
    /// [`add_remote_candidate`](Self::add_remote_candidate). Until then, and until a check with them succeeds, the
    /// old credentials answer and media and consent stay on the old path. Local candidates are kept.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] if they break RFC 8839 §5.4, [`Error::Closed`].
    pub fn restart(&mut self, now: Instant, local: Credentials) -> Result<(), Error> {
        self.check_open()?;
        local.validate().map_err(Error::InvalidCredentials)?;
        self.now = self.now.max(now);
        let next = Generation::new(Keyed::new(local), self.current.number.wrapping_add(1), self.now);
        let old = std::mem::replace(&mut self.current, next);
        // What was still being tried is not tried any longer.
        let connections = old.checklist.connections();
        let needless = connections.filter(|it| self.paths.get(it).is_none()).map(Event::Removed);
        self.events.extend(needless);
        // After two restarts in a row without a path between them the oldest generation is the one in use.
        if self.previous.is_none() {
            self.previous = Some(Previous::from(old));
        }
        Ok(())
    }

    /// Ends it: nothing is sent or taken any more.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    /// The path that carries media: the best valid one, then the nominated one.
    #[must_use]
    pub const fn selected_path(&self) -> Option<Path> {
        self.selected
    }

    /// How long the answer to a check took along the selected path. `None` if no check was answered that was sent once
    /// only: of two sendings nobody knows which was answered.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        let checklist = &self.current.checklist;
        checklist.by_path(&self.selected?).and_then(|id| checklist.get(id))?.round_trip
    }

    /// Whether the selected path was nominated, by us or by the peer.
    #[must_use]
    pub const fn is_nominated(&self) -> bool {
        self.current.is_nominated
    }

    /// Whether an authenticated check, or the answer to one, came along `path`. HOT.
    #[must_use]
    pub fn is_validated(&self, path: &Path) -> bool {
        self.paths.get(path).is_some()
    }

    /// The part we play; a conflict can change it.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role.role
    }

    /// Our credentials.
    #[must_use]
    pub const fn local_credentials(&self) -> &Credentials {
        &self.current.local.credentials
    }

    /// The peer's credentials, if known.
    #[must_use]
    pub fn remote_credentials(&self) -> Option<&Credentials> {
        self.current.remote.as_ref().map(|it| &it.credentials)
    }

    /// Our candidates, those that peers found included.
    #[must_use]
    pub fn local_candidates(&self) -> &[Candidate] {
        &self.local_candidates
    }

    const fn check_open(&self) -> Result<(), Error> {
        if self.is_closed { Err(Error::Closed) } else { Ok(()) }
    }

    /// How many addresses of ours were learnt from peers.
    fn found_candidates(&self) -> usize {
        self.local_candidates.iter().filter(|it| it.kind == CandidateKind::PeerReflexive).count()
    }

    fn end(&mut self, reason: CloseReason) {
        if self.is_closed {
            return;
        }
        self.is_closed = true;
        self.selected = None;
        self.previous = None;
        self.paths.clear();
        self.answers.clear();
        self.events.push_back(Event::Closed { reason });
    }
}
