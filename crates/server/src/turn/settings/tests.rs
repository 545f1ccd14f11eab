use std::path::Path;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

fn load(arguments: &[&str], file: &str) -> Result<Settings, String> {
    let line = Line::try_parse_from([&["turn"], arguments].concat()).map_err(|error| error.to_string())?;
    let file = config::parse(Path::new("turn.toml"), file).map_err(|error| error.to_string())?;
    Settings::merge(line.options, file).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(arguments: &[&str], file: &str) -> String {
    load(arguments, file).err().expect("it is refused")
}

const WHOLE: &str = r#"
listen = ["192.0.2.1:3478", "[2001:db8::1]:3478"]
tls_listen = "192.0.2.1:5349"
cert = "cert.pem"
key = "key.pem"
relay-ip = ["203.0.113.7/192.0.2.1"]
relay_ports = "50000-50999"
user = ["alice:pass:word", "bob:builder"]
secret = ["north", "south"]
realm = "example.org"
allow_peer = ["10.1.0.0/16"]
workers = 3
user_allocations = 5
user_bitrate = 1000000
address_allocations = 0
address_bitrate = 2000000
metrics = "127.0.0.1:9100"
drain = 7
coalesce = 0
no_gso = true
log = "debug"
"#;

#[test]
fn every_option_can_stand_in_the_file() {
    let settings = load(&[], WHOLE).unwrap();
    assert_eq!(settings.listen.len(), 2);
    assert_eq!(settings.tls_listen, ["192.0.2.1:5349".parse().unwrap()]);
    assert_eq!(settings.pair, Some(("cert.pem".into(), "key.pem".into())));
    assert_eq!(settings.relay_ip[0].public, "203.0.113.7".parse::<std::net::IpAddr>().unwrap());
    assert_eq!(settings.relay_ports, 50_000..=50_999);
    let users: Vec<_> = settings.users.iter().map(|it| (it.name.as_str(), it.password.as_str())).collect();
    assert_eq!(users, [("alice", "pass:word"), ("bob", "builder")]);
    assert_eq!(settings.secrets, ["north", "south"]);
    assert_eq!((settings.realm.as_str(), settings.log.as_str()), ("example.org", "debug"));
    assert_eq!(settings.allow_peer.len(), 1);
    assert_eq!(settings.workers.map(NonZeroUsize::get), Some(3));
    assert_eq!(
        (settings.per_user.allocations, settings.per_user.bits_per_second),
        (Some(5), Some(1_000_000))
    );
    assert_eq!(
        (settings.per_address.allocations, settings.per_address.bits_per_second),
        (None, Some(2_000_000))
    );
    assert_eq!(settings.metrics, Some("127.0.0.1:9100".parse().unwrap()));
    assert_eq!((settings.drain, settings.coalesce), (Duration::from_secs(7), Duration::ZERO));
    assert!(settings.no_gso);
}

#[test]
fn the_names_of_the_file_are_those_of_the_options() {
    let flags: Vec<String> = {
        let command = <Line as clap::CommandFactory>::command();
        let all = command.get_arguments().filter_map(|it| it.get_long()).map(str::to_owned);
        all.filter(|it| !["config", "help"].contains(&it.as_str())).collect()
    };
    assert_eq!(flags.len(), 20, "{flags:?}");
    for flag in flags {
        for key in [flag.clone(), flag.replace('-', "_")] {
            // A table is no value of any of them: it is known if that is what is complained of.
            let error = refused(&[], &format!("{key} = {{}}"));
            assert!(!error.contains("unknown field"), "{error}");
        }
    }
}

#[test]
fn a_flag_beats_the_file_and_a_list_replaces_the_other_list() {
    let arguments = ["--user", "eve:apple", "--relay-ports", "1024-2047", "--no-gso=false", "--realm", "r"];
    let settings = load(&arguments, WHOLE).unwrap();
    assert_eq!(settings.users.len(), 1);
    assert_eq!(settings.secrets.len(), 2, "another list");
    assert_eq!((settings.relay_ports, settings.realm.as_str()), (1024..=2047, "r"));
    assert!(!settings.no_gso);
    // A certificate of one source and a key of another would hardly fit.
    assert!(refused(&["--cert", "other.pem"], WHOLE).contains("key: is needed"));
}

#[test]
fn without_anything_but_a_user_the_defaults_hold() {
    let settings = load(&["--user", "alice:secret"], "").unwrap();
    assert_eq!(settings.listen, [DEFAULT_LISTEN.parse().unwrap()]);
    assert!(settings.tls_listen.is_empty() && settings.pair.is_none());
    assert_eq!(settings.relay_ports, DEFAULT_RELAY_PORTS);
    assert_eq!(settings.per_user.allocations, Some(DEFAULT_USER_ALLOCATIONS));
    assert_eq!((settings.coalesce, settings.realm.as_str()), (COALESCE, DEFAULT_REALM));
}

#[test]
fn what_cannot_be_is_said_by_its_key() {
    for (file, expected) in [
        ("", "user: is missing"),
        ("secret = ''", "secret: is empty"),
        ("user = 'a:b'\nusers = 'c:d'", "line 2: unknown field `users`"),
        ("user = 'a:b'\ntls_listen = '127.0.0.1:0'", "tls_listen: needs cert and key"),
        ("user = 'a:b'\ncert = 'c'\nkey = 'k'", "cert: is for tls_listen"),
        ("user = 'a:b'\ntls_listen = '127.0.0.1:0'\nkey = 'k'", "cert: is needed beside key"),
        ("user = ['a:b', 'c:d', 'a:e']", "user: has two passwords for a"),
        ("user = 'a:b'\nrealm = ''", "realm: must have 1 to 763 bytes"),
        ("user = 'a:b'\ncoalesce = 21", "coalesce: is in milliseconds, at most 20"),
        ("user = 'a:b'\nrelay_ports = '2000-1000'", "line 2: must be MIN-MAX"),
        ("user = 'a:b'\nlisten = 'here'", "line 2: invalid socket address"),
        ("user = 'a:b'\nallow_peer = ['10.0.0.0/99']", "line 2: "),
        ("user = 'a:b'\nworkers = 0", "line 2: "),
    ] {
        let error = refused(&[], file);
        assert!(error.contains(expected), "{file:?}: {error}");
    }
}

#[test]
fn no_error_repeats_a_secret() {
    for file in
        ["user = 's3cret'", "user = ['a:b', 's3cret:']", "secret = 's3cret", "secret = { s3cret = 1 }"]
    {
        let error = refused(&[], file);
        assert!(!error.contains("s3cret") || file.contains('{'), "{error}");
    }
    let user: User = "alice:s3cret".parse().unwrap();
    assert!(!format!("{user:?}").contains("s3cret"));
}

#[test]
fn ports_and_users_are_read_or_refused() {
    assert_eq!("1000-2000".parse::<RelayPorts>().unwrap().0, 1000..=2000);
    for wrong in ["", "1000", "2000-1000", "0-10", "1-70000", "a-b"] {
        assert!(wrong.parse::<RelayPorts>().is_err(), "{wrong}");
    }
    for wrong in ["", "name", ":password", "name:"] {
        assert!(wrong.parse::<User>().is_err(), "{wrong}");
    }
}
