//! What an owner can ask of a node. Each command runs on the worker concerned and answers by a callback there.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headwater_sfu::{Accepted, PeerInfo, SignalError, StreamInfo};

use crate::counters::Counters;
use crate::handle::Message;
use crate::session_id::SessionId;
use crate::worker::{DumpReply, Session as WorkerSession, Worker};
use crate::{From, Inner, Node};

/// How long a question to all workers may take; the callback is dropped after that.
const COUNTERS_WITHIN: Duration = Duration::from_secs(2);
/// The longest that a session is recorded.
const LONGEST_DUMP: Duration = Duration::from_secs(3600);
/// A command runs after its session no more often.
const MAX_HOPS: u8 = 3;

/// A session that was just made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Session {
    /// Its name; unguessable.
    pub id: SessionId,
    /// The SDP answer.
    pub answer: String,
    /// Tag of the ICE session, without quotes; it changes with an ICE restart.
    pub etag: String,
}

/// What a trickled fragment did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Trickle {
    /// Its candidates were taken.
    Accepted,
    /// It restarted ICE.
    Restarted {
        /// Our new credentials and candidates, as an SDP fragment.
        fragment: String,
        /// The new tag.
        etag: String,
    },
}

/// One session as the owner knows it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Its name.
    pub id: SessionId,
    /// The worker that has it.
    pub worker: usize,
    /// Facts and figures.
    pub peer: PeerInfo,
}

impl Node {
    /// Answers a publisher's offer. `from` is where the request came from, for limits.
    pub fn publish(
        &self,
        stream: &str,
        offer: String,
        from: From,
        reply: impl FnOnce(Result<Session, SignalError>) + Send + 'static,
    ) {
        let name = stream.to_owned();
        self.on_next_worker(move |worker| reply(worker.open(&name, true, &offer, from)));
    }

    /// Answers a viewer's offer.
    pub fn watch(
        &self,
        stream: &str,
        offer: String,
        from: From,
        reply: impl FnOnce(Result<Session, SignalError>) + Send + 'static,
    ) {
        let name = stream.to_owned();
        self.on_next_worker(move |worker| reply(worker.open(&name, false, &offer, from)));
    }

    /// Takes an SDP fragment (RFC 8840 §9) with candidates, or with new credentials, which restart ICE. `etag` is
    /// the tag that the client believes in, `*` for any; with another than the present one the fragment is
    /// refused.
    pub fn trickle(
        &self,
        id: SessionId,
        fragment: String,
        etag: Option<String>,
        reply: impl FnOnce(Result<Trickle, SignalError>) + Send + 'static,
    ) {
        on_session(&self.inner, id, 0, move |worker| match worker {
            Some(worker) => reply(worker.trickle(id, &fragment, etag.as_deref())),
            None => reply(Err(SignalError::UnknownSession)),
        });
    }

    /// Ends a session; its peer is told. Answers whether there was one.
    pub fn close(&self, id: SessionId, reply: impl FnOnce(bool) + Send + 'static) {
        on_session(&self.inner, id, 0, move |worker| reply(worker.is_some_and(|worker| worker.close(id))));
    }

    /// All streams.
    pub fn streams(&self, reply: impl FnOnce(Vec<StreamInfo>) + Send + 'static) {
        self.on_all(|worker| worker.sfu.streams(worker.now), |all| reply(merge(all.into_iter().flatten())));
    }

    /// All sessions.
    pub fn sessions(&self, reply: impl FnOnce(Vec<SessionInfo>) + Send + 'static) {
        let sessions = |worker: &Worker| {
            let info = |peer: PeerInfo| {
                Some(SessionInfo { id: *worker.by_peer.get(&peer.id)?, worker: worker.index, peer })
            };
            worker.sfu.peers(worker.now).into_iter().filter_map(info).collect::<Vec<_>>()
        };
        self.on_all(sessions, |all| reply(all.into_iter().flatten().collect()));
    }

