//! DTLS clients: one association each, found by the two addresses.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::{Certificate, Config, Connection, Event, Role};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use slab::Slab;

/// Clients of one worker that have not sent our cookie back, at some 3 KiB each. Beyond, the oldest one is given up: anybody can
/// say hello in anybody's name.
const MOST_HELLOS: usize = 4_000;
/// Those that have, and are not connected yet. Beyond, the oldest one is given up.
const MOST_HANDSHAKES: usize = 1_000;
/// How long one may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// First bytes of DTLS records (RFC 7983 §7).
const RECORDS: std::ops::RangeInclusive<u8> = 20..=63;
/// First byte of a record of a handshake.
const HANDSHAKE: u8 = 22;

/// Our address and the client's.
pub(crate) type Path = (SocketAddr, SocketAddr);

/// One client.
struct Association {
    path: Path,
    dtls: Connection,
    stage: Stage,
    /// Since when it has had no allocation.
    bare_since: Instant,
    heard: Instant,
}

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It may be anybody.
    Hello,
    /// It gets what is sent to its address.
    Handshake,
    Connected,
}

/// Those at one stage.
struct Unfinished {
    stage: Stage,
    most: usize,
    count: usize,
    /// Oldest first; some have since gone on or ended.
    paths: VecDeque<Path>,
}

impl Unfinished {
    const fn new(stage: Stage, most: usize) -> Self {
        Self { stage, most, count: 0, paths: VecDeque::new() }
    }

    fn add(&mut self, path: Path) {
        self.paths.push_back(path);
        self.count += 1;
    }
}

/// All DTLS clients of one worker.
pub(crate) struct Associations {
    /// `None`: the certificate is not one for DTLS, and no association is begun.
    config: Option<Arc<Config>>,
    rng: ChaCha20Rng,
    most: usize,
    all: Slab<Association>,
    by_path: HashMap<Path, usize>,
    hellos: Unfinished,
    handshakes: Unfinished,
}

impl Associations {
    pub(crate) fn new(certificate: Option<Certificate>, rng: ChaCha20Rng, most: usize) -> Self {
        let mut associations = Self {
            config: None,
            rng,
            most,
            all: Slab::new(),
            by_path: HashMap::new(),
            hellos: Unfinished::new(Stage::Hello, MOST_HELLOS),
            handshakes: Unfinished::new(Stage::Handshake, MOST_HANDSHAKES),
        };
        associations.set_certificate(certificate);
        associations
    }

    /// What associations are begun with from here on; those that there are keep theirs.
    pub(crate) fn set_certificate(&mut self, certificate: Option<Certificate>) {
        self.config = certificate.map(|certificate| {
            let mut config = Config::new(certificate);
            // Clients are known by their credentials inside.
            config.danger_accept_any_certificate = true;
            config.require_cookie = true;
            config.srtp_profiles = Vec::new();
            config.handshake_timeout = HANDSHAKE_TIMEOUT;
            Arc::new(config)
        });
    }

    pub(crate) const fn is_record(first: u8) -> bool {
        *RECORDS.start() <= first && first <= *RECORDS.end()
    }

