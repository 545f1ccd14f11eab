//! Several workers on one port.

use std::collections::{HashMap, HashSet};
use std::net::UdpSocket;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use headwater_node::{Node, SessionInfo, Trickle};

use crate::client::{Client, PATIENCE, node, until};

/// What a question is answered.
fn answer<T: Send + 'static>(ask: impl FnOnce(Box<dyn FnOnce(T) + Send>)) -> T {
    let (sender, receiver) = channel();
    ask(Box::new(move |answer| drop(sender.send(answer))));
    receiver.recv_timeout(PATIENCE).expect("an answer")
}

fn sessions(node: &Node) -> Vec<SessionInfo> {
    answer(|reply| node.sessions(reply))
}

/// A live stream with so many viewers, all of whom see it.
fn watched(node: &Node, viewers: usize) -> Vec<Client> {
    let mut clients = vec![Client::publisher(node, "s")];
    until(&mut clients, "going live", |_| node.counters().streams == 1);
    clients.extend((0..viewers).map(|_| Client::viewer(node, "s")));
    play(&mut clients, 20);
    clients
}

/// Until every viewer has got so many packets more.
fn play(clients: &mut [Client], packets: usize) {
    let targets: Vec<usize> = clients.iter().map(|client| client.received + packets).collect();
    until(clients, "playing", |clients| {
        clients.iter().zip(&targets).skip(1).all(|(viewer, target)| viewer.received >= *target)
    });
}

fn wrong(node: &Node) -> u64 {
    node.counters().totals.iter().map(|totals| totals.wrong_worker).sum()
}

#[test]
fn viewers_of_one_stream_are_spread_and_nothing_arrives_at_the_wrong_worker() {
    for workers in [2, 4] {
        let node = node(workers);
        let mut clients = watched(&node, 40);
        play(&mut clients, 30);
        let counters = node.counters();
        let spread = &counters.viewers_by_worker;
        assert_eq!((spread.len(), spread.iter().sum::<u64>()), (workers, 40));
        assert!(spread.iter().all(|viewers| *viewers > 0), "{spread:?}");
        assert_eq!((counters.publishers, counters.viewers, counters.streams), (1, 40, 1));
        let streams = answer(|reply| node.streams(reply));
        assert_eq!(streams.len(), 1, "replicas are no streams: {streams:?}");
        assert_eq!((streams[0].viewers, streams[0].is_live, streams[0].is_replica), (40, true, false));
        assert_eq!(sessions(&node).len(), 41);
        for totals in &counters.totals {
            assert_eq!((totals.wrong_worker, totals.unauthentic), (0, 0), "{totals:?}");
            assert!(totals.sent_packets > 0, "{totals:?}");
        }
        assert!(counters.totals.iter().map(|totals| totals.handed_off).sum::<u64>() > 0);

        // A late one, of each worker most likely.
        clients.extend((0..6).map(|_| Client::viewer(&node, "s")));
        play(&mut clients, 20);
        assert_eq!(wrong(&node), 0);
        node.shutdown(Duration::from_secs(5));
    }
}

#[test]
fn viewers_stay_when_the_publisher_comes_back_at_another_worker() {
    let node = node(2);
    let mut clients = watched(&node, 10);
    let mut homes = HashSet::new();
    // That it is always the same worker has a chance of one in five hundred; enough for any of them to have been tried.
    for _ in 0..10 {
        let publisher = sessions(&node).into_iter().find(|session| session.peer.is_publisher).expect("live");
        homes.insert(publisher.worker);
        if homes.len() == 2 {
            break;
        }
        assert!(answer(|reply| node.close(publisher.id, reply)));
        until(&mut clients, "going offline", |_| node.counters().publishers == 0);
        clients[0] = Client::publisher(&node, "s");
        until(&mut clients, "going live", |_| node.counters().streams == 1);
        play(&mut clients, 20);
    }
    let counters = node.counters();
    assert_eq!((counters.viewers, counters.totals.iter().map(|totals| totals.wrong_worker).sum()), (10, 0));
    node.shutdown(Duration::from_secs(5));
}

