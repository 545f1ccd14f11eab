//! STUN servers that see this machine from outside, or say so.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use headwater_stun::{Message, MessageBuilder};

use super::broken::{assert_found, world};
use super::*;

/// A STUN server that sees every client at one address.
struct Outside {
    address: SocketAddr,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Outside {
    fn seeing(ip: &str) -> Self {
        let seen = SocketAddr::new(ip.parse().unwrap(), 40_000);
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let (address, ends) = (socket.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let is_over = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let mut buf = [0; 1500];
            while !is_over.load(Ordering::Relaxed) {
                let Ok((len, from)) = socket.recv_from(&mut buf) else { continue };
                let request = Message::parse(&buf[..len]).unwrap();
                let mut answer = Vec::new();
                let _ = MessageBuilder::success(&request, &mut answer).mapped(seen).fingerprint();
                socket.send_to(&answer, from).unwrap();
            }
        });
        Self { address, ends, thread: Some(thread) }
    }

    fn uri(&self) -> Uri {
        format!("stun:{}", self.address).parse().unwrap()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// What is found of [`world`] with these lines, if the machine is seen at `outer`.
fn seen_at(outer: &str, changed: &str) -> (String, Findings) {
    let (server, toml) = (Outside::seeing(outer), world(changed));
    let findings = diagnose_with(&toml, &machine(), &[server.uri()]);
    (toml, findings)
}

#[test]
fn another_address_outside_is_proposed() {
    let line = "advertise = [\"9.9.9.9\"]";
    for (changed, code) in [
        ("advertise = [\"192.168.7.7\"]", "advertise-outer"),
        ("advertise = [\"8.8.8.8\"]", "advertise-outer"),
        ("advertise = [\"10.9.9.9\"]", "advertise-foreign"),
        ("advertise = [\"127.0.0.1\"]", "advertise-loopback"),
    ] {
        let (toml, findings) = seen_at("9.9.9.9", changed);
        assert_found(&toml, &findings, code, line);
        assert!(!findings.has("advertise-private"), "{}", report::text(&findings));
        assert_eq!(findings.has("advertise-outer"), code == "advertise-outer", "once is enough");
    }
}

#[test]
fn a_stun_server_of_the_settings_is_asked_too() {
    let server = Outside::seeing("9.9.9.9");
    let servers = format!("advertise = [\"192.168.7.7\"]\n[[ice_servers]]\nurl = \"{}\"", server.uri());
    let toml = world(&servers);
    assert_found(&toml, &diagnose(&toml, &machine()), "advertise-outer", "advertise = [\"9.9.9.9\"]");
}

#[test]
fn an_address_that_clients_are_told_is_well() {
    let (_, findings) = seen_at("9.9.9.9", "advertise = [\"9.9.9.9\"]");
    let text = report::text(&findings);
    assert!(text.contains("outside, this machine is 9.9.9.9, as clients are told"), "{text}");
    assert!(!findings.has("advertise-outer") && !findings.has("advertise-private"), "{text}");
}

#[test]
fn one_of_several_addresses_of_its_own_is_well() {
    let both = ["9.9.9.9", "8.8.8.8"].map(|ip| ip.parse().unwrap()).to_vec();
    let machine = Machine { interfaces: both, ..machine() };
    let server = Outside::seeing("9.9.9.9");
    let findings = diagnose_with(&world("advertise = [\"8.8.8.8\"]"), &machine, &[server.uri()]);
    // Whether media answers there is another question: they are not this machine's.
    assert!(!findings.has("advertise-outer"), "{}", report::text(&findings));
}

#[test]
fn a_family_that_nobody_saw_keeps_its_address() {
    if UdpSocket::bind("[::]:0").is_err() {
        return;
    }
    let changed = "media = [\"0.0.0.0:0\", \"[::]:0\"]\nadvertise = [\"192.168.7.7\", \"2a00:1450::7\"]";
    let (toml, findings) = seen_at("9.9.9.9", changed);
    assert_found(&toml, &findings, "advertise-outer", "advertise = [\"9.9.9.9\", \"2a00:1450::7\"]");
}

#[test]
fn stun_servers_that_do_not_answer_or_are_not_outside() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let uri: Uri = format!("stun:{}", nobody.local_addr().unwrap()).parse().unwrap();
    let toml = world(&format!("[[ice_servers]]\nurl = \"{uri}\""));
    assert_found(&toml, &diagnose(&toml, &machine()), "stun-unreachable", "url = \"stun:");
    let toml = world("");
    let findings = diagnose_with(&toml, &machine(), &[uri]);
    assert_found(&toml, &findings, "stun-unreachable", "--stun stun:");
    let unknown = "stun:no-such-host.invalid".parse().unwrap();
    assert_found(&toml, &diagnose_with(&toml, &machine(), &[unknown]), "stun-unreachable", "--stun stun:");
    let (toml, findings) = seen_at("192.168.7.7", "");
    assert_found(&toml, &findings, "stun-inside", "--stun stun:");
}

/// The machine has an address that is kept from the doctor, as a NAT has one that leads here.
#[test]
fn an_address_that_was_seen_to_lead_here_is_not_doubted() {
    let own = if_addrs::get_if_addrs().unwrap().into_iter().map(|it| it.ip());
    let Some(own) = own.into_iter().find(|ip: &IpAddr| ip.is_ipv4() && !ip.is_loopback()) else { return };
    let findings = diagnose(&world(&format!("advertise = [\"{own}\"]")), &machine());
    let text = report::text(&findings);
    assert!(text.contains("which clients are told, leads here"), "{text}");
    assert!(!findings.has("advertise-foreign") && !findings.has("advertise-nat"), "{text}");
}
