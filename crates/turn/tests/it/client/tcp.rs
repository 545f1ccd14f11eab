//! TCP relays (RFC 6062).

use headwater_stun::Transport;
use headwater_turn::attribute::{CONNECT, CONNECTION_ATTEMPT, CONNECTION_BIND, ConnectionId, XorPeerAddress};
use headwater_turn::{AllocateOptions, ClientEvent, Error, Failure, RelayTransport};

use super::{Stage, address, indication, local, peer, refusal, served, server};

fn allocated() -> Stage {
    let mut options = AllocateOptions::default();
    options.transport = RelayTransport::Tcp;
    Stage::allocated(Transport::Tcp, options)
}

#[test]
fn a_connection_to_a_peer_is_taken_over_by_one_of_ours() {
    let mut stage = allocated();
    stage.client.connect(stage.now, peer()).expect("allocated");
    let request = stage.request();
    assert_eq!(
        (request.method(), request.message().attribute()),
        (CONNECT, Ok(Some(XorPeerAddress(peer()))))
    );
    stage.hear(&request, &served(&request)).expect("expected");
    let connection = ConnectionId(77);
    assert_eq!(stage.events(), [ClientEvent::Connected(peer(), connection)]);

    let local = address("192.0.2.9:5001");
    stage.client.bind_connection(stage.now, local, connection).expect("allocated");
    let request = stage.request();
    assert_eq!((request.method(), request.from, request.to), (CONNECTION_BIND, local, server()));
    assert_eq!(request.message().attribute(), Ok(Some(connection)));
    stage.hear(&request, &served(&request)).expect("expected");
    assert_eq!(stage.events(), [ClientEvent::ConnectionBound { connection, local }]);
    // The connection is the application's now.
    assert_eq!(stage.hear(&request, &served(&request)), Err(Error::Unexpected));
}

#[test]
fn a_peer_that_connects_is_told_if_it_is_permitted() {
    let mut stage = allocated();
    let connection = ConnectionId(5);
    let bytes =
        indication(CONNECTION_ATTEMPT, |it| it.attribute(&XorPeerAddress(peer())).attribute(&connection));
    assert_eq!(stage.data(&bytes), Err(Error::NotPermitted));
    stage.client.permit(stage.now, peer().ip()).expect("allocated");
    stage.serve();
    stage.events();
    assert_eq!(stage.data(&bytes), Ok(None));
    assert_eq!(stage.events(), [ClientEvent::PeerConnected(peer(), connection)]);
}

#[test]
fn failures_are_told() {
    let mut stage = allocated();
    for code in [403, 446, 447] {
        stage.client.connect(stage.now, peer()).expect("allocated");
        stage.refuse(code);
        assert_eq!(stage.events(), [ClientEvent::ConnectFailed(peer(), Failure::Refused(code))]);
    }
    let (connection, local) = (ConnectionId(5), address("192.0.2.9:5001"));
    stage.client.bind_connection(stage.now, local, connection).expect("allocated");
    let request = stage.request();
    stage.hear(&request, &refusal(&request, 400)).expect("expected");
    let failure = Failure::Refused(400);
    assert_eq!(stage.events(), [ClientEvent::BindFailed { connection, local, failure }]);
}

#[test]
fn connections_need_a_relay_for_tcp_and_have_bounds() {
    let mut udp = Stage::allocated(Transport::Tcp, AllocateOptions::default());
    assert_eq!(udp.client.connect(udp.now, peer()), Err(Error::NotAllocated));
    assert_eq!(udp.client.bind_connection(udp.now, local(), ConnectionId(1)), Err(Error::NotAllocated));
    let mut stage = allocated();
    assert!((0..32).all(|_| stage.client.connect(stage.now, peer()).is_ok()));
    assert_eq!(stage.client.connect(stage.now, peer()), Err(Error::Overloaded));
}
