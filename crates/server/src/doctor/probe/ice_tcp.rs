//! ICE over TCP (RFC 6544): a check in a frame, on the port that HTTP shares.

use std::io;
use std::net::SocketAddr;

use headwater_ice::framing::{self, Deframer};
use headwater_stun::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::super::finding::Findings;
use super::super::patient::{Patient, here};
use super::super::sockets;
use super::session::{Check, Session};
use super::way::{self, PATIENCE};

/// Does every shared port answer?
pub(super) async fn check(patient: &Patient<'_>, session: &Session, findings: &mut Findings) {
    if session.tcp.is_empty() {
        return;
    }
    for address in patient.tcp.iter().copied() {
        match ask(here(address), &session.check()).await {
            Ok(()) => findings.well(format!("ICE over TCP answers at {address}")),
            Err(error) => findings.fault(
                "ice-tcp-silent",
                format!("ICE over TCP does not answer at {address}: {error}"),
                "Clients whose network blocks UDP do not connect. An HTTP proxy in front of this port breaks it, too.",
                sockets::firewall_line("tcp", address.port()),
            ),
        }
    }
}

async fn ask(server: SocketAddr, check: &Check<'_>) -> io::Result<()> {
    let mut stream = way::connect(server, false, b"").await?.stream;
    let mut framed = Vec::new();
    framing::frame(&check.request, &mut framed).map_err(io::Error::other)?;
    let exchange = async {
        stream.write_all(&framed).await?;
        stream.flush().await?;
        let (mut deframer, mut buf) = (Deframer::new(), [0; 2048]);
        loop {
            let len = stream.read(&mut buf).await?;
            if len == 0 {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let mut input = &buf[..len];
            while let Some(frame) = deframer.next_frame(&mut input) {
                if Message::parse(frame).is_ok_and(|message| check.is_answered_by(&message)) {
                    return Ok(());
                }
            }
        }
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
