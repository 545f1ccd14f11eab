//! The end of a node.

use std::time::{Duration, Instant};

use headwater_node::{CloseReason, Event};

use crate::client::{Client, node, until};

#[test]
fn a_shutdown_tells_everybody_and_does_not_take_its_whole_time() {
    for workers in [1, 2] {
        let node = node(workers);
        let mut clients = vec![Client::publisher(&node, "s")];
        until(&mut clients, "going live", |_| node.counters().streams == 1);
        for _ in 0..20 {
            clients.push(Client::viewer(&node, "s"));
        }
        until(&mut clients, "watching", |clients| clients[1..].iter().all(|viewer| viewer.received > 5));

        let start = Instant::now();
        let ends = std::thread::spawn(move || node.shutdown(Duration::from_secs(10)));
        until(&mut clients, "goodbye", |clients| clients.iter().all(Client::is_told_goodbye));
        ends.join().expect("the shutdown ends");
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    }
}

#[test]
fn a_second_recording_ends_the_first() {
    let node = node(1);
    let mut clients = vec![Client::publisher(&node, "s")];
    until(&mut clients, "going live", |_| node.counters().streams == 1);
    let id = clients[0].session.as_ref().expect("accepted").id;
    let (sender, receiver) = std::sync::mpsc::channel();
    for (name, duration) in [("first", Duration::MAX), ("second", Duration::from_millis(200))] {
        let sender = sender.clone();
        node.dump(id, duration, move |file| {
            let _ = sender.send((name, file.map_or(0, |file| file.len())));
        });
        let start = Instant::now();
        until(&mut clients, "recording", |_| start.elapsed() > Duration::from_millis(300));
    }
    let files: Vec<_> = receiver.try_iter().collect();
    assert!(matches!(files[..], [("first", 100..), ("second", 100..)]), "{files:?}");
    node.shutdown(Duration::from_secs(1));
}

#[test]
fn a_listener_hears_of_sessions_and_streams_until_the_end() {
    let node = node(2);
    let events = node.events();
    let mut clients = vec![Client::publisher(&node, "s")];
    until(&mut clients, "going live", |_| node.counters().streams == 1);
    clients.push(Client::viewer(&node, "s"));
    until(&mut clients, "watching", |clients| clients[1].received > 5);
    let [publisher, viewer] = [0, 1].map(|client| clients[client].session.as_ref().expect("accepted").id);
    node.close(viewer, |_| ());
    until(&mut clients, "goodbye", |clients| clients[1].is_told_goodbye());
    let ends = std::thread::spawn(move || node.shutdown(Duration::from_secs(5)));
    until(&mut clients, "goodbye", |clients| clients[0].is_told_goodbye());
    ends.join().expect("the shutdown ends");

    let (stream, reason) = ("s".to_owned(), CloseReason::ClosedByOwner);
    let connected =
        |session, is_publisher| Event::Connected { session, stream: stream.clone(), is_publisher };
    let told: Vec<_> = events.iter().collect();
    let at = |event: &Event| {
        told.iter().position(|it| it == event).unwrap_or_else(|| panic!("no {event:?} in {told:?}"))
    };
    assert!(at(&connected(publisher, true)) < at(&Event::Live { stream: stream.clone() }));
    assert!(at(&connected(viewer, false)) < at(&Event::Closed { session: viewer, reason }));
    at(&Event::Closed { session: publisher, reason });
    at(&Event::Offline { stream: stream.clone() });
    assert_eq!(told.len(), 6, "{told:?}");
}