#[test]
fn sessions_are_found_by_their_names_wherever_they_have_gone() {
    let node = node(4);
    let mut clients = watched(&node, 12);
    let moved = sessions(&node)
        .iter()
        .filter(|session| session.id.to_string()[..2] != format!("{:02x}", session.worker))
        .count();
    assert!(moved > 0, "some have moved");
    for viewer in &clients[1..] {
        let id = viewer.session.as_ref().expect("accepted").id;
        let restart = "a=ice-ufrag:abcdefgh\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n";
        let trickled = answer(|reply| node.trickle(id, restart.to_owned(), Some("ice-0".to_owned()), reply));
        let Ok(Trickle::Restarted { etag, .. }) = trickled else { panic!("{trickled:?}") };
        let stale = answer(|reply| node.trickle(id, restart.to_owned(), Some("ice-0".to_owned()), reply));
        assert_eq!(stale.err(), Some(headwater_node::SignalError::StaleEtag));
        assert_eq!(etag, "ice-1");
        assert!(answer(|reply| node.close(id, reply)));
    }
    until(&mut clients, "goodbye", |clients| clients[1..].iter().all(Client::is_told_goodbye));
    until(&mut clients, "the end", |_| node.counters().viewers == 0);
    let id = clients[1].session.as_ref().expect("accepted").id;
    assert!(!answer(|reply| node.close(id, reply)), "it is gone");
    node.shutdown(Duration::from_secs(5));
}

#[test]
fn a_worker_that_fails_costs_its_own_sessions_only() {
    let node = node(2);
    let mut clients = watched(&node, 12);
    let all = sessions(&node);
    let home = all.iter().find(|session| session.peer.is_publisher).expect("live").worker;
    let victim = all.iter().find(|session| session.worker != home).expect("some are elsewhere").id;
    node.trickle(victim, String::new(), None, |_| panic!("on purpose"));
    until(&mut clients, "failing", |_| node.counters().panics == 1);
    let lives = |id| all.iter().any(|session| session.id == id && session.worker == home);
    clients.retain(|client| lives(client.session.as_ref().expect("accepted").id));
    assert!(clients.len() > 1);
    play(&mut clients, 30);
    // The one that failed knows what is live, and takes viewers again.
    clients.extend((0..16).map(|_| Client::viewer(&node, "s")));
    play(&mut clients, 30);
    assert!(node.counters().viewers_by_worker.iter().all(|viewers| *viewers > 0));
    node.shutdown(Duration::from_secs(5));
}

#[test]
fn a_worker_that_is_busy_for_long_loses_packets_and_plays_on() {
    let node = node(2);
    let mut clients = watched(&node, 12);
    let all = sessions(&node);
    let home = all.iter().find(|session| session.peer.is_publisher).expect("live").worker;
    let other = all.iter().find(|session| session.worker != home).expect("some are elsewhere").id;
    let (release, wait) = channel::<()>();
    node.trickle(other, String::new(), None, move |_| {
        let _ = wait.recv();
    });
    // A frame every 10 ms, each a batch.
    let start = Instant::now();
    until(&mut clients, "waiting", |_| start.elapsed() > Duration::from_millis(1500));
    drop(release);
    play(&mut clients, 30);
    let totals = node.counters().totals;
    assert!(totals[home].hand_off_drops > 0, "{totals:?}");
    assert_eq!(totals.iter().map(|totals| totals.wrong_worker + totals.unauthentic).sum::<u64>(), 0);
    node.shutdown(Duration::from_secs(5));
}

#[test]
fn a_session_whose_address_changes_is_heard_through_whichever_socket() {
    let node = node(4);
    let mut clients = watched(&node, 8);
    let homes = |node: &Node| -> HashMap<_, _> {
        sessions(node).into_iter().map(|session| (session.id, session.worker)).collect()
    };
    let before = homes(&node);
    clients[1..].iter_mut().for_each(Client::rebind);
    // Until their next checks nothing arrives; media follows when the old address has been silent for three seconds.
    clients[1..].iter_mut().for_each(|client| client.received = 0);
    play(&mut clients, 50);
    assert!(wrong(&node) > 0, "that eight new addresses all hash as before has a chance of one in 65,000");
    assert_eq!(homes(&node), before);
    node.shutdown(Duration::from_secs(5));
}

