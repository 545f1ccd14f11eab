//! Commands and events as JSON over a WebSocket: the part that CDP and BiDi share.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::{Error, Result};

/// Events kept; older ones are dropped.
const MAX_EVENTS: usize = 2_000;
const READ_STEP: Duration = Duration::from_millis(20);

pub(super) struct Socket {
    stream: WebSocket<TcpStream>,
    next_id: u64,
    events: VecDeque<Value>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("next_id", &self.next_id).finish_non_exhaustive()
    }
}

impl Socket {
    /// Connects to `ws://127.0.0.1:{port}{path}`.
    pub(super) fn connect(port: u16, path: &str, limit: Duration) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let tcp = TcpStream::connect_timeout(&address, limit)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(limit))?;
        tcp.set_write_timeout(Some(limit))?;
        let (stream, _) = tungstenite::client(format!("ws://{address}{path}"), tcp)
            .map_err(|error| Error::Protocol { command: "connect".into(), message: error.to_string() })?;
        stream.get_ref().set_read_timeout(Some(READ_STEP))?;
        Ok(Self { stream, next_id: 0, events: VecDeque::new() })
    }

    /// Sends a command and waits for its answer; events that come meanwhile are kept.
    ///
    /// `session` is CDP's `sessionId`; BiDi has none.
    pub(super) fn call(
        &mut self,
        method: &str,
        params: Value,
        session: &str,
        limit: Duration,
    ) -> Result<Value> {
        let id = self.send(method, params, session)?;
        let deadline = Instant::now() + limit;
        loop {
            let Some(mut message) = self.read()? else {
                if Instant::now() > deadline {
                    return Err(Error::Timeout { what: method.to_owned(), limit, context: String::new() });
                }
                continue;
            };
            if message["id"] != id {
                self.keep(message);
                continue;
            }
            if message.get("error").is_some() {
                // CDP: {"error": {"message"}}; BiDi: {"error": code, "message"}.
                let words = message["error"]["message"].as_str().or_else(|| message["message"].as_str());
                let message = words.map_or_else(|| message.to_string(), str::to_owned);
                return Err(Error::Protocol { command: method.to_owned(), message });
            }
            return Ok(message["result"].take());
        }
    }

    /// Sends a command whose answer nobody waits for.
    pub(super) fn send(&mut self, method: &str, params: Value, session: &str) -> Result<u64> {
        self.next_id += 1;
        let mut command = json!({ "id": self.next_id, "method": method, "params": params });
        if !session.is_empty() {
            command["sessionId"] = session.into();
        }
        self.stream.send(Message::text(command.to_string()))?;
        Ok(self.next_id)
    }

    /// Takes in what has already arrived.
    pub(super) fn drain(&mut self) {
        while let Ok(Some(message)) = self.read() {
            self.keep(message);
        }
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Value> {
        self.events.iter()
    }

    fn keep(&mut self, message: Value) {
        if message.get("method").is_none() {
            return; // The late answer of a command that was given up.
        }
        if self.events.len() == MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(message);
    }

    fn read(&mut self) -> Result<Option<Value>> {
        match self.stream.read() {
            Ok(Message::Text(text)) => Ok(serde_json::from_str(&text).ok()),
            Ok(_) => Ok(None),
            Err(tungstenite::Error::Io(error))
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
