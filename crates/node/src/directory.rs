//! What all workers know together: which session is whose, who publishes what, and how much of the limits is used.
//!
//! It exists when there are several workers. It is written when sessions come, go and move, and read when one is named or a
//! check arrives at a worker that does not know it; never for a packet of media, but for one number per stream and turn.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use headwater_sfu::{Limits, SignalError, Takeover, Used};

use crate::session_id::SessionId;

/// The directory. What is in it is bounded by the limits on sessions and streams.
pub(crate) struct Directory {
    limits: Limits,
    takeover: Takeover,
    started: Instant,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<SessionId, Entry>,
    /// Our user fragments: two a session at most.
    ufrags: HashMap<String, SessionId>,
    addresses: HashMap<IpAddr, usize>,
    pending: usize,
    streams: HashMap<String, Stream>,
    /// The number of the last publisher.
    generation: u32,
}

struct Entry {
    worker: usize,
    admission: Admission,
    is_pending: bool,
    /// Has it been given to the worker whose socket hears it?
    is_placed: bool,
    ufrags: Vec<String>,
}

#[derive(Default)]
struct Stream {
    sessions: usize,
    viewers: usize,
    publisher: Option<Publisher>,
}

struct Publisher {
    session: SessionId,
    heard: Heard,
}

/// When a publisher was last heard.
#[derive(Clone)]
pub(crate) struct Heard(Arc<AtomicU64>);

/// Who a session counts for.
struct Admission {
    stream: String,
    is_publisher: bool,
    /// What its address counts as, if it counts.
    address: Option<IpAddr>,
}

/// A session that the limits permit, and that counts from here on. Unless it [enters](Self::enter) it has come to nothing,
/// for whatever reason, and counts no more.
pub(crate) struct Admitted<'d> {
    directory: &'d Directory,
    admission: Option<Admission>,
}

/// A publisher's permission to publish.
pub(crate) struct Grant {
    pub(crate) generation: u32,
    pub(crate) heard: Heard,
}

impl Directory {
    pub(crate) fn new(limits: Limits, takeover: Takeover, started: Instant) -> Self {
        Self { limits, takeover, started, state: RwLock::default() }
    }

    /// May there be another session?
    pub(crate) fn admit(
        &self,
        stream: &str,
        is_publisher: bool,
        from: IpAddr,
        now: Instant,
    ) -> Result<Admitted<'_>, SignalError> {
        let mut state = self.write();
        let known = state.streams.get(stream);
        let address = Limits::counts_for(from);
        let of_address = address.and_then(|address| state.addresses.get(&address)).copied().unwrap_or(0);
        self.limits.permit(&Used {
            streams: known.is_none().then_some(state.streams.len()),
            pending: state.pending,
            of_address,
            viewers: known.filter(|_| !is_publisher).map(|known| known.viewers),
        })?;
        if is_publisher && known.is_some_and(|known| !self.may_publish(known, now)) {
            return Err(SignalError::AlreadyPublished);
        }
        let admission = Admission { stream: stream.to_owned(), is_publisher, address };
        state.count(&admission);
        state.pending += 1;
        Ok(Admitted { directory: self, admission: Some(admission) })
    }

    /// An ICE restart has given it other user fragments.
    pub(crate) fn rename(&self, id: SessionId, ufrags: &[String]) {
        self.write().rename(id, ufrags);
    }

    /// It belongs to this worker now. Returns `false` if there is no such session.
    pub(crate) fn place(&self, id: SessionId, worker: usize) -> bool {
        let mut state = self.write();
        let Some(entry) = state.sessions.get_mut(&id) else { return false };
        (entry.worker, entry.is_placed) = (worker, true);
        true
    }

    /// One worker has given it to another, which may have given it on already.
    pub(crate) fn give(&self, id: SessionId, from: usize, to: usize) {
        if let Some(entry) = self.write().sessions.get_mut(&id).filter(|entry| entry.worker == from) {
            (entry.worker, entry.is_placed) = (to, true);
        }
    }

    /// It is connected.
    pub(crate) fn connected(&self, id: SessionId) {
        let mut state = self.write();
        let Some(entry) = state.sessions.get_mut(&id) else { return };
        entry.is_placed = true;
        if std::mem::take(&mut entry.is_pending) {
            state.pending -= 1;
        }
    }

    /// A publisher is connected: may it have its stream? It then replaces whoever has it.
    pub(crate) fn claim(&self, id: SessionId, now: Instant) -> Option<Grant> {
        let mut state = self.write();
        let stream = state.sessions.get(&id)?.admission.stream.clone();
        if !self.may_publish(state.streams.get(&stream)?, now) {
            return None;
        }
        state.generation += 1;
        let generation = state.generation;
        let heard = Heard(Arc::new(AtomicU64::new(self.millis(now))));
        let publisher = Publisher { session: id, heard: heard.clone() };
        state.streams.get_mut(&stream)?.publisher = Some(publisher);
        Some(Grant { generation, heard })
    }

    /// A publisher's media arrived.
    pub(crate) fn note_heard(&self, heard: &Heard, now: Instant) {
        heard.0.store(self.millis(now), Ordering::Relaxed);
    }

    /// It is told to go: its stream is free at once.
    pub(crate) fn resign(&self, id: SessionId) {
        self.write().resign(id);
    }

    /// It is gone.
    pub(crate) fn leave(&self, id: SessionId) {
        self.write().leave(id);
    }

    /// A worker has failed, and all its sessions with it.
    pub(crate) fn forget_worker(&self, worker: usize) {
        let mut state = self.write();
        let of_worker = state.sessions.iter().filter(|(_, entry)| entry.worker == worker);
        for id in of_worker.map(|(id, _)| *id).collect::<Vec<_>>() {
            state.leave(id);
        }
    }

    /// The worker that has a session.
    pub(crate) fn worker_of(&self, id: SessionId) -> Option<usize> {
        self.read().sessions.get(&id).map(|entry| entry.worker)
    }

    /// The worker whose session has this user fragment, and whether it is known to hear it.
    pub(crate) fn worker_of_ufrag(&self, ufrag: &str) -> Option<(usize, bool)> {
        let state = self.read();
        let entry = state.sessions.get(state.ufrags.get(ufrag)?)?;
        Some((entry.worker, entry.is_placed))
    }

    fn may_publish(&self, stream: &Stream, now: Instant) -> bool {
        stream.publisher.as_ref().is_none_or(|publisher| {
            let heard = publisher.heard.0.load(Ordering::Relaxed);
            self.takeover.permits(Duration::from_millis(self.millis(now).saturating_sub(heard)))
        })
    }

    fn millis(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_millis() as u64
    }

    // Whoever panicked while it wrote left counters at worst one session off.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admitted<'_> {
    /// It has a name, and a worker that waits for its first check.
    pub(crate) fn enter(mut self, id: SessionId, worker: usize, ufrags: &[String]) {
        let Some(admission) = self.admission.take() else { return };
        let mut state = self.directory.write();
        let entry = Entry { worker, admission, is_pending: true, is_placed: false, ufrags: Vec::new() };
        state.sessions.insert(id, entry);
        state.rename(id, ufrags);
    }
}