    /// Counts over all workers. Blocks for as long as the workers take to answer, which is about a millisecond.
    pub fn counters(&self) -> Counters {
        let (sender, receiver) = std::sync::mpsc::channel();
        self.on_all(Worker::count, move |all| {
            let _ = sender.send(all);
        });
        let mut counters =
            Counters { panics: self.inner.panics.load(Ordering::Relaxed), ..Counters::default() };
        for of_worker in receiver.recv_timeout(COUNTERS_WITHIN).unwrap_or_default() {
            counters.publishers += of_worker.publishers;
            counters.viewers += of_worker.viewers;
            counters.pending += of_worker.pending;
            counters.streams += of_worker.streams;
            counters.totals.extend(of_worker.totals);
            counters.viewers_by_worker.extend(of_worker.viewers_by_worker);
            counters.connections += of_worker.connections;
            counters.turn.add(&of_worker.turn);
            for (key, count) in of_worker.security {
                *counters.security.entry(key).or_default() += count;
            }
            for (key, count) in of_worker.handshakes {
                *counters.handshakes.entry(key).or_default() += count;
            }
        }
        counters
    }

    /// Records a session's RTP headers and payload sizes for `duration` and answers with an rtpdump file; `None`
    /// if there is no such session. A second recording of the same session ends the first; none takes longer than an
    /// hour.
    pub fn dump(
        &self,
        id: SessionId,
        duration: Duration,
        reply: impl FnOnce(Option<Vec<u8>>) + Send + 'static,
    ) {
        on_session(&self.inner, id, 0, move |worker| match worker {
            Some(worker) => worker.dump(id, duration.min(LONGEST_DUMP), Box::new(reply)),
            None => reply(None),
        });
    }

    /// Any worker can answer an offer, since all know all streams; they take turns.
    fn on_next_worker(&self, command: impl FnOnce(&mut Worker) + Send + 'static) {
        let workers = self.inner.workers();
        let turn = self.inner.next.fetch_add(1, Ordering::Relaxed) % workers.len();
        workers[turn].send(Message::Command(Box::new(command)));
    }

    /// Asks all workers and calls `reply` with all answers, in the order of the workers, on the last that answers.
    fn on_all<T: Send + 'static>(
        &self,
        ask: impl Fn(&Worker) -> T + Send + Sync + 'static,
        reply: impl FnOnce(Vec<T>) + Send + 'static,
    ) {
        let workers = self.inner.workers();
        let ask = Arc::new(ask);
        let answers: Vec<Option<T>> = workers.iter().map(|_| None).collect();
        let answers = Arc::new(Mutex::new((answers, Some(reply))));
        for (index, handle) in workers.iter().enumerate() {
            let (ask, answers) = (Arc::clone(&ask), Arc::clone(&answers));
            handle.send(Message::Command(Box::new(move |worker| {
                let answer = ask(worker);
                let mut answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                answers.0[index] = Some(answer);
                if answers.0.iter().all(Option::is_some)
                    && let Some(reply) = answers.1.take()
                {
                    reply(std::mem::take(&mut answers.0).into_iter().flatten().collect());
                }
            })));
        }
    }
}

impl Worker {
    fn open(
        &mut self,
        stream: &str,
        is_publisher: bool,
        offer: &str,
        from: From,
    ) -> Result<Session, SignalError> {
        let inner = Arc::clone(&self.inner);
        let directory = inner.directory.as_ref();
        // Dropped on the way out, it counts no more.
        let admitted = directory.map(|it| it.admit(stream, is_publisher, from, self.now)).transpose()?;
        let Accepted { peer, answer, .. } = match is_publisher {
            true => self.sfu.publish(self.now, stream, offer, from),
            false => self.sfu.watch(self.now, stream, offer, from),
        }?;
        let id = SessionId::new(self.index as u8, self.sfu.random_id());
        self.sessions.insert(id, WorkerSession { peer, generation: 0, publishes: None });
        self.by_peer.insert(peer, id);
        if let Some(admitted) = admitted {
            admitted.enter(id, self.index, self.sfu.ufrags(peer));
        }
        Ok(Session { id, answer, etag: etag(0) })
    }

