//! Certificates that change while the server runs.

use headwater_relay::Relay;

use super::client::UdpClient;
use super::{identity, peer, secure_config};

#[test]
fn a_new_certificate_is_for_new_clients_and_old_ones_go_on() {
    let ((first, first_print), (second, second_print)) = (identity(), identity());
    let relay = Relay::start(secure_config(&first)).expect("it starts");
    let mut old = UdpClient::new([127, 0, 0, 1], &relay).secured();
    assert_eq!(old.shown, Some(first_print));
    old.allocate().expect("allocated");
    let (socket, address) = peer();
    old.bind(address);

    relay.set_identity(&second);
    // The workers are told, and take it up in their next turn.
    let renewed = (0..100).any(|_| {
        UdpClient::new([127, 0, 0, 1], &relay).secured().shown.as_deref() == Some(&second_print[..])
    });
    assert!(renewed);

    old.send(address, b"still here");
    let mut buffer = [0; 64];
    let (len, relayed) = socket.recv_from(&mut buffer).expect("relayed");
    assert_eq!(&buffer[..len], b"still here");
    socket.send_to(b"so am I", relayed).expect("sent");
    old.until("an answer", |old| old.data.pop());
}
