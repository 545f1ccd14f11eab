//! A full ICE agent on real sockets, signalled by lines: for tests against other implementations, and to try out paths.
//!
//! ```text
//! ice_agent --role controlling|controlled --bind IP [--bind IP ..] [--tcp] [--aggressive] [--renomination]
//! ```
//!
//! It prints its own side, and takes the peer's on standard input in the same form:
//!
//! ```text
//! credentials UFRAG PASSWORD
//! candidate candidate:..
//! end-of-candidates
//! ```
//!
//! Further input: `send TEXT` (along the selected path), `restart`, `close`. Further output: `selected TRANSPORT LOCAL REMOTE`,
//! `nominated`, `role ROLE`, `data TEXT`, `failed`, `closed REASON`. With `--tcp` it has active and passive TCP candidates
//! too (RFC 6544), which shows how an owner opens, accepts and ends connections for the agent.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use headwater_examples::{Outcome, fresh_seed};
use headwater_ice::framing::{Deframer, frame};
use headwater_ice::{
    Agent, AgentConfig, Candidate, Credentials, Event, NominationMode, Path, Role, TcpType, interleave,
};
use headwater_stun::{Datagram, Transport};

/// What readers have read and the loop has not taken yet; then they wait.
const MAX_WAITING: usize = 1024;
/// How long the operating system may try to open a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// What is printed of data: tests send short lines.
const MAX_PRINTED: usize = 1000;

/// What the threads that wait bring.
enum Input {
    Line(String),
    EndOfLines,
    Datagram(Path, Vec<u8>),
    /// A connection that the agent has asked for, or that somebody has opened.
    Opened(Option<Path>, TcpStream),
    /// One that has ended, or could not be opened.
    Ended(Path),
}

