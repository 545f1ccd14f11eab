//! One broken set-up after the other: the fault is named, and the line to change is printed.

use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, UNIX_EPOCH};

use super::files::{Folder, Wanted};
use super::*;

/// Settings, the machine, the code of the finding, and what stands in its line.
type Broken<'a> = (&'a str, Machine, &'a str, &'a str);

/// Everything else is as it should be, and everybody may come.
pub(super) const WORLD: &str = "http = \"0.0.0.0:0\"\nmedia = [\"0.0.0.0:0\"]\npublish_token = \"p\"\nwatch_token = \"w\"\nworkers = 1\n";

#[track_caller]
fn assert_named(toml: &str, machine: &Machine, code: &str, line: &str) {
    assert_found(toml, &diagnose(toml, machine), code, line);
}

/// The finding is there, in three lines, and `line` stands in the one to change.
#[track_caller]
pub(super) fn assert_found(toml: &str, findings: &Findings, code: &str, line: &str) {
    let text = report::text(findings);
    let finding = findings
        .findings
        .iter()
        .find(|it| it.code == code)
        .unwrap_or_else(|| panic!("{code}:\n{toml}\n{text}"));
    assert!(finding.fix.contains(line), "{code}: {line:?} is not in {:?}", finding.fix);
    assert!(text.contains(&format!("→ {}", finding.fix)), "{text}");
    for part in [&finding.found, &finding.why, &finding.fix] {
        assert!(!part.is_empty() && !part.contains('\n'), "{code}: one line each: {part:?}");
    }
    assert!(finding.severity == Severity::Hint || findings.exit_code() > 0);
}

/// [`WORLD`] with other lines instead of, or beside, its own.
pub(super) fn world(changed: &str) -> String {
    let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
    let kept: Vec<&str> =
        WORLD.lines().filter(|line| !changed.lines().any(|other| key(other) == key(line))).collect();
    // Tables stand last.
    format!("{}\n{changed}", kept.join("\n"))
}

