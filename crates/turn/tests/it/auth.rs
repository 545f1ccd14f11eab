//! Who may log in, by what proof, and for how long (RFC 8489 §9.2, field class S8).

use crate::world::{Client, REALM, Response, UNIX, World};
use headwater_stun::attribute::{
    ErrorCode, Nonce, PasswordAlgorithm, PasswordAlgorithms, Realm, UserHash, Username,
};
use headwater_stun::{Key, LongTerm, Message, MessageBuilder, SecurityFeatures, userhash};
use headwater_turn::attribute::{
    ALLOCATE, CREATE_PERMISSION, Lifetime, REFRESH, RequestedTransport, UDP, XorPeerAddress,
};
use headwater_turn::{ServerConfig, password_for};

/// What a server asks an unknown client for.
fn challenge(world: &mut World, client: &Client) -> Response {
    let mut request = Vec::new();
    MessageBuilder::request(ALLOCATE, world.fresh_id(), &mut request)
        .attribute(&RequestedTransport(UDP))
        .finish();
    world.send(client.tuple, &request).expect("a proper request");
    Response(world.received(client.tuple).pop().expect("an answer"))
}

fn nonce_of(response: &Response) -> String {
    response.attribute::<Nonce<'_>>().expect("a nonce").0.to_owned()
}

/// An Allocate as a client would send it that only knows RFC 5389: MD5 and SHA-1.
fn old_request(world: &mut World, name: &str, password: &str, realm: &str, nonce: &str) -> Vec<u8> {
    let mut request = Vec::new();
    MessageBuilder::request(ALLOCATE, world.fresh_id(), &mut request)
        .attribute(&RequestedTransport(UDP))
        .attribute(&Username(name))
        .attribute(&Realm(realm))
        .attribute(&Nonce(nonce))
        .integrity(&Key::long_term_md5(name, REALM, password))
        .fingerprint();
    request
}

fn answer(world: &mut World, client: &Client, request: &[u8]) -> Response {
    world.send(client.tuple, request).expect("a proper request");
    Response(world.received(client.tuple).pop().expect("an answer"))
}

fn rest(it: &mut ServerConfig) {
    it.secrets = vec!["new secret".to_owned(), "old secret".to_owned()];
}

fn expiring(after: u64, name: &str) -> String {
    format!("{}{name}", UNIX.as_secs() + after)
}

#[test]
fn the_challenge_says_how_to_prove_oneself() {
    let (mut world, client) = (World::new(), Client::new(1));
    let response = challenge(&mut world, &client);
    assert_eq!(response.code(), 401);
    assert_eq!(response.attribute(), Some(Realm(REALM)));
    assert_eq!(response.attribute(), Some(PasswordAlgorithms::SHA256_AND_MD5));
    let features = SecurityFeatures { password_algorithms: true, username_anonymity: true };
    assert_eq!(SecurityFeatures::of_nonce(&nonce_of(&response)), Some(features));
    assert!(!response.message().has_integrity());
    assert_eq!(world.server.poll_timeout(), None, "nothing is kept of it");
}

