//! Relays for connections (RFC 6062).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use headwater_interop::isolated_once;
use headwater_stun::Transport;
use headwater_turn::{AllocateOptions, ClientEvent, Failure, RelayTransport};

use super::session::Session;
use super::{Coturn, LIMIT};

fn allocated(coturn: &Coturn) -> (Session, SocketAddr) {
    let mut options = AllocateOptions::default();
    options.transport = RelayTransport::Tcp;
    let mut session = Session::new(Transport::Tcp, coturn.address());
    let relayed = session.allocate(options);
    (session, relayed)
}

/// A megabyte each way, so that buffers fill.
fn talk(mut ours: TcpStream, mut theirs: TcpStream) {
    theirs.set_read_timeout(Some(LIMIT)).expect("a timeout");
    let data: Vec<u8> = (0..1_000_000_u32).map(|it| (it % 251).to_be_bytes()[3]).collect();
    for (from, to) in [(&mut ours, &mut theirs)] {
        for _ in 0..2 {
            let mut writer = from.try_clone().expect("a handle");
            let sent = data.clone();
            let writing = std::thread::spawn(move || writer.write_all(&sent).expect("written"));
            let mut got = vec![0; data.len()];
            to.read_exact(&mut got).expect("all of it");
            writing.join().expect("written");
            assert!(got == data, "what was sent comes out");
            std::mem::swap(from, to);
        }
    }
}

#[test]
fn a_peer_is_connected_to() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let (mut session, _) = allocated(&coturn);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let peer = listener.local_addr().expect("an address");
        session.permit(peer);
        session.client.connect(Instant::now(), peer).expect("allocated");
        let ClientEvent::Connected(who, connection) = session.event() else { panic!("a connection") };
        assert_eq!(who, peer);
        let theirs = listener.accept().expect("the server's connection").0;
        talk(session.bind(connection), theirs);
    });
}

#[test]
fn a_peer_that_does_not_listen_is_told() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let (mut session, _) = allocated(&coturn);
        let peer = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("an address");
        session.permit(peer);
        session.client.connect(Instant::now(), peer).expect("allocated");
        assert_eq!(session.event(), ClientEvent::ConnectFailed(peer, Failure::Refused(447)));
    });
}

#[test]
fn a_peer_connects_to_us() {
    isolated_once(|| {
        let coturn = Coturn::start(&[]);
        let (mut session, relayed) = allocated(&coturn);
        session.permit(relayed);
        let theirs = TcpStream::connect(relayed).expect("the relay listens");
        let ClientEvent::PeerConnected(who, connection) = session.event() else { panic!("a peer") };
        assert_eq!(who, theirs.local_addr().expect("an address"));
        talk(session.bind(connection), theirs);
    });
}