    fn trickle(&mut self, id: SessionId, fragment: &str, tag: Option<&str>) -> Result<Trickle, SignalError> {
        let session = self.sessions.get_mut(&id).ok_or(SignalError::UnknownSession)?;
        if tag.is_some_and(|tag| tag != "*" && tag != etag(session.generation)) {
            return Err(SignalError::StaleEtag);
        }
        match self.sfu.trickle(self.now, session.peer, fragment)? {
            None => Ok(Trickle::Accepted),
            Some(fragment) => {
                session.generation += 1;
                if let Some(directory) = &self.inner.directory {
                    directory.rename(id, self.sfu.ufrags(session.peer));
                }
                Ok(Trickle::Restarted { fragment, etag: etag(session.generation) })
            }
        }
    }

    fn dump(&mut self, id: SessionId, duration: Duration, reply: DumpReply) {
        let Some(peer) = self.sessions.get(&id).map(|session| session.peer) else {
            reply(None);
            return;
        };
        if let Some(index) = self.dumps.iter().position(|(_, recorded, _)| *recorded == peer) {
            let (_, _, reply) = self.dumps.swap_remove(index);
            reply(self.sfu.take_dump(peer));
        }
        if self.sfu.start_dump(self.now, peer, duration) {
            self.dumps.push((self.now + duration, peer, reply));
        } else {
            reply(None);
        }
    }

    pub(crate) fn hand_out_dumps(&mut self) {
        let mut index = 0;
        while let Some((ends, peer, _)) = self.dumps.get(index) {
            if *ends > self.now && self.sfu.contains(*peer) {
                index += 1;
                continue;
            }
            let (_, peer, reply) = self.dumps.swap_remove(index);
            reply(self.sfu.take_dump(peer));
        }
    }

    fn close(&mut self, id: SessionId) -> bool {
        let Some(peer) = self.sessions.get(&id).map(|session| session.peer) else { return false };
        if let Some(directory) = &self.inner.directory {
            directory.resign(id);
        }
        self.sfu.close(self.now, peer)
    }

    pub(crate) fn close_all(&mut self) {
        for peer in self.by_peer.keys().copied().collect::<Vec<_>>() {
            self.sfu.close(self.now, peer);
        }
    }
}

type SessionCommand = Box<dyn FnOnce(Option<&mut Worker>) + Send>;

/// Runs a command on the worker that has a session, with `None` if there is no such session.
fn on_session(
    inner: &Arc<Inner>,
    id: SessionId,
    hops: u8,
    command: impl FnOnce(Option<&mut Worker>) + Send + 'static,
) {
    let worker = match &inner.directory {
        Some(directory) => directory.worker_of(id),
        None => Some(id.worker()),
    };
    let Some(handle) = worker.and_then(|worker| inner.workers().get(worker)) else {
        command(None);
        return;
    };
    handle.send(Message::Command(Box::new(move |worker| {
        let has_moved = !worker.sessions.contains_key(&id) && hops < MAX_HOPS;
        let moved_to = worker.inner.directory.as_ref().filter(|_| has_moved).and_then(|it| it.worker_of(id));
        if moved_to.is_some_and(|to| to != worker.index) {
            // A box, or the type would hold itself.
            let command: SessionCommand = Box::new(command);
            on_session(&worker.inner, id, hops + 1, command);
        } else {
            command(Some(worker));
        }
    })));
}

/// One entry a stream: the one of the worker with its publisher, with the viewers of all.
fn merge(all: impl Iterator<Item = StreamInfo>) -> Vec<StreamInfo> {
    let mut merged: Vec<StreamInfo> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for info in all {
        let Some(&place) = places.get(&info.name) else {
            places.insert(info.name.clone(), merged.len());
            merged.push(info);
            continue;
        };
        let known = &mut merged[place];
        let viewers = known.viewers + info.viewers;
        let rank = |info: &StreamInfo| (info.is_live, !info.is_replica);
        if rank(&info) > rank(known) {
            *known = info;
        }
        known.viewers = viewers;
    }
    merged
}

fn etag(generation: u32) -> String {
    format!("ice-{generation}")
}