#[test]
fn checks_for_nobody_are_not_passed_on() {
    let node = node(4);
    let stranger = UdpSocket::bind("127.0.0.1:0").expect("loopback can be bound");
    for round in 0..200_u32 {
        // A Binding request with a user name of ours for every worker, and no integrity (RFC 8489 §5).
        let mut check = vec![0, 1, 0, 16, 0x21, 0x12, 0xa4, 0x42];
        check.extend_from_slice(&[round as u8; 12]);
        check.extend_from_slice(&[0, 6, 0, 12]);
        check.extend_from_slice(format!("{:02x}ab{:04x}:xyz", round % 4, round).as_bytes());
        stranger.send_to(&check, node.media_addresses()[0]).expect("loopback takes it");
    }
    let refused = |node: &Node| node.counters().totals.iter().map(|totals| totals.unrouted).sum::<u64>();
    until(&mut [], "refusing", |_| refused(&node) >= 200);
    assert_eq!(refused(&node), 200, "each by one worker");
    node.shutdown(Duration::from_secs(1));
}

#[test]
fn of_two_publishers_at_once_one_has_the_stream() {
    for workers in [1, 2, 4] {
        let node = node(workers);
        let mut all = Vec::new();
        for round in 0..4 {
            let name = format!("race-{round}");
            let mut clients = vec![Client::publisher(&node, &name), Client::publisher(&node, &name)];
            until(&mut clients, "one to lose", |clients| {
                clients.iter().filter(|client| client.is_told_goodbye()).count() == 1
            });
            until(&mut clients, "one to win", |_| node.counters().streams == round + 1);
            let totals = node.counters().totals;
            assert_eq!(totals.iter().map(|totals| totals.replaced).sum::<u64>(), round + 1);
            all.append(&mut clients);
        }
        node.shutdown(Duration::from_millis(100));
    }
}

#[test]
fn streams_of_two_workers_play_whichever_socket_the_kernel_chooses() {
    let node = node(2);
    // Ten streams: that all of them are one worker's has a chance of one in a thousand, and it is always the same ten.
    let names: Vec<String> = (0..10).map(|index| format!("stream-{index}")).collect();
    let mut clients: Vec<Client> = names.iter().map(|name| Client::publisher(&node, name)).collect();
    let workers: HashSet<String> = clients
        .iter()
        .filter_map(|client| client.session.as_ref())
        .map(|session| session.id.to_string()[..2].to_owned())
        .collect();
    assert_eq!(workers.len(), 2, "both have streams");

    let live = |node: &Node| {
        let (sender, receiver) = channel();
        node.streams(move |streams| {
            let _ = sender.send(streams.iter().filter(|stream| stream.is_live).count());
        });
        receiver.recv_timeout(PATIENCE).expect("an answer")
    };
    until(&mut clients, "going live", |_| live(&node) == names.len());
    for name in &names {
        clients.push(Client::viewer(&node, name));
        clients.push(Client::viewer(&node, name));
    }
    until(&mut clients, "watching", |clients| clients[10..].iter().all(|viewer| viewer.received > 50));

    let counters = node.counters();
    assert_eq!((counters.publishers, counters.viewers, counters.streams), (10, 20, 10));
    assert_eq!(counters.totals.len(), 2);
    for totals in &counters.totals {
        assert!(totals.received_packets > 0 && totals.sent_packets > 0, "{totals:?}");
        assert_eq!(totals.unauthentic, 0, "{totals:?}");
    }
    node.shutdown(Duration::from_secs(5));
}

#[test]
fn a_port_that_another_process_uses_is_not_shared_with_it() {
    let first = node(2);
    let mut config = headwater_node::Config::new([1; 32]);
    config.media = first.media_addresses();
    config.workers = 2;
    assert!(Node::start(config).is_err(), "its peers' datagrams would go to either");
    first.shutdown(Duration::from_secs(1));
}
