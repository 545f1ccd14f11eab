//! Our STUN client against coturn: what address does it see, and with proof.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use headwater_interop::isolated_once;
use headwater_interop::process::Process;
use headwater_interop::tools::example;
use headwater_stun::{Client, ClientConfig, Datagram, Event, LongTerm, Message, Refusal, Transport};

use super::{Coturn, LIMIT, PASSWORD, USER};

/// Asks over one connection or socket; the server answers or the test fails.
fn ask(coturn: &Coturn, transport: Transport, credentials: Option<LongTerm>) -> Event {
    let server = coturn.address();
    let mut config = ClientConfig::default();
    config.credentials = credentials;
    let now = Instant::now();
    let mut client = Client::new(config, [9; 32], now).expect("a valid config");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    udp.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let mut tcp = TcpStream::connect(server).expect("a connection");
    tcp.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let local = if transport == Transport::Tcp { tcp.local_addr() } else { udp.local_addr() };
    let local = local.expect("an address");
    client.binding(now, transport, local, server).expect("room");
    let (mut out, mut stream) = (Vec::new(), Vec::new());
    loop {
        if let Some(event) = client.poll_event() {
            return event;
        }
        assert!(client.poll_transmit(Instant::now(), &mut out).is_some(), "one round after the other");
        let mut buffer = [0; 2000];
        if transport == Transport::Tcp {
            tcp.write_all(&out).expect("written");
            loop {
                if let Some(length) = Message::len_in_stream(&stream).expect("STUN")
                    && length <= stream.len()
                {
                    let message: Vec<u8> = stream.drain(..length).collect();
                    let datagram = Datagram::new(transport, local, server, &message);
                    client.handle_datagram(Instant::now(), datagram).expect("an answer");
                    break;
                }
                let length = tcp.read(&mut buffer).expect("bytes");
                assert!(length > 0, "the server has closed the connection");
                stream.extend_from_slice(&buffer[..length]);
            }
        } else {
            udp.send_to(&out, server).expect("sent");
            let (length, from) = udp.recv_from(&mut buffer).expect("an answer");
            let datagram = Datagram::new(transport, local, from, &buffer[..length]);
            client.handle_datagram(Instant::now(), datagram).expect("an answer");
        }
        out.clear();
    }
}

#[test]
fn the_mapped_address_is_told_over_udp_and_tcp() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        for transport in [Transport::Udp, Transport::Tcp] {
            let event = ask(&coturn, transport, None);
            assert!(matches!(event, Event::Mapped { mapped, local, .. } if mapped == local), "{event:?}");
        }
    });
}

#[test]
fn a_server_that_wants_proof_gets_it() {
    isolated_once(|| {
        let coturn = Coturn::start(&["--secure-stun"]);
        for transport in [Transport::Udp, Transport::Tcp] {
            let event = ask(&coturn, transport, Some(LongTerm::new(USER, PASSWORD)));
            assert!(matches!(event, Event::Mapped { mapped, local, .. } if mapped == local), "{event:?}");
            let event = ask(&coturn, transport, Some(LongTerm::new(USER, "wrong")));
            assert!(matches!(event, Event::Denied { refusal: Refusal::BadCredentials, .. }), "{event:?}");
            assert!(matches!(ask(&coturn, transport, None), Event::Refused { code: 401, .. }));
        }
    });
}

#[test]
fn the_example_prints_an_address() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let mut command = Command::new(example("public_address").expect("the example"));
        command.arg(coturn.address().to_string());
        let mut example = Process::start("public_address", command).expect("public_address");
        assert!(example.wait_for_end(LIMIT).expect("it ends").success());
        let line =
            example.log().wait_for("an address", Duration::ZERO, |line| line.starts_with("127.0.0.1:"));
        line.expect("an address");
    });
}
