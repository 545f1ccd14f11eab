//! The lite agent: answers checks, learns the path, watches consent (RFC 8445 §2.5).
//!
//! It never asks: a server with a public address needs no checks of its own, and no candidate of its peer.
//!
//! Which path carries media:
//! - before a nomination the first that passed a check, so that DTLS can begin at once;
//! - then the one of the latest USE-CANDIDATE (Chrome nominates with nearly every check, for the whole session,
//!   and moves by nominating another pair), or of the highest number where renomination was agreed on;
//! - and one with an authenticated check after the selected one has fallen silent (Firefox's consent checks
//!   nominate nothing, so after a NAT rebind its new address would never be nominated). Silent is a path 3 s after the end
//!   of a stream, and 7 s after the last sign where only consent comes, every 4 to 6 s: a quiet session stays where it is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use headwater_stun::{Class, Datagram, Message, Method, Transmit};

use crate::answer::{self, Answer, Answers, Check, Kind};
use crate::check::Nominating;
use crate::credentials::Keyed;
use crate::nomination;
use crate::paths::{Paths, ValidPath};
use crate::replay::RecentIds;
use crate::{CloseReason, ConfigError, Credentials, Error, Event, Path};

/// RFC 7675 §5.1: consent ends this long after the last sign of it.
const CONSENT_EXPIRY: Duration = Duration::from_secs(30);
/// Most events that wait. One datagram makes at most 3.
const MAX_EVENTS: usize = 64;
const EVENTS_PER_DATAGRAM: usize = 3;

/// What a [`LiteAgent`] needs to know.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct LiteConfig {
    /// Our credentials, as in our answer.
    pub local: Credentials,
    /// The peer's, if known. Without them any sender's ufrag is taken; our password protects all the same.
    pub remote: Option<Credentials>,
    /// Whether offer and answer both have `a=ice-options:renomination`: of numbered nominations the highest counts
    /// (draft-thatcher-ice-renomination-01). `false` by default.
    pub renomination: bool,
    /// How long to wait for the first check before [`Event::Failed`]. 1 s to 10 min, default 30 s.
    pub connect_timeout: Duration,
}

impl LiteConfig {
    /// The defaults with these credentials.
    #[must_use]
    pub const fn new(local: Credentials, remote: Option<Credentials>) -> Self {
        Self { local, remote, renomination: false, connect_timeout: CONSENT_EXPIRY }
    }
}

/// An ICE-lite agent for one peer: one stream, one component.
#[derive(Debug)]
pub struct LiteAgent {
    now: Instant,
    local: Keyed,
    remote: Option<Credentials>,
    /// The credentials before a restart; they answer until the first check with the new ones.
    previous: Option<Box<Previous>>,
    /// Counts restarts.
    generation: u32,
    paths: Paths,
    recent: RecentIds,
    selected: Option<Path>,
    renomination: bool,
    /// The highest number nominated with since the last restart.
    nominated_number: u32,
    /// Until when the peer must show a sign of life.
    deadline: Deadline,
    answers: Answers,
    events: VecDeque<Event>,
}

/// Credentials that a restart has replaced.
#[derive(Debug)]
struct Previous {
    local: Keyed,
    remote: Option<Credentials>,
    generation: u32,
}

/// What the agent waits for, and until when.
#[derive(Clone, Copy, Debug)]
enum Deadline {
    /// For the first check.
    Connect(Instant),
    /// That was in vain; a check may still come.
    Failed,
    /// For anything authenticated.
    Consent(Instant),
    /// For nothing any more.
    Closed,
}

impl LiteAgent {
    /// An agent that waits for checks.
    ///
    /// A lite agent makes no random choice; the seed is there because each machine has one.
    ///
    /// # Errors
    /// [`ConfigError`] if credentials break RFC 8839 §5.4 or the timeout is out of range.
    pub fn new(config: LiteConfig, _seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        let LiteConfig { local, remote, renomination, connect_timeout } = config;
        local.validate()?;
        remote.as_ref().map(Credentials::validate).transpose()?;
        if !(Duration::from_secs(1)..=Duration::from_secs(600)).contains(&connect_timeout) {
            return Err(ConfigError::OutOfRange("connect_timeout"));
        }
        Ok(Self {
            now,
            local: Keyed::new(local),
            remote,
            previous: None,
            generation: 0,
            paths: Paths::default(),
            recent: RecentIds::default(),
            selected: None,
            renomination,
            nominated_number: 0,
            deadline: Deadline::Connect(now + connect_timeout),
            answers: Answers::default(),
            events: VecDeque::new(),
        })
    }

