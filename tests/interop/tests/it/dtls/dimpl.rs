//! dimpl, an independent implementation of DTLS 1.3 and 1.2, in this process.

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Config, Dtls, DtlsCertificate, Output, SrtpProfile};
use headwater_interop::isolated_once;

use super::{Echo, Identity, LIMIT, LINE};

type Make = fn(Arc<Config>, DtlsCertificate, Instant) -> Dtls;

/// What dimpl says of its handshake.
struct Agreed {
    profile: &'static str,
    exported: String,
}

struct Peer {
    dtls: Dtls,
    socket: UdpSocket,
    remote: Option<SocketAddr>,
    agreed: Option<Agreed>,
    is_connected: bool,
    received: Vec<u8>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file of an identity as DER.
fn der(arguments: &[&str], file: &std::path::Path) -> Vec<u8> {
    let output = Command::new("openssl").args(arguments).arg("-in").arg(file).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Peer {
    fn new(make: Make, remote: Option<SocketAddr>) -> Self {
        let identity = Identity::new("ec");
        let certificate = DtlsCertificate {
            certificate: der(&["x509", "-outform", "der"], &identity.certificate()),
            private_key: der(&["pkcs8", "-topk8", "-nocrypt", "-outform", "der"], &identity.key()),
        };
        let now = Instant::now();
        let mut dtls = make(Arc::new(Config::default()), certificate, now);
        dtls.set_active(remote.is_some());
        dtls.handle_timeout(now).expect("it begins");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let received = Vec::new();
        Self { dtls, socket, remote, agreed: None, is_connected: false, received }
    }

    fn port(&self) -> u16 {
        self.socket.local_addr().expect("bound").port()
    }

    /// Runs it until `done`.
    fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let mut datagram = [0; 65_536];
        loop {
            let next = self.drain();
            if done(self) {
                return;
            }
            let now = Instant::now();
            assert!(now < deadline, "dimpl: {what}: nothing within {LIMIT:?}");
            let wait = next.min(deadline).saturating_duration_since(now).max(Duration::from_millis(1));
            self.socket.set_read_timeout(Some(wait)).expect("a time-out");
            match self.socket.recv_from(&mut datagram) {
                Ok((len, from)) => {
                    let remote = *self.remote.get_or_insert(from);
                    if from == remote {
                        self.dtls.handle_packet(&datagram[..len]).expect("dimpl takes it");
                    }
                }
                Err(_) => self.dtls.handle_timeout(Instant::now()).expect("dimpl goes on"),
            }
        }
    }

    /// Takes what it has to say; returns when it wants to be called.
    fn drain(&mut self) -> Instant {
        let mut buf = vec![0; 65_536];
        loop {
            match self.dtls.poll_output(&mut buf) {
                Output::Packet(packet) => {
                    let remote = self.remote.expect("it speaks to somebody");
                    self.socket.send_to(packet, remote).expect("sent");
                }
                Output::Timeout(at) => return at,
                Output::Connected => self.is_connected = true,
                Output::KeyingMaterial(keys, profile) => {
                    let profile = match profile {
                        SrtpProfile::AES128_CM_SHA1_80 => "SRTP_AES128_CM_SHA1_80",
                        SrtpProfile::AEAD_AES_128_GCM => "SRTP_AEAD_AES_128_GCM",
                        SrtpProfile::AEAD_AES_256_GCM => "SRTP_AEAD_AES_256_GCM",
                        other => panic!("a profile that we did not offer: {other:?}"),
                    };
                    self.agreed = Some(Agreed { profile, exported: hex(&keys) });
                }
                Output::ApplicationData(data) => self.received.extend_from_slice(data),
                _ => {}
            }
        }
    }

    fn has_line(&self) -> bool {
        self.received == format!("{LINE}\n").as_bytes()
    }

    fn send_line(&mut self) {
        self.dtls.send_application_data(format!("{LINE}\n").as_bytes()).expect("it is connected");
        self.drain();
    }

    fn agrees(&self, echo: &Echo, version: &str) {
        let ours = echo.agreed();
        println!("{ours}");
        let theirs = self.agreed.as_ref().expect("keys");
        assert_eq!(ours["version"], version);
        assert_eq!(ours["profile"], theirs.profile);
        assert_eq!(ours["exported"], theirs.exported);
        assert!(ours["peer_fingerprint"].is_string());
    }
}

fn connects_to_us(make: Make, version: &str, arguments: &[&str]) {
    let (echo, port) = Echo::listen(arguments);
    let mut peer = Peer::new(make, Some(SocketAddr::from(([127, 0, 0, 1], port))));
    peer.run_until("connect", |peer| peer.is_connected && peer.agreed.is_some());
    peer.send_line();
    peer.run_until("the echo", Peer::has_line);
    peer.agrees(&echo, version);
}

fn is_connected_to(make: Make, version: &str, arguments: &[&str]) {
    let mut peer = Peer::new(make, None);
    let mut echo = Echo::connect(peer.port(), arguments);
    peer.run_until("our line", |peer| peer.is_connected && peer.agreed.is_some() && peer.has_line());
    peer.send_line();
    peer.agrees(&echo, version);
    echo.has_its_echo();
}

#[test]
fn dimpl_as_client_of_dtls13_has_our_keys() {
    isolated_once(|| connects_to_us(Dtls::new_13, "1.3", &[]));
}

#[test]
fn dimpl_as_client_of_dtls13_returns_our_cookie_and_has_our_keys() {
    isolated_once(|| connects_to_us(Dtls::new_13, "1.3", &["--cookie", "--profiles", "8"]));
}

#[test]
fn dimpl_as_client_of_dtls13_returns_our_cookie_with_the_share_that_we_ask_for() {
    let arguments = ["--cookie", "--groups", "secp384r1", "--profiles", "8"];
    isolated_once(|| connects_to_us(Dtls::new_13, "1.3", &arguments));
}

#[test]
fn dimpl_as_client_of_dtls12_returns_our_cookie() {
    isolated_once(|| connects_to_us(Dtls::new_12, "1.2", &["--cookie", "--dtls", "1.2"]));
}

#[test]
fn dimpl_as_client_of_dtls13_follows_our_hello_retry_request_to_another_group() {
    isolated_once(|| connects_to_us(Dtls::new_13, "1.3", &["--groups", "secp384r1", "--profiles", "1"]));
}

#[test]
fn dimpl_as_server_of_dtls13_has_our_keys() {
    isolated_once(|| is_connected_to(Dtls::new_13, "1.3", &[]));
}

#[test]
fn dimpl_as_server_of_dtls13_and_a_client_of_p384_have_the_same_keys() {
    isolated_once(|| is_connected_to(Dtls::new_13, "1.3", &["--groups", "secp384r1", "--profiles", "8"]));
}

#[test]
fn dimpl_of_dtls12_has_our_keys_as_client() {
    isolated_once(|| connects_to_us(Dtls::new_12, "1.2", &[]));
}

#[test]
fn dimpl_of_dtls12_has_our_keys_as_server() {
    isolated_once(|| is_connected_to(Dtls::new_12, "1.2", &[]));
}
