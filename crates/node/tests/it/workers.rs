//! Several workers on one port.

use std::collections::HashSet;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::client::{Client, PATIENCE, node, until};

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

    let live = |node: &headwater_node::Node| {
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
    assert!(headwater_node::Node::start(config).is_err(), "its peers' datagrams would go to either");
    first.shutdown(Duration::from_secs(1));
}
