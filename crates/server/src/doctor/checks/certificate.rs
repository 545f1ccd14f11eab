//! The certificate: its files, its time, its names.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::super::finding::Findings;
use super::super::patient::Patient;
use super::clock::date;
use crate::config::Tls;
use crate::tls;

/// Where authorities connect to (RFC 8737 §3).
const HTTPS_PORT: u16 = 443;
/// A renewal that has not happened by now is not going to.
const SOON: Duration = Duration::from_secs(10 * 24 * 3600);

pub(super) fn check(patient: &Patient<'_>, findings: &mut Findings) {
    match &patient.config.tls {
        Tls::Files { cert, key } => files(patient, cert, key, findings),
        Tls::SelfSigned => findings.warning(
            "tls-self-signed",
            "the certificate is made by the server itself",
            "Browsers warn of it, encoders refuse it, and TURN inside TLS is not offered, as no browser would take it.",
            "tls_cert = \"/etc/headwater/fullchain.pem\"    # and tls_key",
        ),
        Tls::Off if patient.is_beyond_loopback() => findings.warning(
            "tls-off",
            "HTTP is there for other machines without TLS",
            "Browsers give camera and screen only to https:// pages, and tokens go in the clear.",
            "tls_cert = \"/etc/headwater/fullchain.pem\"    # and tls_key",
        ),
        Tls::Acme(acme) if patient.config.tcp().iter().all(|address| address.port() != HTTPS_PORT) => {
            findings.warning(
                "acme-port",
                format!("the certificate for {} is asked for, and port 443 is not ours", acme.domains.join(", ")),
                "The authority connects to port 443 of the domain; unless that is led here, there will be no certificate.",
                "listen = [\"0.0.0.0:443\", \"[::]:443\"]",
            );
        }
        Tls::Acme(_) | Tls::Off => {}
    }
}

fn files(patient: &Patient<'_>, cert: &Path, key: &Path, findings: &mut Findings) {
    let before = findings.findings.len();
    if let Err(error) = tls::identity(&patient.config.tls, &[], &[]) {
        let error = error.to_string();
        let names_key = error.contains(&*key.to_string_lossy()) && !error.contains(&*cert.to_string_lossy());
        let (code, fix) = match () {
            () if error.contains("cannot be used") => ("tls-mismatch", line("tls_key", key)),
            () if names_key => ("tls-unreadable", line("tls_key", key)),
            () => ("tls-unreadable", line("tls_cert", cert)),
        };
        let why = match code {
            "tls-mismatch" => "The key is not this certificate's: the server does not start with the pair.",
            _ => {
                "The server does not start without it. It must be PEM, and the server's user must be able to read it."
            }
        };
        findings.fault(code, error, why, fix);
    }
    #[cfg(unix)]
    open_to_all(key, findings);
    let chain: Vec<CertificateDer<'_>> =
        CertificateDer::pem_file_iter(cert).map(|it| it.filter_map(Result::ok).collect()).unwrap_or_default();
    if let Some(leaf) = chain.first()
        && let Ok((_, parsed)) = X509Certificate::from_der(leaf)
    {
        time(patient, cert, &parsed, findings);
        issuer(cert, &parsed, chain.len(), findings);
        names(patient, cert, leaf, findings);
    }
    if findings.findings.len() == before {
        findings.well(format!("the certificate {} is good", cert.display()));
    }
}

/// May every user of this machine have the key? A folder above that lets nobody in protects it (`/etc/letsencrypt/live`).
#[cfg(unix)]
fn open_to_all(key: &Path, findings: &mut Findings) {
    use std::os::unix::fs::PermissionsExt;

    const READ_OR_WRITE: u32 = 0o006;
    const ENTER: u32 = 0o001;
    let others =
        |path: &Path, what| std::fs::metadata(path).is_ok_and(|it| it.permissions().mode() & what != 0);
    let Ok(real) = key.canonicalize() else { return };
    if others(&real, READ_OR_WRITE) && real.ancestors().skip(1).all(|folder| others(folder, ENTER)) {
        findings.warning(
            "tls-key-open",
            format!("every user of this machine may read or change the key {}", key.display()),
            "Who has the key can pass for this server.",
            format!("chmod o= {}", key.display()),
        );
    }
}

fn time(patient: &Patient<'_>, cert: &Path, parsed: &X509Certificate<'_>, findings: &mut Findings) {
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or(0));
    let validity = parsed.validity();
    let (begins, ends) = (at(validity.not_before.timestamp()), at(validity.not_after.timestamp()));
    let now = patient.machine.now;
    let renew = "certbot renew    # or however it is renewed; the files are read again when they change";
    if ends <= now {
        findings.fault(
            "tls-expired",
            format!("the certificate {} ended on {}", cert.display(), date(ends)),
            "Browsers and encoders refuse to connect.",
            renew,
        );
    } else if begins > now {
        findings.fault(
            "tls-not-yet",
            format!("the certificate {} begins on {}, and the clock says {}", cert.display(), date(begins), date(now)),
            "Browsers and encoders refuse it until then. If it was just made, the clock of this machine is wrong.",
            "timedatectl set-ntp true",
        );
    } else if ends <= now + SOON {
        findings.warning(
            "tls-ends-soon",
            format!("the certificate {} ends on {}", cert.display(), date(ends)),
            "Its renewal seems to have failed.",
            renew,
        );
    }
}

fn issuer(cert: &Path, parsed: &X509Certificate<'_>, chain: usize, findings: &mut Findings) {
    if parsed.issuer() == parsed.subject() {
        findings.warning(
            "tls-self-signed",
            format!("the certificate {} is signed by itself", cert.display()),
            "Browsers warn of it for pages, and use no TURN inside TLS behind it, without saying so.",
            "tls_cert = \"/etc/letsencrypt/live/YOUR.NAME/fullchain.pem\"    # and tls_key: privkey.pem",
        );
    } else if chain == 1 {
        findings.warning(
            "tls-chain",
            format!("{} holds the certificate alone, without its issuer's", cert.display()),
            "Some browsers find the rest by themselves; encoders and TURN inside TLS do not, and refuse.",
            "tls_cert = \"/etc/letsencrypt/live/YOUR.NAME/fullchain.pem\"    # not cert.pem",
        );
    }
}

/// Names that are advertised are what people type.
fn names(patient: &Patient<'_>, cert: &Path, leaf: &CertificateDer<'_>, findings: &mut Findings) {
    let Ok(parsed) = ParsedCertificate::try_from(leaf) else { return };
    for named in patient.named.iter().filter(|it| it.is_name()) {
        let Ok(name) = ServerName::try_from(named.text.as_str()) else { continue };
        if verify_server_name(&parsed, &name).is_err() {
            let key =
                line("tls_cert", Path::new(&format!("/etc/letsencrypt/live/{}/fullchain.pem", named.text)));
            findings.fault(
                "tls-name",
                format!("the certificate {} is not for {}", cert.display(), named.text),
                "Browsers that come by this name refuse the connection, and so does TURN inside TLS.",
                key,
            );
        }
    }
}

fn line(key: &str, path: &Path) -> String {
    format!("{key} = \"{}\"", path.display())
}