// Also when the worker fails while it answers the offer.
impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            let mut state = self.directory.write();
            state.pending -= 1;
            state.uncount(&admission);
        }
    }
}

impl State {
    fn count(&mut self, admission: &Admission) {
        let stream = self.streams.entry(admission.stream.clone()).or_default();
        stream.sessions += 1;
        stream.viewers += usize::from(!admission.is_publisher);
        if let Some(address) = admission.address {
            *self.addresses.entry(address).or_default() += 1;
        }
    }

    fn uncount(&mut self, admission: &Admission) {
        if let Some(stream) = self.streams.get_mut(&admission.stream) {
            stream.sessions -= 1;
            stream.viewers -= usize::from(!admission.is_publisher);
            if stream.sessions == 0 {
                self.streams.remove(&admission.stream);
            }
        }
        if let Some(address) = admission.address
            && let Some(sessions) = self.addresses.get_mut(&address)
        {
            *sessions -= 1;
            if *sessions == 0 {
                self.addresses.remove(&address);
            }
        }
    }

    fn rename(&mut self, id: SessionId, ufrags: &[String]) {
        let Self { sessions, ufrags: names, .. } = self;
        let Some(entry) = sessions.get_mut(&id) else { return };
        for old in entry.ufrags.drain(..) {
            names.remove(&old);
        }
        entry.ufrags.extend_from_slice(ufrags);
        names.extend(ufrags.iter().map(|ufrag| (ufrag.clone(), id)));
    }

    fn resign(&mut self, id: SessionId) {
        let Some(entry) = self.sessions.get(&id) else { return };
        if let Some(stream) = self.streams.get_mut(&entry.admission.stream) {
            stream.publisher.take_if(|publisher| publisher.session == id);
        }
    }

