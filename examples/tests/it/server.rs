//! A node with as much WHIP and WHEP around it as the clients need.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use headwater_node::{Config, Node, Session, SessionId, SignalError, Trickle};

type Sessions = Arc<Mutex<HashMap<String, SessionId>>>;

pub(crate) struct Server {
    node: Node,
    http: SocketAddr,
    sessions: Sessions,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with_token("")
    }

    pub(crate) fn with_token(token: &'static str) -> Self {
        let mut config = Config::new([5; 32]);
        config.media = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
        let node = Node::start(config).expect("a node");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let http = listener.local_addr().expect("bound");
        let sessions = Sessions::default();
        let (serving, known) = (node.clone(), Arc::clone(&sessions));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(&stream, &serving, &known, token);
            }
        });
        Self { node, http, sessions }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// Sessions that nobody has deleted.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions.lock().expect("no thread panics").len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.node.shutdown(Duration::from_millis(200));
    }
}

fn serve(stream: &TcpStream, node: &Node, sessions: &Sessions, token: &str) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (Vec::new(), 0);
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        head.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole body");
    let offer = String::from_utf8(body).expect("text");

    let from = stream.peer_addr().expect("connected").ip();
    let mut sessions = sessions.lock().expect("no thread panics");
    let words: Vec<&str> = head[0].split(['/', ' ']).collect();
    if !token.is_empty() && !head.contains(&format!("Authorization: Bearer {token}")) {
        return respond(stream, "401 Unauthorized", r#"{"detail":"the token is wrong"}"#);
    }
    let (sender, answer) = channel::<Result<Session, SignalError>>();
    match words[..] {
        ["POST", "", "whip", name, ..] => {
            node.publish(name, offer, from, move |made| sender.send(made).unwrap_or(()));
        }
        ["POST", "", "whep", name, ..] => {
            node.watch(name, offer, from, move |made| sender.send(made).unwrap_or(()));
        }
        ["PATCH", "", "session", id, ..] => {
            let etag = head.iter().find_map(|line| line.strip_prefix("If-Match: ")).map(str::to_owned);
            let (sender, answer) = channel();
            node.trickle(sessions[id], offer, etag, move |done| sender.send(done).unwrap_or(()));
            return match answer.recv_timeout(Duration::from_secs(5)).expect("the node answers") {
                Ok(Trickle::Restarted { fragment, etag }) => {
                    respond(stream, &format!("200 OK\r\nETag: {etag}"), &fragment);
                }
                Ok(_) => respond(stream, "204 No Content", ""),
                Err(error) => {
                    respond(stream, "412 Precondition Failed", &format!("{{\"detail\":\"{error}\"}}"));
                }
            };
        }
        ["DELETE", "", "session", id, ..] => {
            let id = sessions.remove(id).expect("a session of ours");
            node.close(id, |_| {});
            return respond(stream, "200 OK", "");
        }
        _ => panic!("{head:?}"),
    }
    match answer.recv_timeout(Duration::from_secs(5)).expect("the node answers") {
        Ok(session) => {
            sessions.insert(session.id.to_string(), session.id);
            respond(
                stream,
                &format!("201 Created\r\nLocation: /session/{}\r\nETag: {}", session.id, session.etag),
                &session.answer,
            );
        }
        Err(error) => {
            let body = format!("{{\"detail\":\"{error}\"}}");
            respond(stream, "409 Conflict\r\nRetry-After: 0", &body);
        }
    }
}

fn respond(mut stream: &TcpStream, status: &str, body: &str) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).expect("the client listens");
}
