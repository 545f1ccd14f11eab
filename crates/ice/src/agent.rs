//! The full agent: checks paths, nominates or follows, keeps consent (RFC 8445).
//!
//! One stream, one component, so one checklist. Gathering is the owner's: it adds host candidates that its
//! sockets have, server-reflexive ones that a [`Client`](headwater_stun::Client) found, relayed ones of TURN.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_stun::{Class, Datagram, Message, Method, Transmit};

use crate::answer::{self, Answer, Answers, Check, Kind};
use crate::candidate::{Candidate, CandidateKind, peer_reflexive_priority, priority};
use crate::check::{self, Outcome, Request};
use crate::consent::Consent;
use crate::credentials::Keyed;
use crate::generation::{Generation, Previous};
use crate::pair::{PairId, State};
use crate::paths::{Paths, ValidPath};
use crate::random::Random;
use crate::replay::RecentIds;
use crate::role::{Conflict, RoleState};
use crate::{CloseReason, ConfigError, Credentials, Error, Event, Path, Role};

/// Most local candidates.
const MAX_LOCAL_CANDIDATES: usize = 32;
/// Most candidates of the peer, signalled or found; one more is refused, or answered without a check of ours.
pub(crate) const MAX_REMOTE_CANDIDATES: usize = 64;
/// Most events that wait. One datagram makes at most 4.
const MAX_EVENTS: usize = 64;
const EVENTS_PER_DATAGRAM: usize = 4;
/// How long the nominated pair must be silent before another one takes its place.
const MIGRATION_SILENCE: Duration = Duration::from_secs(3);

/// What an [`Agent`] needs to know.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// Our credentials, as in our offer or answer.
    pub local: Credentials,
    /// Controlling for the side that made the first offer.
    pub role: Role,
    /// First wait for the answer to a check; doubles with each repetition. 20 ms to 10 s, default 500 ms
    /// (RFC 8445 §14.3).
    pub rto: Duration,
    /// How long to go on before [`Event::Failed`] (RFC 8863); twice that if the peer may still send candidates.
    /// 1 s to 10 min, default 39.5 s.
    pub connect_timeout: Duration,
}

impl AgentConfig {
    /// The defaults with these credentials and this role.
    #[must_use]
    pub const fn new(local: Credentials, role: Role) -> Self {
        Self { local, role, rto: Duration::from_millis(500), connect_timeout: Duration::from_millis(39_500) }
    }
}