fn table(rows: &[Broken<'_>]) {
    for (changed, machine, code, line) in rows {
        assert_named(&world(changed), machine, code, line);
    }
}

#[test]
fn addresses_that_nobody_can_send_to() {
    let v6 = || Machine { routes_v6: true, interfaces: vec!["2a00:1450::7".parse().unwrap()], ..machine() };
    table(&[
        ("advertise = [\"no-such-host.invalid\"]", machine(), "advertise-unresolved", "advertise = ["),
        ("advertise = [\"0.0.0.0\"]", machine(), "advertise-impossible", "advertise = ["),
        ("advertise = [\"127.0.0.1\"]", machine(), "advertise-loopback", "advertise = ["),
        ("advertise = [\"10.9.9.9\"]", machine(), "advertise-foreign", "advertise = [\"192.168.7.7\"]"),
        ("advertise = [\"192.168.7.7\"]", machine(), "advertise-private", "advertise = ["),
        ("advertise = [\"8.8.8.8\"]", machine(), "advertise-nat", "advertise = [\"8.8.8.8\"]"),
        ("advertise = [\"2a00:1450::9\"]", machine(), "advertise-family", "media = [\"0.0.0.0:"),
        ("advertise = [\"2a00:1450::9\"]", machine(), "advertise-none", "advertise = ["),
        ("", v6(), "ipv6-unused", "\"[::]:"),
    ]);
}

#[test]
fn a_family_that_is_advertised_but_leads_nowhere() {
    if UdpSocket::bind("[::]:0").is_err() {
        return;
    }
    let changed = "media = [\"0.0.0.0:0\", \"[::]:0\"]\nadvertise = [\"8.8.8.8\", \"2a00:1450::7\"]";
    assert_named(&world(changed), &machine(), "ipv6-no-route", "advertise = [\"8.8.8.8\"]");
    let machine = Machine { routes_v6: true, interfaces: vec!["2a00:1450::7".parse().unwrap()], ..machine() };
    let changed = "media = [\"0.0.0.0:0\", \"[::]:0\"]\nadvertise = [\"8.8.8.8\"]";
    assert_named(&world(changed), &machine, "ipv6-untold", "advertise = [\"8.8.8.8\", \"2a00:1450::7\"]");
}

#[test]
fn sockets_that_cannot_be_had() {
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (tcp, udp) =
        (tcp.local_addr().map(|it| (it, tcp)).unwrap(), udp.local_addr().map(|it| (it, udp)).unwrap());
    let (http, media) = (format!("http = \"{}\"", tcp.0), format!("media = [\"{}\"]", udp.0));
    table(&[
        (&http, machine(), "port-taken", "http = \"127.0.0.1:"),
        (&media, machine(), "port-taken", "media = [\"127.0.0.1:"),
        ("media = [\"203.0.113.77:8189\"]", machine(), "address-absent", "media = [\"0.0.0.0:8189\"]"),
    ]);
    let findings = diagnose(&world(&media), &machine());
    let found = &findings.findings.iter().find(|it| it.code == "port-taken").unwrap().found;
    assert!(found.contains(&udp.0.to_string()) && found.contains("EADDRINUSE"), "{found}");
    #[cfg(target_os = "linux")]
    assert!(found.contains(&format!("process {}", std::process::id())), "{found}");
}

#[test]
fn doors_that_are_for_this_machine_alone() {
    table(&[
        ("media = [\"127.0.0.1:0\"]", machine(), "media-loopback", "media = [\"0.0.0.0:"),
        ("http = \"127.0.0.1:0\"", machine(), "http-loopback", "http = \"0.0.0.0:"),
        (
            "http = \"127.0.0.1:0\"\nmedia = [\"127.0.0.1:0\"]",
            machine(),
            "this-machine-only",
            "listen = [\"0.0.0.0:",
        ),
    ]);
}

#[test]
fn a_container_that_tells_its_own_addresses() {
    let inside = || Machine {
        is_container: true,
        interfaces: ["127.0.0.1", "172.17.0.2"].map(|ip| ip.parse().unwrap()).to_vec(),
        ..machine()
    };
    table(&[
        ("advertise = [\"172.17.0.2\"]", inside(), "advertise-container", "docker run -p "),
        ("advertise = [\"192.168.7.7\"]", inside(), "advertise-nat", "docker run -p "),
        ("http = \"127.0.0.1:0\"", inside(), "http-loopback", "http = \"0.0.0.0:"),
    ]);
    let told_of_the_host = diagnose(&world("advertise = [\"192.168.7.7\"]"), &inside());
    assert!(!told_of_the_host.has("advertise-container"));
}

#[test]
fn certificates_that_are_refused() {
    let folder = Folder::new();
    let tls = |pair| Folder::tls(&folder, &pair);
    let check = |lines: String, code, line| assert_named(&format!("{GOOD}{lines}"), &machine(), code, line);
    check(tls(Wanted { begins: -60, ends: -2, ..Wanted::GOOD }.make()), "tls-expired", "certbot renew");
    check(tls(Wanted { begins: 2, ..Wanted::GOOD }.make()), "tls-not-yet", "timedatectl set-ntp true");
    check(tls(Wanted { ends: 3, ..Wanted::GOOD }.make()), "tls-ends-soon", "certbot renew");
    check(tls(Wanted { with_issuer: false, ..Wanted::GOOD }.make()), "tls-chain", "fullchain.pem");
    check(tls(Wanted::GOOD.self_signed()), "tls-self-signed", "tls_cert = ");
    check("tls = \"self-signed\"\n".to_owned(), "tls-self-signed", "tls_cert = ");
    let other = tls(Wanted { name: "other.example", ..Wanted::GOOD }.make());
    check(other + "advertise = [\"localhost\"]\n", "tls-name", "localhost/fullchain.pem");
    let mut mixed = Wanted::GOOD.make();
    mixed.key = Wanted::GOOD.make().key;
    check(tls(mixed), "tls-mismatch", "tls_key = ");
    let nothing = "tls_cert = \"/nonexistent/cert.pem\"\ntls_key = \"/nonexistent/key.pem\"\n";
    check(nothing.to_owned(), "tls-unreadable", "tls_cert = \"/nonexistent/cert.pem\"");
    let no_key = tls(Wanted::GOOD.make()).replace("key.pem", "no.pem");
    check(no_key, "tls-unreadable", "tls_key = ");
    table(&[("", machine(), "tls-off", "tls_cert = ")]);
}

#[cfg(unix)]
#[test]
fn a_key_that_everybody_may_read() {
    use std::fs::{Permissions, metadata, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let lines = folder.tls(&Wanted::GOOD.make());
    let key = lines.lines().find_map(|line| line.strip_prefix("tls_key = ")).unwrap().trim_matches('"');
    let key = Path::new(key).canonicalize().unwrap();
    let is_entered = |folder: &Path| metadata(folder).unwrap().permissions().mode() & 1 != 0;
    if !key.ancestors().skip(1).all(is_entered) {
        eprintln!("skipped: the folder for temporary files is this user's alone");
        return;
    }
    let toml = format!("{GOOD}{lines}");
    assert!(!diagnose(&toml, &machine()).has("tls-key-open"));
    set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert_named(&toml, &machine(), "tls-key-open", "chmod o= ");
    // As Let's Encrypt keeps it.
    set_permissions(key.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
    assert!(!diagnose(&toml, &machine()).has("tls-key-open"));
}

#[test]
fn a_good_certificate_is_good() {
    let folder = Folder::new();
    let toml = format!("{GOOD}advertise = [\"localhost\"]\n{}", folder.tls(&Wanted::GOOD.make()));
    let findings = diagnose(&toml, &machine());
    let text = report::text(&findings);
    assert_eq!(codes(&findings, Severity::Fault), [""; 0], "{text}");
    assert_eq!(codes(&findings, Severity::Warning), ["this-machine-only"], "{text}");
    for tick in ["cert.pem is good", "through the relay turns:"] {
        assert!(text.contains(tick), "{text}");
    }
}

#[test]
fn a_clock_that_is_wrong() {
    let past = UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    let fix = "timedatectl set-ntp true";
    assert_named(GOOD, &Machine { now: past, ..machine() }, "clock-behind", fix);
    let newer = SystemTime::now() + Duration::from_secs(30 * 24 * 3600);
    assert_named(GOOD, &Machine { program_date: Some(newer), ..machine() }, "clock-behind", fix);
}

#[test]
fn turn_servers_that_browsers_refuse() {
    let server = |lines: &str| format!("[[ice_servers]]\nurl = \"turn:127.0.0.1:1?transport=udp\"\n{lines}");
    let (nobody, no_word) = (server(""), server("username = \"u\""));
    let past = server("username = \"1700000000:u\"\ncredential = \"c\"");
    let future = server("username = \"9000000000:u\"\ncredential = \"c\"");
    let slashes = server("").replace("turn:", "turn://");
    let unknown =
        "[[ice_servers]]\nurl = \"turn:no-such-host.invalid\"\nusername = \"u\"\ncredential = \"c\"";
    for (servers, code, line) in [
        (nobody.as_str(), "turn-no-credentials", "username = "),
        (&no_word, "turn-no-credentials", "credential = "),
        (&past, "turn-expired", "no_turn = false"),
        (&future, "turn-expires", "no_turn = false"),
        (&future, "turn-unreachable", "url = "),
        (&slashes, "ice-server-url", "url = "),
        (unknown, "turn-unresolved", "url = "),
        ("", "turn-none", "no_turn = false"),
    ] {
        assert_named(&format!("{GOOD}no_turn = true\n{servers}"), &machine(), code, line);
    }
}

#[test]
fn servers_that_are_open_to_strangers_or_forget_their_tokens() {
    let no_token = WORLD.replace("publish_token", "admin_token");
    assert_named(&format!("{no_token}open = true\n"), &machine(), "open", "publish_token = ");
    assert_named(&no_token, &machine(), "tokens-new", "publish_token = ");
    assert_named(&WORLD.replace("watch_token", "admin_token"), &machine(), "tokens-new", "watch_token = ");
    assert_named(
        &no_token.replacen("0.0.0.0", "127.0.0.1", 1),
        &machine(),
        "tokens-proxy",
        "publish_token = ",
    );
}

#[test]
fn machines_that_grant_too_little() {
    let buffer = Machine { receive_buffer: Some((4 << 20, 208 << 10)), ..machine() };
    assert_named(GOOD, &buffer, "udp-buffer", "sysctl -w net.core.rmem_max=4194304");
    let files = Machine { files: Some(1024), ..machine() };
    assert_named(GOOD, &files, "file-limit", "LimitNOFILE=16384");
    assert_named(GOOD, &Machine { cores: 1, ..machine() }, "workers", "workers = 1");
}