#[test]
fn clients_of_today_use_sha_256_and_hide_their_names() {
    let (mut world, mut client) = (World::new(), Client::new(1));
    assert!(client.allocate(&mut world).is_ok());
    assert_eq!(client.credentials.algorithm(), Some(PasswordAlgorithm::Sha256));
    let (request, _) = client.build(&mut world, &mut headwater_stun::Attempt::default(), REFRESH, &|it| it);
    let request = Message::parse(&request).expect("a message");
    assert_eq!(request.attribute(), Ok(Some(UserHash(userhash("matrix", REALM)))));
    assert_eq!(request.attribute::<Username<'_>>(), Ok(None));
}

#[test]
fn clients_of_yesterday_use_md5_and_sha_1() {
    let (mut world, client) = (World::new(), Client::new(1));
    let nonce = nonce_of(&challenge(&mut world, &client));
    let request = old_request(&mut world, "matrix", "secret", REALM, &nonce);
    let response = answer(&mut world, &client, &request);
    assert_eq!(response.code(), 0);
    let message = response.message();
    assert_eq!(message.verify_integrity(&Key::long_term_md5("matrix", REALM, "secret")), Ok(()));
    assert_eq!(message.verify_fingerprint(), Ok(true), "as the request had one");
    assert_eq!(message.attributes().last().map(|it| it.value.len()), Some(4));
}

#[test]
fn who_can_not_prove_it_is_401_and_changes_nothing() {
    for (name, password, realm) in [
        ("matrix", "wrong", REALM),
        ("nobody", "secret", REALM),
        ("", "", REALM),
        ("matrix", "secret", "elsewhere.org"),
        ("1900000000:matrix", "secret", REALM),
    ] {
        let (mut world, client) = (World::new(), Client::new(1));
        let nonce = nonce_of(&challenge(&mut world, &client));
        let request = old_request(&mut world, name, password, realm, &nonce);
        let response = answer(&mut world, &client, &request);
        assert_eq!(response.code(), 401, "`{name}`");
        assert!(response.attribute::<Nonce<'_>>().is_some() && !response.message().has_integrity());
        assert_eq!(world.server.counters().failed_authentications, 1);
        assert!(world.server.is_empty());
    }
}

#[test]
fn a_request_that_is_half_signed_is_400() {
    let (mut world, client) = (World::new(), Client::new(1));
    let nonce = nonce_of(&challenge(&mut world, &client));
    let key = Key::long_term_md5("matrix", REALM, "secret");
    for left_out in 0..3 {
        let mut request = Vec::new();
        let mut message = MessageBuilder::request(ALLOCATE, world.fresh_id(), &mut request);
        if left_out != 0 {
            message = message.attribute(&Username("matrix"));
        }
        if left_out != 1 {
            message = message.attribute(&Realm(REALM));
        }
        if left_out != 2 {
            message = message.attribute(&Nonce(&nonce));
        }
        message.integrity(&key).finish();
        let response = answer(&mut world, &client, &request);
        assert_eq!((response.code(), response.attribute::<Nonce<'_>>()), (400, None), "without {left_out}");
    }
    // The list of algorithms was shortened on the way (RFC 8489 §9.2.4).
    let mut request = Vec::new();
    MessageBuilder::request(ALLOCATE, world.fresh_id(), &mut request)
        .attribute(&Username("matrix"))
        .attribute(&Realm(REALM))
        .attribute(&Nonce(&nonce))
        .attribute(&PasswordAlgorithms::SHA256)
        .attribute(&PasswordAlgorithm::Sha256)
        .integrity_sha256(&Key::long_term_sha256("matrix", REALM, "secret"))
        .finish();
    assert_eq!(answer(&mut world, &client, &request).code(), 400);
}

#[test]
fn a_nonce_goes_stale_after_an_hour_and_brings_the_next() {
    let mut world = World::new();
    let client = Client::new(1);
    let nonce = nonce_of(&challenge(&mut world, &client));
    world.wait(3599);
    let request = old_request(&mut world, "matrix", "secret", REALM, &nonce);
    assert_eq!(answer(&mut world, &client, &request).code(), 0);
    world.wait(1);
    let request = old_request(&mut world, "matrix", "secret", REALM, &nonce);
    let response = answer(&mut world, &client, &request);
    assert_eq!(response.code(), 438);
    let fresh = nonce_of(&response);
    assert_ne!(fresh, nonce);
    let request = old_request(&mut world, "matrix", "secret", REALM, &fresh);
    assert_eq!(answer(&mut world, &client, &request).code(), 437, "known again");
}

/// RFC 8489 §9.2.4 orders the checks: user, password, nonce.
#[test]
fn a_wrong_user_or_password_is_told_before_a_stale_nonce() {
    let (mut world, client) = (World::new(), Client::new(1));
    let nonce = nonce_of(&challenge(&mut world, &client));
    world.wait(3600);
    for (name, password, code) in
        [("matrix", "wrong", 401), ("nobody", "secret", 401), ("matrix", "secret", 438)]
    {
        let request = old_request(&mut world, name, password, REALM, &nonce);
        let response = answer(&mut world, &client, &request);
        assert_eq!(response.code(), code, "{name}:{password}");
        assert_ne!(nonce_of(&response), nonce, "either brings a fresh one");
    }
    assert_eq!(world.server.counters().failed_authentications, 2);
}

#[test]
fn nonces_are_bound_to_the_address_and_the_server_s_key() {
    let (mut world, client, stranger) = (World::new(), Client::new(1), Client::new(2));
    let nonce = nonce_of(&challenge(&mut world, &client));
    let code = |world: &mut World, client: &Client, nonce: &str| {
        let request = old_request(world, "matrix", "secret", REALM, nonce);
        answer(world, client, &request).code()
    };
    assert_eq!(code(&mut world, &stranger, &nonce), 438, "another address");
    let elsewhere = World::with(|it| it.nonce_key = [8; 32]);
    let mut elsewhere = elsewhere;
    assert_eq!(code(&mut elsewhere, &client, &nonce), 438, "another server");
    let mut sister = World::with(|it| it.realm = REALM.to_owned());
    assert_eq!(code(&mut sister, &client, &nonce), 0, "a server with the same key");
    for forged in ["", "x", "obMatJos2AAAA", "obMatJos2AAAD0123456789ABCDEF"] {
        assert_eq!(code(&mut world, &client, forged), 438, "`{forged}`");
    }
    for place in 0..nonce.len() {
        let mut changed = nonce.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("ASCII");
        assert_eq!(code(&mut world, &client, &changed), 438, "byte {place}");
    }
    assert_eq!(code(&mut world, &client, &nonce), 0);
}

#[test]
fn time_limited_credentials_of_any_secret_are_good_until_their_time() {
    for (secret, code) in [("new secret", 0), ("old secret", 0), ("older secret", 401)] {
        for name in [":alice", ""] {
            let mut world = World::with(rest);
            let name = expiring(3600, name);
            let mut client = Client::new(1).user(&name, &password_for(secret, &name));
            assert_eq!(client.allocate(&mut world).err().unwrap_or(0), code, "{secret}");
        }
    }
    for after in [0, 1] {
        let mut world = World::with(rest);
        let name = expiring(after, ":alice");
        let mut client = Client::new(1).user(&name, &password_for("new secret", &name));
        assert_eq!(client.allocate(&mut world).err(), (after == 0).then_some(401));
    }
    for name in ["alice", "", ":alice", "+1900000000", "-1", "99999999999999999999999", "1900000000 "] {
        let mut client = Client::new(1).user(name, &password_for("new secret", name));
        assert_eq!(client.allocate(&mut World::with(rest)), Err(401), "`{name}`");
    }
}

#[test]
fn static_users_are_good_beside_time_limited_ones_but_nobody_is_anonymous() {
    let mut world = World::with(rest);
    let mut client = Client::new(1);
    let response = challenge(&mut world, &client);
    let features = SecurityFeatures { password_algorithms: true, username_anonymity: false };
    assert_eq!(SecurityFeatures::of_nonce(&nonce_of(&response)), Some(features));
    assert!(client.allocate(&mut world).is_ok());
    // Who hides the name of a time-limited credential all the same can't be found.
    let name = expiring(100, ":alice");
    let mut request = Vec::new();
    MessageBuilder::request(ALLOCATE, world.fresh_id(), &mut request)
        .attribute(&UserHash(userhash(&name, REALM)))
        .attribute(&Realm(REALM))
        .attribute(&Nonce(&nonce_of(&response)))
        .integrity(&Key::long_term_md5(&name, REALM, &password_for("new secret", &name)))
        .finish();
    assert_eq!(answer(&mut world, &client, &request).code(), 401);
}

#[test]
fn an_allocation_outlives_its_credentials_by_no_more_than_its_lifetime() {
    let mut world = World::with(rest);
    let name = expiring(700, ":alice");
    let mut client = Client::new(1).user(&name, &password_for("new secret", &name));
    assert!(client.allocate(&mut world).is_ok());
    world.wait(500);
    assert_eq!(client.refresh(&mut world, 600).code(), 0);
    world.wait(200);
    assert_eq!(client.refresh(&mut world, 600).code(), 401);
    assert_eq!(client.permit(&mut world, crate::world::PEER), 401);
    world.wait(399);
    assert!(!world.server.is_empty());
    world.wait(1);
    assert!(world.server.is_empty());
}

#[test]
fn an_allocation_may_be_given_up_with_credentials_that_have_expired() {
    let mut world = World::with(rest);
    let name = expiring(100, ":alice");
    let mut client = Client::new(1).user(&name, &password_for("new secret", &name));
    assert!(client.allocate(&mut world).is_ok());
    world.wait(200);
    assert_eq!(client.refresh(&mut world, 0).code(), 0);
    assert!(world.server.is_empty());
}

#[test]
fn a_user_s_quota_goes_by_the_name_behind_the_colon() {
    let mut world = World::with(|it| {
        rest(it);
        it.per_user = crate::world::quota(Some(2), None);
    });
    let mut codes = (1..=3).map(|number| {
        let name = expiring(100 + u64::from(number), ":alice");
        Client::new(number).user(&name, &password_for("new secret", &name)).allocate(&mut world).err()
    });
    assert_eq!([codes.next(), codes.next(), codes.next()], [Some(None), Some(None), Some(Some(486))]);
    drop(codes);
    let name = expiring(100, ":bob");
    assert!(Client::new(4).user(&name, &password_for("new secret", &name)).allocate(&mut world).is_ok());
}

#[test]
fn an_allocation_obeys_its_user_only() {
    let mut world = World::new();
    let (client, _) = world.allocated(1);
    let mut thief = Client { tuple: client.tuple, credentials: LongTerm::new("other", "word") };
    assert_eq!(thief.refresh(&mut world, 0).code(), 441);
    assert_eq!(thief.permit(&mut world, crate::world::PEER), 441);
    assert!(!world.server.is_empty());
    let mut stranger = Client { tuple: client.tuple, credentials: LongTerm::new("matrix", "wrong") };
    assert_eq!(stranger.refresh(&mut world, 0).code(), 401);
    assert!(!world.server.is_empty());
    // Another program of the same user, which knows only MD5.
    let nonce = nonce_of(&challenge(&mut world, &client));
    let mut request = Vec::new();
    MessageBuilder::request(REFRESH, world.fresh_id(), &mut request)
        .attribute(&Lifetime(0))
        .attribute(&Username("matrix"))
        .attribute(&Realm(REALM))
        .attribute(&Nonce(&nonce))
        .integrity(&Key::long_term_md5("matrix", REALM, "secret"))
        .finish();
    assert_eq!(answer(&mut world, &client, &request).code(), 0);
    assert!(world.server.is_empty());
}

#[test]
fn what_stands_behind_the_proof_is_not_part_of_the_request() {
    let mut world = World::new();
    let (client, relay) = world.allocated(1);
    let nonce = nonce_of(&challenge(&mut world, &client));
    let mut request = Vec::new();
    MessageBuilder::request(CREATE_PERMISSION, world.fresh_id(), &mut request)
        .attribute(&Username("matrix"))
        .attribute(&Realm(REALM))
        .attribute(&Nonce(&nonce))
        .integrity(&Key::long_term_md5("matrix", REALM, "secret"))
        .finish();
    // Somebody on the way appends a peer.
    let appended = XorPeerAddress(crate::world::address("8.8.8.8:1"));
    let id = Message::parse(&request).expect("a message").transaction_id();
    request.extend_from_slice(&[0, 0x12, 0, 8]);
    headwater_stun::Attribute::emit(&appended, &id, &mut request);
    let length = u16::try_from(request.len() - 20).expect("short");
    request[2..4].copy_from_slice(&length.to_be_bytes());
    let response = answer(&mut world, &client, &request);
    assert_eq!(response.code(), 400, "it names no peer");
    assert_eq!(response.attribute::<ErrorCode<'_>>().map(|it| it.code()), Some(400));
    assert!(world.peer_sends(relay, "8.8.8.8:1", b"x").is_err());
}