/// A full ICE agent for one peer.
#[derive(Debug)]
pub struct Agent {
    rto: Duration,
    connect_timeout: Duration,
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
        let AgentConfig { local, role, rto, connect_timeout } = config;
        local.validate()?;
        if !(Duration::from_millis(20)..=Duration::from_secs(10)).contains(&rto) {
            return Err(ConfigError::OutOfRange("rto"));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&connect_timeout) {
            return Err(ConfigError::OutOfRange("connect_timeout"));
        }
        let mut random = Random::new(seed);
        let role = RoleState { role, tie_breaker: random.tie_breaker() };
        Ok(Self {
            rto,
            connect_timeout,
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
    /// Names and TCP candidates are taken and not used.
    ///
    /// # Errors
    /// [`Error::TooManyCandidates`] after 32, [`Error::Closed`].
    pub fn add_local_candidate(&mut self, candidate: Candidate) -> Result<(), Error> {
        self.check_open()?;
        if !candidate.is_usable() || self.local_candidates.contains(&candidate) {
            return Ok(());
        }
        if self.local_candidates.len() >= MAX_LOCAL_CANDIDATES {
            return Err(Error::TooManyCandidates);
        }
        self.current.pair_local(&candidate, self.role.role);
        self.local_candidates.push(candidate);
        Ok(())
    }

    /// Adds an address of the peer, at any time (RFC 8838).
    ///
    /// Names (mDNS), TCP candidates, other components and other generations' candidates are taken and not used.
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
                self.current.remote = Some(Keyed::new(remote));
                self.current.started = Some(self.now);
            }
        }
        Ok(())
    }

    /// The peer is a lite agent (`a=ice-lite`): we control, and nominate without waiting for better pairs.
    pub fn set_remote_is_lite(&mut self) {
        self.is_remote_lite = true;
        self.set_role(Role::Controlling);
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
            self.begin_check(id, false);
        }
        if let Some(id) = self.to_nominate() {
            self.begin_check(id, true);
        } else if let Some((id, at)) = self.migration()
            && at <= self.now
        {
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
        let nominates = self.role.role == Role::Controlling && !is_nominated;
        [
            consent.as_ref().map(Consent::poll_timeout),
            self.previous.as_ref().and_then(|it| it.consent.as_ref()).map(Consent::poll_timeout),
            remote.as_ref().and_then(|_| checklist.poll_timeout()),
            nominates.then(|| nomination.poll_timeout(checklist)).flatten(),
            self.migration().map(|(_, at)| at),
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
            valid.received = self.now;
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

    /// A check of the peer (RFC 8445 §7.3).
    fn handle_request(&mut self, now: Instant, request: &Message<'_>, path: Path) -> Result<(), Error> {
        let generation = self.authenticate(request)?;
        let check = Check::parse(request)?;
        let is_ours = |it: &Candidate| it.transport == path.transport && it.base() == Some(path.local);
        let Some(local) = self.local_candidates.iter().find(|it| is_ours(it)).cloned() else {
            return Err(Error::UnknownLocalAddress);
        };
        let is_repeated = self.recent.contains(check.transaction_id);
        if is_repeated && !self.is_validated(&path) {
            return Err(Error::Replayed);
        }
        if !self.answers.has_room() {
            return Err(Error::Overloaded);
        }

        // From here on the request is the peer's and gets its answer.
        self.now = self.now.max(now);
        let conflict = if is_repeated { Conflict::None } else { self.role.compare(&check) };
        let kind = match conflict {
            _ if !check.unknown.is_empty() => Kind::UnknownAttributes(check.unknown),
            Conflict::PeerSwitches => Kind::RoleConflict,
            Conflict::None | Conflict::WeSwitch => Kind::Success,
        };
        self.answers.push(Answer { path, transaction_id: check.transaction_id, kind, generation });
        if is_repeated {
            return Ok(());
        }
        self.recent.insert(check.transaction_id);
        if matches!(kind, Kind::Success) {
            if conflict == Conflict::WeSwitch {
                self.set_role(self.role.role.opposite());
            }
            self.note_valid(path, generation);
            if generation == self.current.number {
                self.trigger(path, &local, &check);
            }
        }
        Ok(())
    }

    /// Which generation of credentials the request is for.
    fn authenticate(&self, request: &Message<'_>) -> Result<u32, Error> {
        let Generation { local, remote, number, .. } = &self.current;
        let result = answer::authenticate(request, local, remote.as_ref().map(Keyed::ufrag));
        match (result, &self.previous) {
            (Err(Error::Unauthentic), Some(it)) => {
                answer::authenticate(request, &it.local, it.remote.as_ref().map(Keyed::ufrag))
                    .map(|()| it.number)
            }
            (result, _) => result.map(|()| *number),
        }
    }

    /// The peer checked this path: so do we, and follow its nomination (RFC 8445 §7.3.1.3 to §7.3.1.5).
    fn trigger(&mut self, path: Path, local: &Candidate, check: &Check) {
        let Self { current, role, now, .. } = self;
        let Some(id) = current.pair_for_check(path, local, check.priority, role.role) else { return };
        current.checklist.trigger(id, *now);
        if role.role == Role::Controlled && check.use_candidate {
            let Some(pair) = current.checklist.get_mut(id) else { return };
            pair.is_nominated_by_peer = true;
            if pair.is_valid() {
                self.follow_nomination(id);
            }
        }
    }

    /// The response to a check or to consent (RFC 8445 §7.2.5).
    fn handle_response(&mut self, now: Instant, response: &Message<'_>, path: Path) -> Result<(), Error> {
        let id = response.transaction_id();
        let Generation { checklist, remote, consent, number, .. } = &self.current;
        if let (Some(pair), Some(remote)) = (checklist.by_transaction(id), remote) {
            let outcome = check::read_response(response, remote, pair.path, path)?;
            let pair = pair.id;
            self.now = self.now.max(now);
            self.handle_outcome(pair, path, outcome);
            return Ok(());
        }
        let old = self.previous.as_ref();
        let of_current = consent.as_ref().zip(remote.as_ref()).map(|it| (it, *number));
        let of_previous = old.and_then(|it| it.consent.as_ref().zip(it.remote.as_ref()).zip(Some(it.number)));
        let consents = [of_current, of_previous].into_iter().flatten();
        let Some(((consent, remote), number)) = consents.into_iter().find(|it| it.0.0.expects(id)) else {
            return Err(Error::Unexpected);
        };
        if !matches!(check::read_response(response, remote, consent.path(), path)?, Outcome::Success(_)) {
            return Err(Error::Unexpected);
        }
        self.now = self.now.max(now);
        self.note_valid(path, number);
        let previous = self.previous.as_mut().and_then(|it| it.consent.as_mut());
        let consents = [self.current.consent.as_mut(), previous].into_iter().flatten();
        consents.filter(|it| it.expects(id)).for_each(|it| it.handle_response(self.now));
        Ok(())
    }

    fn handle_outcome(&mut self, id: PairId, path: Path, outcome: Outcome) {
        let Some(pair) = self.current.checklist.get_mut(id) else { return };
        let Some((role, use_candidate)) = pair.transaction().map(|it| (it.role, it.use_candidate)) else {
            return;
        };
        match outcome {
            Outcome::Success(mapped) => {
                pair.round_trip =
                    pair.transaction().and_then(|it| it.round_trip(self.now)).or(pair.round_trip);
                pair.state = State::Succeeded { at: self.now, nominating: None };
                let (foundation, is_nominated_by_peer) = (pair.foundation, pair.is_nominated_by_peer);
                self.current.checklist.thaw(foundation);
                self.current.nomination.note_valid(self.now);
                self.note_valid(path, self.current.number);
                self.learn_local(mapped, path);
                match self.role.role {
                    Role::Controlling if use_candidate => self.nominate(id),
                    Role::Controlled if is_nominated_by_peer => self.follow_nomination(id),
                    _ => self.prefer(id),
                }
            }
            Outcome::RoleConflict => {
                pair.state = State::Waiting;
                self.current.checklist.trigger(id, self.now);
                // RFC 8445 §7.2.5.1. A late answer to a check made in the role before changes nothing.
                if role == self.role.role && !self.is_remote_lite {
                    self.set_role(role.opposite());
                    self.role.tie_breaker = self.random.tie_breaker();
                }
            }
            Outcome::Refused => {
                pair.state = State::Failed;
                self.forget_failed(id);
            }
        }
    }

    /// Something authenticated came along `path`.
    fn note_valid(&mut self, path: Path, generation: u32) {
        let now = self.now;
        if let Some(valid) = self.paths.get_mut(&path) {
            (valid.checked, valid.received, valid.generation) = (now, now, generation);
            return;
        }
        let valid = ValidPath { path, generation, checked: now, received: now };
        if let Some(evicted) = self.paths.insert(valid, self.selected) {
            self.events.push_back(Event::Removed(evicted));
        }
        self.events.push_back(Event::Validated(path));
    }

    /// The peer saw us at `mapped`: if that's new it is a peer-reflexive candidate (RFC 8445 §7.2.5.3.1).
    fn learn_local(&mut self, mapped: std::net::SocketAddr, path: Path) {
        let is_known = self.local_candidates.iter().any(|it| it.socket_addr() == Some(mapped));
        if !is_known && self.local_candidates.len() < MAX_LOCAL_CANDIDATES {
            let candidate = Candidate::peer_reflexive(mapped, path.local);
            self.local_candidates.push(candidate.clone());
            self.events.push_back(Event::LocalCandidate(candidate));
        }
    }

    fn set_role(&mut self, role: Role) {
        if role != self.role.role {
            self.role.switch();
            self.current.checklist.sort(role);
        }
    }

    fn begin_check(&mut self, id: PairId, use_candidate: bool) {
        let transaction = self.random.transaction_id();
        self.current.begin_check(id, transaction, self.role.role, use_candidate, self.rto, self.now);
    }

    /// The pair to nominate now, if that is our part.
    fn to_nominate(&self) -> Option<PairId> {
        if self.role.role != Role::Controlling || self.current.remote.is_none() {
            return None;
        }
        if !self.current.is_nominated {
            return self.current.nomination.choose(&self.current.checklist, self.now, self.is_remote_lite);
        }
        self.migration().filter(|(_, at)| *at <= self.now).map(|(id, _)| id)
    }

    /// The valid pair to move to, and when, if the nominated one stays silent: the peer has a new address.
    fn migration(&self) -> Option<(PairId, Instant)> {
        let Generation { checklist, is_nominated, .. } = &self.current;
        if !is_nominated || crate::nomination::is_nominating(checklist) {
            return None;
        }
        let selected = self.paths.get(&self.selected?)?;
        let newer = self.paths.iter().filter(|it| it.checked > selected.received);
        let valid = newer.filter_map(|it| {
            let id = checklist.by_path(&it.path)?;
            checklist.get(id).filter(|pair| pair.is_valid()).map(|_| (id, it.checked))
        });
        valid.max_by_key(|it| it.1).map(|(id, _)| (id, selected.received + MIGRATION_SILENCE))
    }

    /// Before a nomination the best valid pair carries media.
    fn prefer(&mut self, id: PairId) {
        let best = self.current.checklist.pairs().iter().find(|it| it.is_valid()).map(|it| it.id);
        if !self.current.is_nominated && best == Some(id) {
            self.select(id);
        }
    }

    /// The peer nominates. A peer of RFC 5245 nominates aggressively, many pairs in turn: then the best of them
    /// counts. One that moves (renomination) is followed when the selected pair has fallen silent.
    fn follow_nomination(&mut self, id: PairId) {
        let role = self.role.role;
        let priority_of = |it: PairId| self.current.checklist.get(it).map(|it| it.priority(role));
        let selected = self.selected.and_then(|it| self.current.checklist.by_path(&it));
        let is_better = selected.is_none_or(|it| priority_of(it) < priority_of(id));
        let received = self.selected.and_then(|it| self.paths.get(&it)).map(|it| it.received);
        let is_silent = received.is_none_or(|it| self.now >= it + MIGRATION_SILENCE);
        if !self.current.is_nominated || is_better || is_silent {
            self.nominate(id);
        }
    }

    fn nominate(&mut self, id: PairId) {
        self.current.is_nominated = true;
        self.select(id);
        self.current.checklist.complete();
    }

    fn select(&mut self, id: PairId) {
        let Some(path) = self.current.checklist.get(id).map(|it| it.path) else { return };
        if self.selected != Some(path) {
            self.selected = Some(path);
            self.events.push_back(Event::PathSelected(path));
        }
        // A path that was consented to keeps its timers; after a restart consent needs the new credentials.
        if self.current.consent.as_ref().is_none_or(|it| it.path() != path) {
            self.current.consent = Some(Consent::new(self.now, path, &mut self.random));
        }
        self.previous = None;
    }

    /// A pair failed: before a nomination the next best carries media.
    fn forget_failed(&mut self, id: PairId) {
        let failed = self.current.checklist.get(id).map(|it| it.path);
        if failed != self.selected || self.current.is_nominated {
            return;
        }
        let best = self.current.checklist.pairs().iter().find(|it| it.is_valid()).map(|it| it.id);
        if let Some(best) = best {
            self.select(best);
        }
    }

    fn watch_consent(&mut self) {
        let Self { current, previous, random, now, .. } = self;
        let previous = previous.as_mut().and_then(|it| it.consent.as_mut());
        let in_use = current.consent.as_mut().or(previous);
        let Some(consent) = in_use else { return };
        if consent.is_expired(*now) {
            self.end(CloseReason::ConsentExpired);
        } else {
            consent.handle_timeout(*now, random);
        }
    }

    /// When to give up connecting, unless a check is still open then.
    fn fails_at(&self) -> Option<Instant> {
        let Generation { has_failed, is_remote_complete, started, .. } = self.current;
        if has_failed || self.current.has_valid() {
            return None;
        }
        started.map(|it| it + self.connect_timeout * if is_remote_complete { 1 } else { 2 })
    }

    fn poll_answer(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let Self { answers, current, previous, .. } = self;
        let credentials = |number: u32| match previous.as_ref() {
            _ if number == current.number => Some(&current.local),
            Some(it) if it.number == number => Some(&it.local),
            _ => None,
        };
        answers.poll_transmit(credentials, buf)
    }

    fn poll_consent(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let role = self.role;
        let priority = peer_reflexive_priority(priority(CandidateKind::Host, u16::MAX));
        if let Generation { consent: Some(consent), local, remote: Some(remote), .. } = &mut self.current
            && let Some(id) = consent.take_due()
        {
            let request = Request { local, remote, role, priority };
            return Some(request.write(consent.path(), id, false, buf));
        }
        let Previous { consent: Some(consent), local, remote: Some(remote), .. } = self.previous.as_mut()?
        else {
            return None;
        };
        let id = consent.take_due()?;
        Some(Request { local, remote, role, priority }.write(consent.path(), id, false, buf))
    }

    fn poll_check(&mut self, buf: &mut Vec<u8>) -> Option<Transmit> {
        let Generation { checklist, local, remote: Some(remote), .. } = &mut self.current else {
            return None;
        };
        let pair = checklist.take_due()?;
        let check = pair.transaction()?;
        let priority = peer_reflexive_priority(pair.local_priority);
        let request = Request { local, remote, role: self.role, priority };
        Some(request.write(pair.path, check.id, check.use_candidate, buf))
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