    /// Takes a STUN datagram.
    ///
    /// # Errors
    /// - [`Error::Malformed`], [`Error::Unauthentic`], [`Error::Replayed`]: a stranger, or damage; no answer;
    /// - [`Error::Unexpected`]: a response, or another method than Binding;
    /// - [`Error::Overloaded`]: poll answers and events first;
    /// - [`Error::Closed`].
    pub fn handle_datagram(&mut self, now: Instant, datagram: Datagram<'_>) -> Result<(), Error> {
        if matches!(self.deadline, Deadline::Closed) {
            return Err(Error::Closed);
        }
        let message = answer::parse(datagram.contents)?;
        match (message.method(), message.class()) {
            (Method::BINDING, Class::Request) => {}
            // A keepalive (RFC 8445 §11): it proves nothing and changes nothing.
            (Method::BINDING, Class::Indication) => return Ok(()),
            _ => return Err(Error::Unexpected),
        }
        let generation = self.authenticate(&message)?;
        let check = Check::parse(&message)?;
        let path = Path::new(datagram.transport, datagram.local, datagram.remote);
        let is_repeated = self.recent.contains(check.transaction_id);
        if is_repeated && !self.is_validated(&path) {
            return Err(Error::Replayed);
        }
        if !self.answers.has_room() || self.events.len() + EVENTS_PER_DATAGRAM > MAX_EVENTS {
            return Err(Error::Overloaded);
        }

        // From here on the request is the peer's and gets its answer.
        self.now = self.now.max(now);
        let kind = if !check.unknown.is_empty() {
            Kind::UnknownAttributes(check.unknown)
        } else if check.controlled.is_some() {
            // RFC 8445 §7.3.1.1 would compare tie-breakers; a lite agent can't take the controlling role, so the
            // peer must (§6.1.1).
            Kind::RoleConflict
        } else {
            Kind::Success
        };
        self.answers.push(Answer { path, transaction_id: check.transaction_id, kind, generation });
        if !is_repeated {
            self.recent.insert(check.transaction_id);
            if matches!(kind, Kind::Success) {
                self.handle_check(path, generation, &check);
            }
        }
        Ok(())
    }