fn main() -> Outcome {
    let Arguments { config, ips, tcp } = parse_arguments()?;
    let (inputs, received) = sync_channel(MAX_WAITING);
    let renomination = config.renomination;
    let mut agent = Agent::new(config, fresh_seed()?, Instant::now())?;
    if renomination {
        // In SDP each side would see it in the other's ice-options.
        agent.set_remote_renominates();
    }
    let mut candidates = Vec::new();
    let mut owner = Owner { sockets: HashMap::new(), connections: HashMap::new(), inputs };
    for ip in ips {
        candidates.push(Candidate::host(owner.bind(ip)?));
        if tcp {
            candidates.push(Candidate::host(owner.listen(ip)?).with_tcp(TcpType::Passive));
            candidates.push(Candidate::host(SocketAddr::new(ip, 0)).with_tcp(TcpType::Active));
        }
    }
    interleave(&mut candidates);
    for candidate in &candidates {
        agent.add_local_candidate(candidate.clone())?;
    }
    owner.read_lines();
    describe(&agent, &candidates)?;
    let mut told = (false, agent.role());
    loop {
        owner.transmit(&mut agent);
        while let Some(event) = agent.poll_event() {
            match event {
                Event::Connect(path) => owner.connect(path),
                Event::Removed(path) => owner.close(&path),
                Event::PathSelected(path) => {
                    print_line(&format!("selected {:?} {} {}", path.transport, path.local, path.remote))?;
                }
                Event::Failed => print_line("failed")?,
                Event::Closed { reason } => {
                    print_line(&format!("closed {reason:?}"))?;
                    return Ok(());
                }
                _ => {}
            }
        }
        let state = (agent.is_nominated(), agent.role());
        if state.1 != told.1 {
            print_line(&format!("role {:?}", state.1))?;
        }
        if state.0 && !told.0 {
            print_line("nominated")?;
        }
        told = state;
        let wait = agent.poll_timeout().map(|at| at.saturating_duration_since(Instant::now()));
        let input = match received.recv_timeout(wait.unwrap_or(Duration::from_secs(3600))) {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => {
                agent.handle_timeout(Instant::now());
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return Err("all inputs have ended".into()),
        };
        let now = Instant::now();
        match input {
            Input::Line(line) => {
                if let Err(error) = owner.obey(&mut agent, &candidates, line.trim()) {
                    eprintln!("`{line}`: {error}");
                }
            }
            Input::EndOfLines => agent.close(),
            // STUN is told from media by its first two bits (RFC 7983); media counts once its address is validated.
            Input::Datagram(path, contents) if contents.first().is_some_and(|it| *it < 4) => {
                let datagram = Datagram::new(path.transport, path.local, path.remote, &contents);
                if let Err(error) = agent.handle_datagram(now, datagram) {
                    eprintln!("refused a datagram from {}: {error}", path.remote);
                }
            }
            Input::Datagram(path, contents) if agent.is_validated(&path) => {
                agent.note_received(now, &path);
                let shown = contents.get(..MAX_PRINTED).unwrap_or(&contents);
                print_line(&format!("data {}", String::from_utf8_lossy(shown)))?;
            }
            Input::Datagram(..) => {}
            Input::Opened(asked, stream) => owner.opened(&mut agent, asked, stream)?,
            Input::Ended(path) => {
                owner.close(&path);
                agent.path_closed(now, &path);
            }
        }
    }
}

/// Prints our side of the signalling.
fn describe(agent: &Agent, candidates: &[Candidate]) -> Outcome {
    let Credentials { ufrag, password } = agent.local_credentials();
    print_line(&format!("credentials {ufrag} {password}"))?;
    for candidate in candidates {
        print_line(&format!("candidate {candidate}"))?;
    }
    print_line("end-of-candidates")
}

/// Everything that an agent has no hands for: sockets and threads.
struct Owner {
    sockets: HashMap<SocketAddr, UdpSocket>,
    connections: HashMap<Path, TcpStream>,
    inputs: SyncSender<Input>,
}

impl Owner {
    fn bind(&mut self, ip: IpAddr) -> Outcome<SocketAddr> {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        let (local, reader, inputs) = (socket.local_addr()?, socket.try_clone()?, self.inputs.clone());
        self.sockets.insert(local, socket);
        spawn(move || {
            let mut received = [0; 65_536];
            loop {
                // An error is that of a datagram sent before, which somebody refused by ICMP.
                let Ok((len, remote)) = reader.recv_from(&mut received) else { continue };
                let path = Path::new(Transport::Udp, local, remote);
                if inputs.send(Input::Datagram(path, received[..len].to_vec())).is_err() {
                    return;
                }
            }
        });
        Ok(local)
    }

    fn listen(&self, ip: IpAddr) -> Outcome<SocketAddr> {
        let listener = TcpListener::bind(SocketAddr::new(ip, 0))?;
        let (local, inputs) = (listener.local_addr()?, self.inputs.clone());
        spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if inputs.send(Input::Opened(None, stream)).is_err() {
                    return;
                }
            }
        });
        Ok(local)
    }

    fn read_lines(&self) {
        let inputs = self.inputs.clone();
        spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if inputs.send(Input::Line(line)).is_err() {
                    return;
                }
            }
            let _ = inputs.send(Input::EndOfLines);
        });
    }

    /// Opens a connection. (Which address of ours it leaves from is the routing table's choice here; a host with several
    /// would bind it to `asked.local`'s first.)
    fn connect(&self, asked: Path) {
        let inputs = self.inputs.clone();
        spawn(move || {
            let _ = inputs.send(match TcpStream::connect_timeout(&asked.remote, CONNECT_WITHIN) {
                Ok(stream) => Input::Opened(Some(asked), stream),
                Err(_) => Input::Ended(asked),
            });
        });
    }

    fn opened(&mut self, agent: &mut Agent, asked: Option<Path>, stream: TcpStream) -> Outcome {
        let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else { return Ok(()) };
        stream.set_nodelay(true)?;
        let path = Path::new(Transport::Tcp, local, remote);
        if asked.is_some_and(|it| agent.connected(Instant::now(), &it, local).is_err()) {
            return Ok(());
        }
        let (mut reader, inputs) = (stream.try_clone()?, self.inputs.clone());
        self.connections.insert(path, stream);
        spawn(move || {
            let (mut deframer, mut received) = (Deframer::new(), [0; 4096]);
            while let Ok(len @ 1..) = reader.read(&mut received) {
                let mut bytes = &received[..len];
                while let Some(frame) = deframer.next_frame(&mut bytes) {
                    if inputs.send(Input::Datagram(path, frame.to_vec())).is_err() {
                        return;
                    }
                }
            }
            let _ = inputs.send(Input::Ended(path));
        });
        Ok(())
    }

    fn close(&mut self, path: &Path) {
        if let Some(stream) = self.connections.remove(path) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn transmit(&mut self, agent: &mut Agent) {
        let mut buf = Vec::new();
        while let Some(it) = agent.poll_transmit(Instant::now(), &mut buf) {
            self.send(&Path::new(it.transport, it.local, it.remote), &buf);
            buf.clear();
        }
    }

    /// Sends one datagram. What the system refuses is lost, as on the network.
    fn send(&mut self, path: &Path, contents: &[u8]) {
        if path.transport == Transport::Tcp {
            let mut framed = Vec::new();
            let connection = self.connections.get_mut(path).filter(|_| frame(contents, &mut framed).is_ok());
            if connection.is_some_and(|it| it.write_all(&framed).is_err()) {
                self.close(path);
            }
        } else if let Some(socket) = self.sockets.get(&path.local) {
            let _ = socket.send_to(contents, path.remote);
        }
    }

    fn obey(&mut self, agent: &mut Agent, candidates: &[Candidate], line: &str) -> Outcome {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "credentials" => {
                let (ufrag, password) = rest.split_once(' ').ok_or("a password is missing")?;
                agent.set_remote_credentials(Credentials::new(ufrag, password)?)?;
            }
            "candidate" => agent.add_remote_candidate(rest.parse()?)?,
            "end-of-candidates" => agent.end_of_remote_candidates(),
            "send" => {
                let path = agent.selected_path().ok_or("no path is selected")?;
                self.send(&path, rest.as_bytes());
            }
            "restart" => {
                agent.restart(Instant::now(), Credentials::generate(fresh_seed()?, ""))?;
                describe(agent, candidates)?;
            }
            "close" => agent.close(),
            _ => return Err("unknown command".into()),
        }
        Ok(())
    }
}

