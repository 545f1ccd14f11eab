use clap::Parser;

use super::*;

/// The settings that these arguments and this file give (the environment is `tests/it`'s matter).
fn merge(arguments: &[&str], file: &str) -> Result<Config, String> {
    let cli = Cli::try_parse_from([&["headwater"], arguments].concat()).map_err(|error| error.to_string())?;
    let (Action::Serve(options) | Action::PrintConfig(options)) = cli.action() else {
        panic!("these arguments are settings")
    };
    let file = parse(Path::new("test.toml"), file).map_err(|error| error.to_string())?;
    Config::merge(options, file).map_err(|error| error.to_string())
}

impl Config {
    /// The settings of a file.
    pub(crate) fn of_toml(text: &str) -> Self {
        merge(&[], text).unwrap()
    }
}

#[test]
fn turns_at_needs_a_turn_server_and_a_port() {
    let given = merge(&["--tls", "self-signed", "--turns-at", "a.example"], "turns_at = 'b.example:443'");
    let given = given.unwrap();
    assert_eq!(given.turns_at, Some("a.example".parse().unwrap()));
    assert!(given.to_toml().contains("turns_at = \"a.example\""));
    assert!(merge(&[], "turns-at = 'a.example:443'").is_ok());
    let error = |file| merge(&[], file).unwrap_err();
    assert!(error("turns_at = 'a.example'").contains("needs a port"));
    assert!(error("turns_at = 'a.example:443'\nno_turn = true").contains("no_turn"));
    assert!(error("turns_at = 'a b'").contains("NAME:PORT"));
}