    pub(crate) fn has(&self, path: Path) -> bool {
        !self.all.is_empty() && self.by_path.contains_key(&path)
    }

    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Takes records of a client; `each` gets what they carry. What is to be sent comes by [`poll`](Self::poll). Returns
    /// whether the association is there afterwards, and `None` if there never was one.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        path: Path,
        records: &[u8],
        mut each: impl FnMut(Vec<u8>),
    ) -> Option<bool> {
        let index = match self.by_path.get(&path) {
            Some(index) => *index,
            None => self.begin(now, path, records)?,
        };
        let association = &mut self.all[index];
        if association.dtls.handle_datagram(now, records).is_ok() {
            association.heard = now;
        }
        if association.stage == Stage::Hello && association.dtls.has_taken_hello() {
            self.make_room(Stage::Handshake);
            self.leave_stage(index);
            self.all[index].stage = Stage::Handshake;
            self.handshakes.add(path);
        }
        let mut is_open = true;
        while let Some(event) = self.all[index].dtls.poll_event() {
            match event {
                Event::Connected(_) => {
                    self.leave_stage(index);
                    let association = &mut self.all[index];
                    association.stage = Stage::Connected;
                    association.bare_since = now;
                }
                Event::Data(data) => each(data),
                _ => is_open = false,
            }
        }
        Some(is_open)
    }

    fn begin(&mut self, now: Instant, path: Path, records: &[u8]) -> Option<usize> {
        if records.first() != Some(&HANDSHAKE) || self.all.len() >= self.most {
            return None;
        }
        let config = Arc::clone(self.config.as_ref()?);
        self.make_room(Stage::Hello);
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        let dtls = Connection::new(config, Role::Server, Vec::new(), seed, now).ok()?;
        let index =
            self.all.insert(Association { path, dtls, stage: Stage::Hello, bare_since: now, heard: now });
        self.by_path.insert(path, index);
        self.hellos.add(path);
        Some(index)
    }

    /// Those at this stage, unless it is the last.
    const fn unfinished(&mut self, stage: Stage) -> Option<&mut Unfinished> {
        match stage {
            Stage::Hello => Some(&mut self.hellos),
            Stage::Handshake => Some(&mut self.handshakes),
            Stage::Connected => None,
        }
    }

    /// Has the oldest give way if there are as many as may be.
    fn make_room(&mut self, stage: Stage) {
        while let Some(unfinished) = self.unfinished(stage)
            && (unfinished.count >= unfinished.most || unfinished.paths.len() >= 2 * unfinished.most)
            && let Some(oldest) = unfinished.paths.pop_front()
        {
            if self.is_at(oldest, stage) {
                self.remove(oldest);
            }
        }
    }

    fn is_at(&self, path: Path, stage: Stage) -> bool {
        self.by_path.get(&path).is_some_and(|index| self.all[*index].stage == stage)
    }

    /// It goes on, or ends.
    fn leave_stage(&mut self, index: usize) {
        let stage = self.all[index].stage;
        if let Some(unfinished) = self.unfinished(stage) {
            unfinished.count -= 1;
        }
    }

    /// Appends the next datagram for a client to `buf` and returns its length.
    pub(crate) fn poll(&mut self, now: Instant, path: Path, buf: &mut Vec<u8>) -> Option<usize> {
        let index = *self.by_path.get(&path)?;
        self.all[index].dtls.poll_transmit(now, buf).map(|transmit| transmit.len)
    }

    /// Replaces the message at the end of `buf`, from `start` on, by a record that carries it. Returns whether there is one.
    pub(crate) fn seal(&mut self, now: Instant, path: Path, buf: &mut Vec<u8>, start: usize) -> bool {
        let Some(index) = self.by_path.get(&path) else { return false };
        let dtls = &mut self.all[*index].dtls;
        let sent = dtls.send(&buf[start..]).is_ok();
        buf.truncate(start);
        sent && dtls.poll_transmit(now, buf).is_some()
    }

    /// Forgets a client.
    pub(crate) fn remove(&mut self, path: Path) {
        if let Some(index) = self.by_path.remove(&path) {
            self.leave_stage(index);
            self.all.remove(index);
        }
    }

    /// Is anything under way that has timers of its own? A hello is answered once and waits.
    pub(crate) const fn has_handshakes(&self) -> bool {
        self.handshakes.count > 0
    }

    /// Lets time pass, for those that are being made or for all. Returns those that have something to send, and those that
    /// have ended.
    pub(crate) fn handle_timeout(&mut self, now: Instant, all: bool) -> (Vec<Path>, Vec<Path>) {
        let (mut talking, mut ended) = (Vec::new(), Vec::new());
        if all {
            for (_, association) in &mut self.all {
                association.handle_timeout(now, &mut talking, &mut ended);
            }
            let Self { all, by_path, hellos, handshakes, .. } = self;
            for unfinished in [hellos, handshakes] {
                let is_there = |index: &usize| all[*index].stage == unfinished.stage;
                unfinished.paths.retain(|path| by_path.get(path).is_some_and(is_there));
            }
        } else {
            for path in &self.handshakes.paths {
                if let Some(index) = self.by_path.get(path) {
                    self.all[*index].handle_timeout(now, &mut talking, &mut ended);
                }
            }
        }
        (talking, ended)
    }

    /// Those that have been silent, or without an allocation, for too long.
    pub(crate) fn stale(
        &mut self,
        now: Instant,
        setup: Duration,
        idle: Duration,
        has_allocation: impl Fn(Path) -> bool,
    ) -> Vec<Path> {
        let mut stale = Vec::new();
        for (_, association) in &mut self.all {
            if association.stage == Stage::Connected && has_allocation(association.path) {
                association.bare_since = now;
            }
            let age = |since| now.saturating_duration_since(since);
            if age(association.bare_since) >= setup || age(association.heard) >= idle {
                association.dtls.close(now);
                stale.push(association.path);
            }
        }
        stale
    }
}

impl Association {
    fn handle_timeout(&mut self, now: Instant, talking: &mut Vec<Path>, ended: &mut Vec<Path>) {
        if self.dtls.poll_timeout().is_some_and(|due| due <= now) {
            self.dtls.handle_timeout(now);
            talking.push(self.path);
            while let Some(event) = self.dtls.poll_event() {
                if matches!(event, Event::Closed { .. }) {
                    ended.push(self.path);
                }
            }
        }
    }
}

impl std::fmt::Debug for Associations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Associations").field("all", &self.all.len()).finish_non_exhaustive()
    }
}
