//! New keys, and where numbers and keys end.

use super::*;
use crate::message::key_update;

#[test]
fn an_answer_to_a_key_update_leaves_its_ack_and_waiting_data_alone() {
    let (mut client, mut server) = connected();
    client.send(b"before").unwrap();
    client.update_keys(client.now).unwrap();
    client.send(b"after").unwrap();
    carry(&mut client, &mut server);
    assert_eq!(data(&mut server), [b"before".to_vec(), b"after".to_vec()]);
    carry(&mut server, &mut client); // the ACK, and a KeyUpdate of its own
    assert_eq!(client.exchange.records.write_epoch(), Epoch(4), "without a retransmission");
    settle(&mut client, &mut server);
    assert_eq!(server.exchange.records.write_epoch(), Epoch(4));
    assert_eq!((client.poll_timeout(), server.poll_timeout()), (None, None));
}

#[test]
fn key_updates_leave_nothing_behind_in_the_transcript() {
    let (mut client, mut server) = connected();
    for _ in 0..20 {
        client.update_keys(client.now).unwrap();
        settle(&mut client, &mut server);
    }
    assert_eq!(server.exchange.records.write_epoch(), Epoch(3 + 20), "each was answered");
    assert!(client.exchange.transcript.is_empty() && server.exchange.transcript.is_empty());
}

#[test]
fn a_flood_of_key_updates_is_answered_within_bounds_and_ends_at_the_last_epoch() {
    let (mut client, mut server) = connected();
    // Each with the next keys, all before the server is polled even once.
    for _ in 0..2_000 {
        let number = client.exchange.next_message_seq;
        let epoch = client.exchange.records.write_epoch();
        let mut body = Vec::new();
        key_update::emit(true, &mut body);
        let datagram = seal(
            &mut client,
            epoch,
            ContentType::HANDSHAKE,
            &message(HandshakeType::KEY_UPDATE, number, &body),
        );
        client.exchange.next_message_seq += 1;
        server.handle_datagram(server.now, &datagram).unwrap();
        let Phase::Established(phase) = &mut client.phase else { panic!("it is connected") };
        let keys = phase.rekey.as_mut().unwrap().next_keys(Role::Client);
        client.exchange.records.install_write(Epoch(epoch.0 + 1), keys);
        client.exchange.records.retire_writers_below(Epoch(epoch.0 + 1));
    }
    assert_eq!(server.exchange.records.read_epoch(), Epoch(3 + 2_000));
    assert!(server.outgoing.len() <= MAX_QUEUED + 1, "{}", server.outgoing.len());
    assert_eq!(
        server.exchange.records.write_epoch(),
        Epoch::DATA,
        "ours change once the peer says that it knows"
    );
}

#[test]
fn message_numbers_end_and_never_begin_again() {
    let (mut client, mut server) = connected();
    server.exchange.next_message_seq = u16::MAX;
    server.update_keys(server.now).unwrap();
    assert!(take(&mut server).is_empty(), "there is no number left to say it with");
    server.send(b"goes on").unwrap();
    settle(&mut client, &mut server);
    assert_eq!(data(&mut client), [b"goes on"]);

    // The last number counts once.
    client.exchange.next_message_seq = u16::MAX;
    while !server.reassembly.is_behind(u16::MAX - 1) {
        server.reassembly.advance();
    }
    let last = message(HandshakeType::KEY_UPDATE, u16::MAX, &[0]);
    for _ in 0..2 {
        let datagram = seal(&mut client, Epoch::DATA, ContentType::HANDSHAKE, &last);
        server.handle_datagram(server.now, &datagram).unwrap();
        assert_eq!(server.exchange.records.read_epoch(), Epoch(4));
    }
}

#[test]
fn a_key_that_is_worn_out_protects_nothing_more() {
    let (mut client, mut server) = connected();
    client.exchange.records.wear_out((1 << 24) - 1, (1 << 36) - 1);
    client.send(b"the last one").unwrap();
    assert_eq!(client.send(b"one too many"), Err(Error::LimitReached));
    server.send(b"the last one").unwrap();
    let good = take(&mut server).remove(0);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(client.handle_datagram(client.now, &forged), Err(Error::Unauthentic));
    assert_eq!(client.handle_datagram(client.now, &good), Err(Error::LimitReached));
}

#[test]
fn an_update_that_was_given_up_can_be_made_again() {
    for is_heard in [false, true] {
        let (mut client, mut server) = connected();
        server.update_keys(server.now).unwrap();
        // Nothing of the client's arrives for longer than anybody waits; of the server's nothing, or everything.
        for _ in 0..100 {
            let sent = take(&mut server);
            if is_heard {
                sent.iter().for_each(|datagram| client.handle_datagram(client.now, datagram).unwrap());
                take(&mut client);
            }
            let Some(next) = server.poll_timeout() else { break };
            server.handle_timeout(next);
        }
        assert_eq!(server.poll_timeout(), None, "given up");
        client.handle_timeout(server.now);
        server.update_keys(server.now).unwrap();
        settle(&mut client, &mut server);
        assert_eq!(server.exchange.records.write_epoch(), Epoch(4), "{is_heard}");
        client.send(b"to the server").unwrap();
        server.send(b"to the client").unwrap();
        settle(&mut client, &mut server);
        assert_eq!(data(&mut server), [b"to the server"]);
        assert_eq!(data(&mut client), [b"to the client"]);
    }
}

#[test]
fn a_key_update_is_acknowledged_only_when_it_was_obeyed() {
    let (mut client, mut server) = connected();
    let number = server.exchange.next_message_seq;
    let ticket = message(HandshakeType::NEW_SESSION_TICKET, number, b"ticket");
    let ticket = seal(&mut server, Epoch::DATA, ContentType::HANDSHAKE, &ticket);
    let update = message(HandshakeType::KEY_UPDATE, number + 1, &[0]);
    let update = seal(&mut server, Epoch::DATA, ContentType::HANDSHAKE, &update);
    client.handle_datagram(client.now, &update).unwrap();
    assert!(take(&mut client).is_empty(), "what comes before it is missing");
    client.handle_datagram(client.now, &ticket).unwrap();
    assert_eq!(take(&mut client).len(), 1);
    assert_eq!(client.exchange.records.read_epoch(), Epoch(4));
}

#[test]
fn updates_of_both_at_once_meet() {
    let (mut client, mut server) = connected();
    client.update_keys(client.now).unwrap();
    server.update_keys(server.now).unwrap();
    // The first ACKs of both are lost.
    let (from_client, from_server) = (take(&mut client), take(&mut server));
    from_client.iter().for_each(|datagram| server.handle_datagram(server.now, datagram).unwrap());
    from_server.iter().for_each(|datagram| client.handle_datagram(client.now, datagram).unwrap());
    take(&mut client);
    take(&mut server);
    for _ in 0..10 {
        let now = client.now + Duration::from_millis(400);
        client.handle_timeout(now);
        server.handle_timeout(now);
        settle(&mut client, &mut server);
    }
    assert_eq!((client.poll_timeout(), server.poll_timeout()), (None, None));
    client.send(b"x").unwrap();
    server.send(b"y").unwrap();
    settle(&mut client, &mut server);
    assert_eq!((data(&mut server), data(&mut client)), (vec![b"x".to_vec()], vec![b"y".to_vec()]));
}