#[test]
fn defaults_are_the_contract() {
    let config = merge(&[], "").unwrap();
    assert_eq!(config.http, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(config.media[0], "0.0.0.0:8189".parse().unwrap());
    assert!(config.media[1..].iter().all(|address| *address == "[::]:8189".parse().unwrap()));
    assert_eq!((config.takeover, config.tls, config.open), (TakeoverRule::Stale, Tls::Off, false));
    assert_eq!(config.dtls, DtlsMode::Both);
    assert!(config.advertise.is_empty() && config.workers >= 1);
    assert_eq!(config.limits, Limits::default());
}

#[test]
fn every_flag_is_understood_with_and_without_the_subcommand() {
    let flags = [
        "--http",
        "0.0.0.0:80",
        "--media",
        "10.0.0.1:1",
        "--media",
        "[::1]:2",
        "--advertise",
        "192.0.2.1",
        "--advertise",
        "media.example",
        "--workers",
        "3",
        "--publish-token",
        "p",
        "--watch-token",
        "w",
        "--admin-token",
        "a",
        "--open",
        "--takeover",
        "always",
        "--dtls",
        "1.2",
        "--tls-cert",
        "c.pem",
        "--tls-key",
        "k.pem",
        "--log",
        "debug",
    ];
    let with_serve = [&["serve"], &flags[..]].concat();
    for arguments in [&flags[..], &with_serve] {
        let config = merge(arguments, "").unwrap();
        assert_eq!(config.http, "0.0.0.0:80".parse().unwrap());
        assert_eq!(config.media, ["10.0.0.1:1".parse().unwrap(), "[::1]:2".parse().unwrap()]);
        assert_eq!(config.advertise, ["192.0.2.1", "media.example"]);
        assert_eq!((config.workers, config.open, config.takeover), (3, true, TakeoverRule::Always));
        assert_eq!(config.dtls, DtlsMode::Only12);
        assert_eq!(config.publish_token.as_deref(), Some("p"));
        assert_eq!(config.watch_token.as_deref(), Some("w"));
        assert_eq!(config.admin_token.as_deref(), Some("a"));
        assert_eq!(config.tls, Tls::Files { cert: "c.pem".into(), key: "k.pem".into() });
        assert_eq!(config.log, "debug");
    }
    assert_eq!(merge(&["--tls", "self-signed"], "").unwrap().tls, Tls::SelfSigned);
}

const FILE: &str = r#"
http = "0.0.0.0:81"
media = ["10.0.0.2:3"]
advertise = ["192.0.2.2"]
workers = 4
publish_token = "fp"
watch-token = "fw"
admin_token = "fa"
open = true
takeover = "never"
dtls = "1.3"
tls = "self-signed"
log = "warn"

[limits]
streams = 5
viewers_per_stream = 6
sessions_per_address = 7
publish_bitrate = 8000
pending_sessions = 9
http_connections = 10
http_connections_per_address = 11

[[ice_servers]]
url = "turn:turn.example:3478"
username = "u"
credential = "c"
"#;

#[test]
fn every_setting_can_stand_in_the_file() {
    let config = merge(&[], FILE).unwrap();
    assert_eq!(config.http, "0.0.0.0:81".parse().unwrap());
    assert_eq!(config.media, ["10.0.0.2:3".parse().unwrap()]);
    assert_eq!(config.advertise, ["192.0.2.2"]);
    assert_eq!((config.workers, config.open, config.takeover), (4, true, TakeoverRule::Never));
    assert_eq!(config.dtls, DtlsMode::Only13);
    assert_eq!(config.publish_token.as_deref(), Some("fp"));
    assert_eq!(config.watch_token.as_deref(), Some("fw"));
    assert_eq!((config.tls, config.log.as_str()), (Tls::SelfSigned, "warn"));
    let expected = Limits {
        streams: 5,
        viewers_per_stream: 6,
        sessions_per_address: 7,
        publish_bitrate: 8_000,
        pending_sessions: 9,
        http_connections: 10,
        http_connections_per_address: 11,
    };
    assert_eq!(config.limits, expected);
    assert_eq!(config.ice_servers[0].url, "turn:turn.example:3478");
}

#[test]
fn a_flag_wins_over_the_file() {
    let arguments = ["--http", "127.0.0.1:9", "--media", "10.0.0.9:9", "--open=false", "--takeover", "stale"];
    let config = merge(&arguments, FILE).unwrap();
    assert_eq!(config.http, "127.0.0.1:9".parse().unwrap());
    assert_eq!(config.media, ["10.0.0.9:9".parse().unwrap()], "a list replaces the other list");
    assert_eq!((config.open, config.takeover), (false, TakeoverRule::Stale));
    assert_eq!(config.publish_token.as_deref(), Some("fp"), "what no flag says stays");
}

#[test]
fn one_port_takes_the_place_of_two() {
    let arguments = ["--listen", "0.0.0.0:443", "--listen", "[::]:443"];
    let both: Vec<SocketAddr> = vec!["0.0.0.0:443".parse().unwrap(), "[::]:443".parse().unwrap()];
    let file = "listen = [\"0.0.0.0:443\", \"[::]:443\"]";
    for config in [merge(&arguments, ""), merge(&[], file)] {
        let config = config.unwrap();
        assert_eq!(config.tcp(), both);
        let printed = config.to_toml();
        assert!(printed.starts_with("listen = [\"0.0.0.0:443\", \"[::]:443\"]\n"), "{printed}");
        assert!(!printed.contains("http = ") && !printed.contains("media = "), "{printed}");
        let again: File = toml::from_str(&printed).unwrap();
        assert_eq!(again.listen, both);
    }
    let apart = merge(&["--http", "127.0.0.1:1"], "").unwrap();
    assert_eq!(apart.tcp(), ["127.0.0.1:1".parse().unwrap()]);
    assert!(!apart.to_toml().contains("listen"));
}

#[test]
fn tls_flags_replace_the_files_whole_choice() {
    assert_eq!(merge(&["--tls", "off"], FILE).unwrap().tls, Tls::Off);
    let files = merge(&["--tls-cert", "c", "--tls-key", "k"], FILE).unwrap().tls;
    assert_eq!(files, Tls::Files { cert: "c".into(), key: "k".into() });
}

#[test]
fn acme_settings_come_together_and_are_printed() {
    let config =
        merge(&["--acme", "Live.Example", "--acme-cache", "d", "--acme-contact", "me@x"], FILE).unwrap();
    let expected = AcmeSettings {
        domains: vec!["live.example".to_owned()],
        contact: vec!["mailto:me@x".to_owned()],
        cache: "d".into(),
        directory: "https://acme-v02.api.letsencrypt.org/directory".to_owned(),
        root: None,
    };
    assert_eq!(config.tls, Tls::Acme(expected), "the flags' choice, not the file's");
    let printed = config.to_toml();
    assert!(printed.contains("acme = [\"live.example\"]\n") && !printed.contains("\ntls"), "{printed}");
    let file = "acme = [\"a.example\", \"b.example\"]\nacme_cache = \"d\"\nacme_directory = \"https://ca\"\nacme-root = \"r.pem\"";
    let from_file = merge(&[], file).unwrap();
    let Tls::Acme(acme) = &from_file.tls else { panic!("{:?}", from_file.tls) };
    assert_eq!((acme.domains.len(), acme.directory.as_str()), (2, "https://ca"));
    let again = toml::from_str(&from_file.to_toml()).unwrap();
    assert_eq!(Config::merge(Options::default(), again).unwrap().tls, from_file.tls);
}

#[test]
fn refusals_name_the_key() {
    let table: [(&[&str], &str, &[&str]); 33] = [
        (&[], "htp = \"x\"", &["htp", "test.toml, line 1"]),
        (&[], "http = \"127.0.0.1:1\"\n[limits]\nstrems = 1", &["strems", "line 3"]),
        (&[], "[[ice_servers]]\nurl = \"stun:x\"\nuser = \"u\"", &["user"]),
        (&[], "http = \"localhost\"", &["line 1"]),
        (&[], "takeover = \"maybe\"", &["maybe"]),
        (&[], "media = \"0.0.0.0:1\"", &["line 1"]),
        (&[], "[limits]\nstreams = 0", &["limits.streams"]),
        (&[], "[limits]\nstreams = -1", &["line 2"]),
        (&[], "[limits]\npublish_bitrate = 20", &["limits.publish_bitrate", "bits per second"]),
        (&[], "[[ice_servers]]\nurl = \"http://x\"", &["ice_servers.url"]),
        (&[], "[[ice_servers]]\nurl = \"turn:x\"\nusername = \"a\\r\\nb\"", &["ice_servers"]),
        (&["--publish-token", ""], "", &["publish_token", "--open"]),
        (&["--watch-token", "a b"], "", &["watch_token"]),
        (&["--admin-token", "a&b"], "", &["admin_token"]),
        (&["--workers", "0"], "", &["--workers"]),
        (&["--workers", "5000"], "", &["workers"]),
        (&["--dtls", "1.1"], "", &["--dtls", "1.2", "both"]),
        (&[], "dtls = 1.2", &["line 1"]),
        (&["--takeover", "maybe"], "", &["--takeover", "stale"]),
        (&["--tls-cert", "c"], "", &["tls_key"]),
        (&["--tls-key", "k"], "", &["tls_cert"]),
        (&["--tls", "self-signed", "--tls-cert", "c", "--tls-key", "k"], "", &["tls"]),
        (&["--advertise", ""], "", &["advertise"]),
        (&["--acme", "a.example"], "", &["acme_cache"]),
        (&["--acme", "*.example", "--acme-cache", "d"], "", &["acme", "*.example"]),
        (&["--acme", "192.0.2.1", "--acme-cache", "d"], "", &["acme", "192.0.2.1"]),
        (&["--acme", "a.example", "--acme-cache", "d", "--tls", "self-signed"], "", &["acme", "tls"]),
        (&["--acme", "a", "--acme-cache", "d", "--acme-directory", "http://x"], "", &["acme_directory"]),
        (&["--acme-contact", "me@x"], "", &["acme_contact", "acme"]),
        (&["--listen", "0.0.0.0:1", "--http", "0.0.0.0:2"], "", &["listen", "http"]),
        (&["--listen", "0.0.0.0:1", "--media", "0.0.0.0:2"], "", &["listen", "media"]),
        (&["--listen", "0.0.0.0:1"], "http = \"0.0.0.0:2\"", &["listen", "http"]),
        (&["--media", "0.0.0.0:1"], "listen = [\"0.0.0.0:2\"]", &["listen", "media"]),
    ];
    for (arguments, file, words) in table {
        let error = merge(arguments, file).expect_err(&format!("{arguments:?} {file:?}"));
        for word in words {
            assert!(error.contains(word), "{word:?} is missing in {error:?}");
        }
    }
}

#[test]
fn an_error_in_the_file_does_not_print_the_line_that_may_hold_a_token() {
    for file in ["publish_tokn = \"s3cret\"", "publish_token = s3cret", "publish_token = \"s3cret"] {
        let error = merge(&[], file).unwrap_err();
        assert!(!error.contains("s3cret"), "{error}");
    }
}

#[test]
fn the_printed_settings_are_a_valid_file_without_secrets() {
    let printed = merge(&[], FILE).unwrap().to_toml();
    for secret in ["fp", "fw", "fa", "credential = \"c\""] {
        assert!(
            !printed.contains(&format!("\"{secret}\"")) && !printed.contains(secret) || secret.len() == 2
        );
    }
    assert!(!printed.contains("\"fp\"") && !printed.contains("\"c\""), "{printed}");
    let again: File = toml::from_str(&printed).unwrap();
    assert_eq!(again.limits, merge(&[], FILE).unwrap().limits);
    assert_eq!(again.dtls, Some(DtlsMode::Only13));
}
