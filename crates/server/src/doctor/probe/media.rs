//! The media port, asked over UDP as a client would: a Binding request (RFC 8489 §3).

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use headwater_stun::attribute::XorMappedAddress;
use headwater_stun::{Class, Message, MessageBuilder, Method, TransactionId};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::super::finding::Findings;
use super::super::patient::{Patient, here};
use super::super::sockets;
use super::session::Session;
use crate::seed;

/// Waits for an answer, one after each time that the request is sent.
const WAITS: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(600), Duration::from_millis(1200)];
/// Longest answer.
const MAX_DATAGRAM: usize = 2048;
/// Most addresses asked of each kind: a session validates no more than eight (`headwater_ice`).
const MAX_ASKED: usize = 4;

/// Does UDP answer at every media address, and at every address that clients are told? Returns those of no interface that
/// lead here.
pub(super) async fn check(
    patient: &Patient<'_>,
    session: Option<&Session>,
    findings: &mut Findings,
) -> Vec<SocketAddr> {
    let mut proven = Vec::new();
    // Without TURN the server is silent to strangers; then a session's check must ask.
    if patient.config.no_turn && session.is_none() {
        return proven;
    }
    let needed = session.filter(|_| patient.config.no_turn);
    for address in patient.media.iter().copied().take(MAX_ASKED) {
        match ask(needed, here(address)).await {
            Ok(()) => findings.well(format!("UDP {address} answers STUN")),
            Err(error) => findings.fault(
                "media-unreachable",
                format!("UDP {address} does not answer STUN: {error}"),
                "No media gets in: a firewall of this machine drops it, or another program has the port.",
                sockets::firewall_line("udp", address.port()),
            ),
        }
    }
    // What does not answer at its own address answers nowhere else.
    if findings.has("media-unreachable") {
        return proven;
    }
    for address in patient.advertised.iter().copied().take(MAX_ASKED) {
        let is_here = patient.machine.has(address.ip());
        // Who answers at another's address may be another: a session's check is answered by its server alone.
        match ask(if is_here { needed } else { session }, address).await {
            Ok(()) if is_here || session.is_none() => {}
            Ok(()) => {
                findings.well(format!("UDP {address}, which clients are told, leads here"));
                proven.push(address);
            }
            Err(error) if is_here => findings.fault(
                "media-unreachable",
                format!("UDP {address}, which clients are told, does not answer STUN: {error}"),
                "Media listens, but not at this address.",
                format!("advertise = [\"{}\"]", here(patient.media.first().copied().unwrap_or(address)).ip()),
            ),
            // From inside it answers only if the NAT hairpins (RFC 4787 §6): nothing is known.
            Err(_) => {}
        }
    }
    proven
}

async fn ask(session: Option<&Session>, server: SocketAddr) -> io::Result<()> {
    match session {
        Some(session) => {
            let check = session.check();
            exchange(server, &check.request, |answer| check.is_answered_by(answer)).await
        }
        None => binding(server).await.map(drop),
    }
}

/// Asks a STUN server once, with repetitions, and returns the address that it sees.
pub(super) async fn binding(server: SocketAddr) -> io::Result<SocketAddr> {
    let (id, mut request, seen) = (transaction_id(), Vec::new(), Cell::new(None));
    let _ = MessageBuilder::request(Method::BINDING, id, &mut request).fingerprint();
    exchange(server, &request, |answer| {
        if answer.class() != Class::Success || answer.transaction_id() != id {
            return false;
        }
        seen.set(answer.attribute::<XorMappedAddress>().ok().flatten());
        true
    })
    .await?;
    seen.get()
        .map(|XorMappedAddress(address)| address)
        .ok_or_else(|| io::Error::other("the answer lacks the address"))
}

/// Sends a request until an answer comes that fits.
async fn exchange(server: SocketAddr, request: &[u8], fits: impl Fn(&Message<'_>) -> bool) -> io::Result<()> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let mut buf = [0; MAX_DATAGRAM];
    for wait in WAITS {
        // A port that nobody has says so by an error at the next call.
        socket.send(request).await?;
        let answered = timeout(wait, async {
            loop {
                let len = socket.recv(&mut buf).await?;
                if Message::parse(&buf[..len]).is_ok_and(|message| fits(&message)) {
                    return Ok(());
                }
            }
        });
        if let Ok(answered) = answered.await {
            return answered;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

pub(super) fn transaction_id() -> TransactionId {
    let seed = seed::seed();
    let id = seed.first_chunk().expect("a seed is longer");
    TransactionId::new(*id)
}
