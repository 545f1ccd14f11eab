//! DTLS clients: one association each, found by the two addresses. Who has not sent our cookie back has none, and leaves nothing.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwater_dtls::cookie::{CookieExchange, ProvenHello, Verdict};
use headwater_dtls::{Certificate, Config, Connection, Event};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use slab::Slab;

/// Clients of one worker that have sent our cookie back and are not connected yet, at some 3 KiB each. Beyond, the oldest one is
/// given up.
const MOST_HANDSHAKES: usize = 1_000;
/// How long one may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// First bytes of DTLS records (RFC 7983 §7).
const RECORDS: std::ops::RangeInclusive<u8> = 20..=63;

/// Our address and the client's.
pub(crate) type Path = (SocketAddr, SocketAddr);

/// One client.
struct Association {
    path: Path,
    dtls: Connection,
    is_connected: bool,
    /// Since when it has had no allocation.
    bare_since: Instant,
    heard: Instant,
}

/// What became of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// There is an association.
    Open,
    /// There was one.
    Ended,
    /// There is none, and so many bytes were appended for who sent them.
    Answered(usize),
    /// As well, but they are none that one could come of.
    Refused(usize),
}

/// All DTLS clients of one worker.
pub(crate) struct Associations {
    /// `None`: the certificate is not one for DTLS, and no association is begun.
    config: Option<Arc<Config>>,
    rng: ChaCha20Rng,
    most: usize,
    all: Slab<Association>,
    by_path: HashMap<Path, usize>,
    cookies: CookieExchange,
    /// How many are not connected.
    handshakes: usize,
    /// Theirs, the oldest first; some have since gone on or ended.
    unfinished: VecDeque<Path>,
}

impl Associations {
    pub(crate) fn new(
        certificate: Option<Certificate>,
        mut rng: ChaCha20Rng,
        most: usize,
        now: Instant,
    ) -> Self {
        let mut associations = Self {
            config: None,
            most,
            all: Slab::new(),
            by_path: HashMap::new(),
            cookies: CookieExchange::new(seed(&mut rng), now),
            rng,
            handshakes: 0,
            unfinished: VecDeque::new(),
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

    /// Takes records of a client; `each` gets what they carry. What an association has to send comes by [`poll`](Self::poll); what
    /// there is to say to somebody without one is appended to `answer`.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        path: Path,
        records: &[u8],
        answer: &mut Vec<u8>,
        mut each: impl FnMut(Vec<u8>),
    ) -> Received {
        let index = match self.by_path.get(&path) {
            Some(index) => {
                let association = &mut self.all[*index];
                if association.dtls.handle_datagram(now, records).is_ok() {
                    association.heard = now;
                }
                *index
            }
            None => match self.greet(now, path, records, answer) {
                Ok(index) => index,
                Err(received) => return received,
            },
        };
        let mut received = Received::Open;
        while let Some(event) = self.all[index].dtls.poll_event() {
            match event {
                Event::Connected(_) => {
                    let association = &mut self.all[index];
                    association.is_connected = true;
                    association.bare_since = now;
                    self.handshakes -= 1;
                }
                Event::Data(data) => each(data),
                _ => received = Received::Ended,
            }
        }
        received
    }

    /// Looks for a hello with our cookie, and begins an association if there is one.
    fn greet(
        &mut self,
        now: Instant,
        path: Path,
        records: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<usize, Received> {
        let refused = Received::Refused(0);
        let config = self.config.as_ref().filter(|_| self.all.len() < self.most).ok_or(refused)?;
        match self.cookies.handle_datagram(now, config, &address(path), records, answer) {
            Ok(Verdict::Admit(hello)) => self.begin(now, path, *hello).ok_or(refused),
            Ok(Verdict::Answer(transmit)) => Err(Received::Answered(transmit.len)),
            Ok(Verdict::Refuse(_, transmit)) => Err(Received::Refused(transmit.len)),
            Ok(_) => Err(Received::Answered(0)),
            Err(_) => Err(refused),
        }
    }

    fn begin(&mut self, now: Instant, path: Path, hello: ProvenHello) -> Option<usize> {
        let config = Arc::clone(self.config.as_ref()?);
        let dtls = Connection::accept(config, Vec::new(), seed(&mut self.rng), now, hello).ok()?;
        self.make_room();
        let association = Association { path, dtls, is_connected: false, bare_since: now, heard: now };
        let index = self.all.insert(association);
        self.by_path.insert(path, index);
        self.handshakes += 1;
        self.unfinished.push_back(path);
        Some(index)
    }

    /// Has the oldest handshake give way if there are as many as may be.
    fn make_room(&mut self) {
        while (self.handshakes >= MOST_HANDSHAKES || self.unfinished.len() >= 2 * MOST_HANDSHAKES)
            && let Some(oldest) = self.unfinished.pop_front()
        {
            if self.by_path.get(&oldest).is_some_and(|index| !self.all[*index].is_connected) {
                self.remove(oldest);
            }
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
            let association = self.all.remove(index);
            self.handshakes -= usize::from(!association.is_connected);
        }
    }

    /// Is anything under way that has timers of its own?
    pub(crate) const fn has_handshakes(&self) -> bool {
        self.handshakes > 0
    }

    /// Lets time pass, for those that are being made or for all. Returns those that have something to send, and those that
    /// have ended.
    pub(crate) fn handle_timeout(&mut self, now: Instant, all: bool) -> (Vec<Path>, Vec<Path>) {
        let (mut talking, mut ended) = (Vec::new(), Vec::new());
        if all {
            for (_, association) in &mut self.all {
                association.handle_timeout(now, &mut talking, &mut ended);
            }
            let Self { all, by_path, unfinished, .. } = self;
            let is_under_way = |index: &usize| !all[*index].is_connected;
            unfinished.retain(|path| by_path.get(path).is_some_and(is_under_way));
        } else {
            for path in &self.unfinished {
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
            if association.is_connected && has_allocation(association.path) {
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

fn seed(rng: &mut ChaCha20Rng) -> [u8; 32] {
    let mut seed = [0; 32];
    rng.fill_bytes(&mut seed);
    seed
}

/// What a cookie is bound to.
fn address((local, remote): Path) -> [u8; 36] {
    let mut bytes = [0; 36];
    for (place, address) in bytes.chunks_exact_mut(18).zip([local, remote]) {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        place[..16].copy_from_slice(&ip.octets());
        place[16..].copy_from_slice(&address.port().to_be_bytes());
    }
    bytes
}

impl std::fmt::Debug for Associations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Associations").field("all", &self.all.len()).finish_non_exhaustive()
    }
}