    fn leave(&mut self, id: SessionId) {
        self.rename(id, &[]);
        self.resign(id);
        let Some(entry) = self.sessions.remove(&id) else { return };
        self.pending -= usize::from(entry.is_pending);
        self.uncount(&entry.admission);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    fn id(n: u8) -> SessionId {
        SessionId::new(n, [n; 16])
    }

    #[test]
    fn limits_hold_over_all_workers_and_are_given_back() {
        let now = Instant::now();
        let mut limits = Limits::default();
        (limits.streams, limits.viewers_per_stream) = (2, 2);
        (limits.sessions_per_address, limits.pending_sessions) = (4, 3);
        let directory = Directory::new(limits, Takeover::Stale, now);
        let refused = |stream, is_publisher, from| match directory.admit(stream, is_publisher, from, now) {
            Err(SignalError::LimitReached(text)) => text,
            other => panic!("{:?}", other.err()),
        };
        let admit = |n, stream: &str, is_publisher| {
            let admitted = directory.admit(stream, is_publisher, here(), now).expect("within the limits");
            admitted.enter(id(n), usize::from(n % 2), &[format!("ufrag{n}")]);
        };
        admit(1, "a", true);
        admit(2, "a", false);
        admit(3, "a", false);
        assert!(refused("a", true, here()).contains("just being set up"));
        (1..=3).for_each(|n| directory.connected(id(n)));
        assert!(refused("a", false, here()).contains("viewers"));
        admit(4, "b", true);
        assert!(refused("c", true, here()).contains("streams"));
        assert!(refused("b", false, here()).contains("this address"));
        let last = directory.admit("b", false, IpAddr::from([192, 0, 2, 2]), now);
        assert!(last.is_ok());
        assert_eq!(directory.worker_of_ufrag("ufrag3"), Some((1, true)));
        assert_eq!(directory.worker_of_ufrag("ufrag4"), Some((0, false)));

        // An ICE restart, and one that moves.
        directory.rename(id(3), &["ufrag3".to_owned(), "other".to_owned()]);
        assert!(directory.place(id(4), 3) && !directory.place(id(9), 3));
        assert_eq!(directory.worker_of_ufrag("other"), Some((1, true)));
        assert_eq!(directory.worker_of_ufrag("ufrag4"), Some((3, true)));
        assert_eq!(directory.worker_of(id(4)), Some(3));

        directory.forget_worker(1);
        directory.leave(id(2));
        directory.leave(id(2));
        directory.leave(id(4));
        let counts = || {
            let state = directory.read();
            assert_eq!((state.sessions.len(), state.ufrags.len()), (0, 0));
            (state.addresses.len(), state.pending, state.streams.len())
        };
        assert_eq!(counts(), (1, 1, 1), "the last one admitted has not entered yet");
        drop(last);
        assert_eq!(counts(), (0, 0, 0));
    }

    #[test]
    fn a_worker_that_fails_while_it_answers_an_offer_gives_its_place_back() {
        let directory = Directory::new(Limits::default(), Takeover::Stale, Instant::now());
        let answer = || {
            let _admitted = directory.admit("a", true, here(), Instant::now()).expect("nobody publishes yet");
            panic!("on purpose");
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(answer)).is_err());
        let state = directory.read();
        assert_eq!((state.pending, state.streams.len(), state.addresses.len()), (0, 0, 0));
    }

    #[test]
    fn who_gave_a_session_away_does_not_take_it_back_from_the_next() {
        let now = Instant::now();
        let directory = Directory::new(Limits::default(), Takeover::Stale, now);
        let admitted = directory.admit("a", true, here(), now).expect("nobody publishes yet");
        admitted.enter(id(1), 0, &["ufrag".to_owned()]);
        directory.give(id(1), 0, 1);
        assert_eq!(directory.worker_of_ufrag("ufrag"), Some((1, true)));
        // Worker 1 passes it on, and worker 2 has taken it before worker 1 says so.
        assert!(directory.place(id(1), 2));
        directory.give(id(1), 1, 2);
        directory.give(id(1), 0, 1);
        assert_eq!(directory.worker_of(id(1)), Some(2));
    }

    #[test]
    fn of_two_publishers_the_second_waits_until_the_first_is_silent() {
        let now = Instant::now();
        let directory = Directory::new(Limits::default(), Takeover::Stale, now);
        for n in 1..=3 {
            let admitted = directory.admit("a", true, here(), now).expect("nobody publishes yet");
            admitted.enter(id(n), 0, &[]);
        }
        let first = directory.claim(id(1), now).expect("the stream is free");
        assert!(directory.claim(id(2), now).is_none());
        let heard = now + Duration::from_secs(5);
        directory.note_heard(&first.heard, heard);
        assert!(directory.claim(id(2), heard + Duration::from_millis(1999)).is_none());
        let second = directory.claim(id(2), heard + Duration::from_secs(2)).expect("the first is silent");
        assert!(second.generation > first.generation);
        // The one that was replaced says goodbye: the stream stays the second's.
        directory.leave(id(1));
        assert!(directory.claim(id(3), heard + Duration::from_secs(3)).is_none());
        directory.leave(id(2));
        assert!(directory.claim(id(3), heard + Duration::from_secs(3)).is_some());
    }
}