    /// Forgets silent paths, moves away from a silent one, notices that the peer is gone.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        match self.deadline {
            Deadline::Connect(at) if at <= self.now => {
                self.deadline = Deadline::Failed;
                self.events.push_back(Event::Failed);
            }
            Deadline::Consent(at) if at <= self.now => self.end(CloseReason::ConsentExpired),
            _ => {}
        }
        while let Some(path) = self.paths.remove_expired(self.now, self.selected) {
            self.events.push_back(Event::Removed(path));
        }
        if let Some((path, at)) = self.migration()
            && at <= self.now
        {
            self.select(path);
        }
    }

    /// Appends the next answer to `buf`.
    #[must_use]
    pub fn poll_transmit(&mut self, _now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let (local, previous, generation) = (&self.local, &self.previous, self.generation);
        let credentials = |it: u32| match previous {
            _ if it == generation => Some(local),
            Some(previous) if it == previous.generation => Some(&previous.local),
            _ => None,
        };
        self.answers.poll_transmit(credentials, buf)
    }

    /// What happened.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if event.is_some() && self.events.is_empty() {
            // Once connected there are none for hours.
            self.events = VecDeque::new();
        }
        event
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = match self.deadline {
            Deadline::Connect(at) | Deadline::Consent(at) => Some(at),
            Deadline::Failed | Deadline::Closed => None,
        };
        let migration = self.migration().map(|(_, at)| at);
        [deadline, migration, self.paths.poll_timeout(self.selected)].into_iter().flatten().min()
    }

    /// Notes that authenticated media or DTLS arrived on `path`. HOT.
    ///
    /// It keeps a validated path alive; it never selects or validates one.
    pub fn note_received(&mut self, now: Instant, path: &Path) {
        if let Some(valid) = self.paths.get_mut(path) {
            self.now = self.now.max(now);
            valid.note_received(self.now);
            if let Deadline::Consent(at) = &mut self.deadline {
                *at = self.now + CONSENT_EXPIRY;
            }
        }
    }

    /// Forgets a path whose connection has ended (ICE-TCP), or whose relay has.
    ///
    /// If it carried media, the one with the latest check takes its place; if there is none, nothing is selected
    /// until the peer comes back with a check, for as long as consent lasts.
    pub fn path_closed(&mut self, now: Instant, path: &Path) {
        self.now = self.now.max(now);
        self.answers.forget(|it| it == path);
        if self.paths.remove(path).is_none() {
            return;
        }
        self.events.push_back(Event::Removed(*path));
        if self.selected == Some(*path) {
            self.selected = None;
            let latest = self.paths.iter().max_by_key(|it| (it.generation, it.checked)).map(|it| it.path);
            if let Some(latest) = latest {
                self.select(latest);
            }
        }
    }

    /// Changes credentials on both sides (RFC 8445 §9).
    ///
    /// The old ones keep answering, and media stays on the old path, until the first check with the new ones:
    /// its path is then selected, and nomination begins anew.
    pub fn restart(&mut self, now: Instant, local: Credentials, remote: Credentials) {
        if matches!(self.deadline, Deadline::Closed) {
            return;
        }
        self.now = self.now.max(now);
        let local = std::mem::replace(&mut self.local, Keyed::new(local));
        let remote = self.remote.replace(remote);
        // After two restarts in a row without a check between them the oldest credentials are the ones in use.
        let generation = self.generation;
        self.previous.get_or_insert_with(|| Box::new(Previous { local, remote, generation }));
        self.generation = self.generation.wrapping_add(1);
    }

    /// Ends it: nothing is sent or taken any more.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    /// The path that carries media: see [`LiteAgent`]'s rules at the top of its file.
    #[must_use]
    pub const fn selected_path(&self) -> Option<Path> {
        self.selected
    }

    /// Whether an authenticated check came along `path`. HOT.
    #[must_use]
    pub fn is_validated(&self, path: &Path) -> bool {
        self.paths.get(path).is_some()
    }

    /// Our credentials.
    #[must_use]
    pub const fn local_credentials(&self) -> &Credentials {
        &self.local.credentials
    }

    /// The peer's credentials, if known.
    #[must_use]
    pub const fn remote_credentials(&self) -> Option<&Credentials> {
        self.remote.as_ref()
    }

    /// Whether nominations may be numbered ([`LiteConfig::renomination`]).
    #[must_use]
    pub const fn renominates(&self) -> bool {
        self.renomination
    }

    /// Whether checks with this user fragment of ours are answered: the present one, and the one before a restart until
    /// the restart is done.
    #[must_use]
    pub fn answers_to(&self, ufrag: &str) -> bool {
        let previous = self.previous.iter().map(|it| &it.local);
        previous.chain([&self.local]).any(|it| it.ufrag() == ufrag)
    }

    /// Which generation of credentials the request is for.
    fn authenticate(&self, request: &Message<'_>) -> Result<u32, Error> {
        match (authenticate_for(request, &self.local, self.remote.as_ref()), &self.previous) {
            (Ok(()), _) => Ok(self.generation),
            (Err(Error::Unauthentic), Some(it)) => {
                authenticate_for(request, &it.local, it.remote.as_ref()).map(|()| it.generation)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// An authentic check that gets a success response.
    fn handle_check(&mut self, path: Path, generation: u32, check: &Check) {
        let ends_restart = generation == self.generation && self.previous.take().is_some();
        if ends_restart {
            self.nominated_number = 0;
        }
        let nominating = nomination::read(check, self.renomination, &mut self.nominated_number);
        let now = self.now;
        if let Some(valid) = self.paths.get_mut(&path) {
            valid.note_received(now);
            (valid.checked, valid.generation) = (now, generation);
        } else {
            let valid = ValidPath::new(path, generation, now);
            if let Some(evicted) = self.paths.insert(valid, self.selected) {
                self.events.push_back(Event::Removed(evicted));
            }
            self.events.push_back(Event::Validated(path));
        }
        self.deadline = Deadline::Consent(now + CONSENT_EXPIRY);

        let moves = match self.selected {
            None => true,
            Some(selected) if selected == path => false,
            Some(_) if nominating != Nominating::No => true,
            Some(_) => ends_restart || self.migration().is_some_and(|(_, at)| at <= now),
        };
        if moves {
            self.select(path);
        }
    }

    /// The path to which media moves, and when, if the selected one stays silent: the last one with a check
    /// that is newer than anything from the selected one.
    fn migration(&self) -> Option<(Path, Instant)> {
        let selected = self.paths.get(&self.selected?)?;
        let newer = self.paths.iter().filter(|it| it.checked > selected.received);
        newer.max_by_key(|it| it.checked).map(|it| (it.path, selected.silent_at()))
    }

    fn select(&mut self, path: Path) {
        self.selected = Some(path);
        self.events.push_back(Event::PathSelected(path));
    }

    fn end(&mut self, reason: CloseReason) {
        if matches!(self.deadline, Deadline::Closed) {
            return;
        }
        self.deadline = Deadline::Closed;
        self.selected = None;
        self.previous = None;
        self.paths.clear();
        self.answers.clear();
        self.events.push_back(Event::Closed { reason });
    }
}

fn authenticate_for(request: &Message<'_>, local: &Keyed, remote: Option<&Credentials>) -> Result<(), Error> {
    answer::authenticate(request, local, remote.map(|it| &*it.ufrag))
}