struct Arguments {
    config: AgentConfig,
    ips: Vec<IpAddr>,
    tcp: bool,
}

fn parse_arguments() -> Outcome<Arguments> {
    const USAGE: &str = "ice_agent --role controlling|controlled --bind IP [--bind IP ..] [--tcp] [--aggressive] [--renomination]";
    let (mut role, mut ips, mut tcp) = (None, Vec::new(), false);
    let (mut renomination, mut nomination) = (false, NominationMode::Regular);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--role" => {
                role = match words.next().as_deref() {
                    Some("controlling") => Some(Role::Controlling),
                    Some("controlled") => Some(Role::Controlled),
                    _ => return Err(USAGE.into()),
                };
            }
            "--bind" => ips.push(words.next().ok_or(USAGE)?.parse()?),
            "--tcp" => tcp = true,
            "--renomination" => renomination = true,
            "--aggressive" => nomination = NominationMode::Aggressive,
            _ => return Err(USAGE.into()),
        }
    }
    let mut config = AgentConfig::new(Credentials::generate(fresh_seed()?, ""), role.ok_or(USAGE)?);
    (config.renomination, config.nomination) = (renomination, nomination);
    if ips.is_empty() {
        return Err(USAGE.into());
    }
    Ok(Arguments { config, ips, tcp })
}

fn print_line(line: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
