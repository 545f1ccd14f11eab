//! The media node as the HTTP side sees it: its callbacks become futures here, and nowhere else.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use headwater_node::{Node, SessionId, SignalError, Trickle};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::metrics::Sample;
use crate::problem::Problem;
use crate::view::{SessionView, StreamView};

/// How long a worker may take to answer a command.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) type Reply<T> = Box<dyn FnOnce(T) + Send>;
/// What becomes of an offer.
pub(crate) type Creation = Result<Created, SignalError>;

/// A session as it was just made.
#[derive(Clone, Debug)]
pub(crate) struct Created {
    /// URL-safe and unguessable.
    pub(crate) id: String,
    pub(crate) answer: String,
    /// Opaque, without the quotes of the header.
    pub(crate) etag: String,
}

/// What this server needs of a media node. Every reply is called once, from any thread, or dropped.
pub(crate) trait Backend: Send + Sync + 'static {
    fn publish(&self, stream: &str, offer: String, from: IpAddr, reply: Reply<Creation>);
    fn watch(&self, stream: &str, offer: String, from: IpAddr, reply: Reply<Creation>);
    fn trickle(
        &self,
        id: &str,
        fragment: String,
        etag: Option<String>,
        reply: Reply<Result<Trickle, SignalError>>,
    );
    fn close(&self, id: &str, reply: Reply<bool>);
    fn streams(&self, reply: Reply<Vec<StreamView>>);
    fn sessions(&self, reply: Reply<Vec<SessionView>>);
    /// Blocks for about a millisecond.
    fn counters(&self) -> Vec<Sample>;
    /// An rtpdump file of the session's packets (headers and payload sizes) during `time`.
    fn dump(&self, id: &str, time: Duration, reply: Reply<Option<Vec<u8>>>);
    /// Tells all peers and ends. Blocks, at most for `deadline`.
    fn shutdown(&self, deadline: Duration);
}

/// A handle to the node whose commands can be awaited.
#[derive(Clone)]
pub(crate) struct Media(Arc<dyn Backend>);

impl Media {
    pub(crate) fn new(backend: impl Backend) -> Self {
        Self(Arc::new(backend))
    }

    pub(crate) async fn publish(
        &self,
        stream: &str,
        offer: String,
        from: IpAddr,
    ) -> Result<Created, Problem> {
        let (reply, answer) = self.creation();
        self.0.publish(stream, offer, from, reply);
        Ok(wait(answer, ANSWER_TIMEOUT).await??)
    }

    pub(crate) async fn watch(&self, stream: &str, offer: String, from: IpAddr) -> Result<Created, Problem> {
        let (reply, answer) = self.creation();
        self.0.watch(stream, offer, from, reply);
        Ok(wait(answer, ANSWER_TIMEOUT).await??)
    }

    pub(crate) async fn trickle(
        &self,
        id: &str,
        fragment: String,
        etag: Option<String>,
    ) -> Result<Trickle, Problem> {
        let (reply, answer) = channel();
        self.0.trickle(id, fragment, etag, reply);
        Ok(wait(answer, ANSWER_TIMEOUT).await??)
    }

    pub(crate) async fn close(&self, id: &str) -> Result<bool, Problem> {
        let (reply, answer) = channel();
        self.0.close(id, reply);
        wait(answer, ANSWER_TIMEOUT).await
    }

    pub(crate) async fn streams(&self) -> Result<Vec<StreamView>, Problem> {
        let (reply, answer) = channel();
        self.0.streams(reply);
        wait(answer, ANSWER_TIMEOUT).await
    }

    pub(crate) async fn sessions(&self) -> Result<Vec<SessionView>, Problem> {
        let (reply, answer) = channel();
        self.0.sessions(reply);
        wait(answer, ANSWER_TIMEOUT).await
    }

    pub(crate) async fn dump(&self, id: &str, time: Duration) -> Result<Option<Vec<u8>>, Problem> {
        let (reply, answer) = channel();
        self.0.dump(id, time, reply);
        wait(answer, time + ANSWER_TIMEOUT).await
    }

    /// The node blocks while it counts, so that no HTTP thread does it.
    pub(crate) async fn counters(&self) -> Result<Vec<Sample>, Problem> {
        let backend = Arc::clone(&self.0);
        let counted = spawn_blocking(move || backend.counters()).await;
        counted.map_err(|_panicked| Problem::unavailable("The media workers could not be counted."))
    }

    pub(crate) fn shutdown(&self, deadline: Duration) {
        self.0.shutdown(deadline);
    }

    /// A session whose client went away before the answer was ready is closed again: nothing stays behind.
    fn creation(&self) -> (Reply<Creation>, oneshot::Receiver<Creation>) {
        let (sender, receiver) = oneshot::channel();
        let backend = Arc::clone(&self.0);
        let reply: Reply<Creation> = Box::new(move |result| {
            if let Err(Ok(unwanted)) = sender.send(result) {
                backend.close(&unwanted.id, Box::new(|_| ()));
            }
        });
        (reply, receiver)
    }
}

fn channel<T: Send + 'static>() -> (Reply<T>, oneshot::Receiver<T>) {
    let (sender, receiver) = oneshot::channel();
    // The asker may be gone: then nobody wants the answer.
    (Box::new(move |answer| drop(sender.send(answer))), receiver)
}

async fn wait<T>(answer: oneshot::Receiver<T>, patience: Duration) -> Result<T, Problem> {
    match timeout(patience, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_dropped)) => Err(Problem::unavailable("The media worker ended while it worked on this.")),
        Err(_elapsed) => Err(Problem::unavailable("The media workers are too busy to answer.")),
    }
}

impl Backend for Node {
    fn publish(&self, stream: &str, offer: String, from: IpAddr, reply: Reply<Creation>) {
        Self::publish(self, stream, offer, from, move |result| reply(result.map(Created::from)));
    }

    fn watch(&self, stream: &str, offer: String, from: IpAddr, reply: Reply<Creation>) {
        Self::watch(self, stream, offer, from, move |result| reply(result.map(Created::from)));
    }

    fn trickle(
        &self,
        id: &str,
        fragment: String,
        etag: Option<String>,
        reply: Reply<Result<Trickle, SignalError>>,
    ) {
        match id.parse::<SessionId>() {
            Ok(id) => Self::trickle(self, id, fragment, etag, reply),
            Err(_) => reply(Err(SignalError::UnknownSession)),
        }
    }

    fn close(&self, id: &str, reply: Reply<bool>) {
        match id.parse::<SessionId>() {
            Ok(id) => Self::close(self, id, reply),
            Err(_) => reply(false),
        }
    }

    fn streams(&self, reply: Reply<Vec<StreamView>>) {
        Self::streams(self, move |streams| reply(streams.into_iter().map(StreamView::from).collect()));
    }

    fn sessions(&self, reply: Reply<Vec<SessionView>>) {
        Self::sessions(self, move |sessions| reply(sessions.into_iter().map(SessionView::from).collect()));
    }

    fn counters(&self) -> Vec<Sample> {
        crate::view::samples(&Self::counters(self))
    }

    fn dump(&self, id: &str, time: Duration, reply: Reply<Option<Vec<u8>>>) {
        match id.parse::<SessionId>() {
            Ok(id) => Self::dump(self, id, time, reply),
            Err(_) => reply(None),
        }
    }

    fn shutdown(&self, deadline: Duration) {
        Self::shutdown(self, deadline);
    }
}

impl From<headwater_node::Session> for Created {
    fn from(session: headwater_node::Session) -> Self {
        Self { id: session.id.to_string(), answer: session.answer, etag: session.etag }
    }
}
