//! What an owner can ask of a node. Each command runs on the worker concerned and answers by a callback there.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headwater_sfu::{PeerInfo, SignalError, StreamInfo, Totals};

use crate::session_id::SessionId;
use crate::worker::{Message, Session as WorkerSession, Worker};
use crate::{From, Node};

/// How long a question to all workers may take; the callback is dropped after that.
const COUNTERS_WITHIN: Duration = Duration::from_secs(2);

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
    /// Facts and figures.
    pub peer: PeerInfo,
}

/// Counts over all workers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Connected publishers.
    pub publishers: u64,
    /// Connected viewers.
    pub viewers: u64,
    /// Sessions that are not connected yet.
    pub pending: u64,
    /// Live streams.
    pub streams: u64,
    /// Connected sessions by DTLS version, key-exchange group and SRTP profile (IANA numbers).
    pub security: HashMap<(String, u16, u16), u64>,
    /// How often a worker failed and began anew.
    pub panics: u64,
    /// Everything since the start, one entry for each worker.
    pub totals: Vec<Totals>,
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
        self.on_worker_of(stream, move |worker| {
            let accepted = worker.sfu.publish(worker.now, &name, &offer, from);
            reply(accepted.map(|accepted| worker.register(accepted.peer, accepted.answer)));
        });
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
        self.on_worker_of(stream, move |worker| {
            let accepted = worker.sfu.watch(worker.now, &name, &offer, from);
            reply(accepted.map(|accepted| worker.register(accepted.peer, accepted.answer)));
        });
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
        let Some(handle) = self.inner.workers().get(id.worker()) else {
            reply(Err(SignalError::UnknownSession));
            return;
        };
        handle.send(Message::Command(Box::new(move |worker| {
            reply(worker.trickle(id, &fragment, etag.as_deref()));
        })));
    }

    /// Ends a session; its peer is told. Answers whether there was one.
    pub fn close(&self, id: SessionId, reply: impl FnOnce(bool) + Send + 'static) {
        let Some(handle) = self.inner.workers().get(id.worker()) else {
            reply(false);
            return;
        };
        handle.send(Message::Command(Box::new(move |worker| reply(worker.close(id)))));
    }

    /// All streams.
    pub fn streams(&self, reply: impl FnOnce(Vec<StreamInfo>) + Send + 'static) {
        self.on_all(
            |worker| worker.sfu.streams(worker.now),
            |all| reply(all.into_iter().flatten().collect()),
        );
    }

    /// All sessions.
    pub fn sessions(&self, reply: impl FnOnce(Vec<SessionInfo>) + Send + 'static) {
        let sessions = |worker: &Worker| {
            let info = |peer: PeerInfo| Some(SessionInfo { id: *worker.by_peer.get(&peer.id)?, peer });
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
            for (key, count) in of_worker.security {
                *counters.security.entry(key).or_default() += count;
            }
        }
        counters
    }

    /// Records a session's RTP headers and payload sizes for `duration` and answers with an rtpdump file; `None`
    /// if there is no such session. A second recording of the same session ends the first.
    pub fn dump(
        &self,
        id: SessionId,
        duration: Duration,
        reply: impl FnOnce(Option<Vec<u8>>) + Send + 'static,
    ) {
        let Some(handle) = self.inner.workers().get(id.worker()) else {
            reply(None);
            return;
        };
        handle.send(Message::Command(Box::new(move |worker| {
            let peer = worker.sessions.get(&id).map(|session| session.peer);
            let Some(peer) = peer.filter(|peer| worker.sfu.start_dump(worker.now, *peer, duration)) else {
                reply(None);
                return;
            };
            worker.dumps.push((worker.now + duration, peer, Box::new(reply)));
        })));
    }

    fn on_worker_of(&self, stream: &str, command: impl FnOnce(&mut Worker) + Send + 'static) {
        self.worker_of_stream(stream).send(Message::Command(Box::new(command)));
    }

    /// Asks all workers and calls `reply` with all answers on the last of them.
    fn on_all<T: Send + 'static>(
        &self,
        ask: impl Fn(&Worker) -> T + Send + Sync + 'static,
        reply: impl FnOnce(Vec<T>) + Send + 'static,
    ) {
        let workers = self.inner.workers();
        let ask = Arc::new(ask);
        let answers = Arc::new(Mutex::new((Vec::with_capacity(workers.len()), Some(reply))));
        let expected = workers.len();
        for handle in workers {
            let (ask, answers) = (Arc::clone(&ask), Arc::clone(&answers));
            handle.send(Message::Command(Box::new(move |worker| {
                let answer = ask(worker);
                let mut answers = answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                answers.0.push(answer);
                if answers.0.len() == expected
                    && let Some(reply) = answers.1.take()
                {
                    reply(std::mem::take(&mut answers.0));
                }
            })));
        }
    }
}

impl Worker {
    fn register(&mut self, peer: headwater_sfu::PeerId, answer: String) -> Session {
        let id = SessionId::new(self.index as u8, self.sfu.random_id());
        self.sessions.insert(id, WorkerSession { peer, generation: 0 });
        self.by_peer.insert(peer, id);
        Session { id, answer, etag: etag(0) }
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
                Ok(Trickle::Restarted { fragment, etag: etag(session.generation) })
            }
        }
    }

    fn close(&mut self, id: SessionId) -> bool {
        self.sessions.get(&id).map(|session| session.peer).is_some_and(|peer| self.sfu.close(self.now, peer))
    }

    pub(crate) fn close_all(&mut self) {
        for peer in self.by_peer.keys().copied().collect::<Vec<_>>() {
            self.sfu.close(self.now, peer);
        }
    }

    fn count(&self) -> Counters {
        let mut counters = Counters::default();
        for peer in self.sfu.peers(self.now) {
            match (peer.is_connected, peer.is_publisher) {
                (false, _) => counters.pending += 1,
                (true, true) => counters.publishers += 1,
                (true, false) => counters.viewers += 1,
            }
            if let Some(security) = peer.security.filter(|_| peer.is_connected) {
                let key = (security.version, security.group, security.srtp_profile);
                *counters.security.entry(key).or_default() += 1;
            }
        }
        counters.streams = self.sfu.streams(self.now).iter().filter(|stream| stream.is_live).count() as u64;
        counters.totals = vec![self.sfu.counters()];
        counters
    }
}

fn etag(generation: u32) -> String {
    format!("ice-{generation}")
}
