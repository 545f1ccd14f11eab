//! TURN: our client and our server on a network that loses, repeats and forges; clients and a server that know the
//! password and make no sense; channel data, streams, and all attributes of the table.
//!
//! The first byte chooses the set-up (`setups`), the rest is operations: a byte of [`OPERATIONS`], then what it takes. All of it
//! is a stream, too (`wire`). What holds at any moment is said in `owner` (the server) and `client`.

mod answers;
mod client;
mod guests;
mod laws;
mod owner;
mod peers;
mod setups;
mod wire;
mod words;
mod world;

use crate::Input;
use std::time::Duration;
use world::World;

/// Operations of one input, so that none takes long.
const MAX_OPERATIONS: usize = 150;

/// What a byte means, modulo their number.
const OPERATIONS: [fn(&mut World, &mut Input<'_>); 16] = [
    carry,
    |world, input| world.deliver_one(input.byte()),
    |world, _| world.lose_all(),
    |world, input| world.wait(Duration::from_secs(input.byte().into())),
    World::command,
    World::want,
    anything,
    World::odd_request,
    World::odd_answer,
    World::peer,
    World::data,
    World::owner,
    World::guest,
    World::answer,
    World::reach,
    World::late,
];

/// Runs one input.
pub fn turn(data: &[u8]) {
    wire::stream(data);
    let mut input = Input::new(data);
    let mut world = World::new(input.byte());
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let operation = usize::from(input.byte()) % OPERATIONS.len();
        OPERATIONS[operation](&mut world, &mut input);
        world.settle();
    }
    world.finish();
}

/// The network carries what it has, and time goes on.
fn carry(world: &mut World, input: &mut Input<'_>) {
    for _ in 0..=input.byte() % 8 {
        while world.deliver(0, 0) {}
        while world.deliver(1, 0) {}
        world.settle();
    }
    world.wait(Duration::from_millis(50));
}

/// Any bytes, to either end.
fn anything(world: &mut World, input: &mut Input<'_>) {
    let (to_client, bytes) = (input.byte() & 1 != 0, input.chunk());
    if to_client {
        world.client_hears(world.local, bytes);
    } else {
        world.server_hears(world.five_tuple(world.local), bytes);
    }
}
