//! Installs what the tests need and the machine lacks, and says so. What cannot be installed is a loud failure: a test
//! that silently doesn't run is worse than a red one.

use crate::steps::{output, run as run_command};
use crate::target_dir;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program, and the Debian package that brings it.
const PROGRAMS: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("firefox-esr", "firefox-esr"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nft", "nftables"),
    ("python3", "python3"),
    ("openssl", "openssl"),
    ("gnutls-cli", "gnutls-bin"),
    ("turnserver", "coturn"),
    ("stdbuf", "coreutils"),
];

/// Shared libraries that Python loads, and the Debian package that brings each: an ICE stack with TCP.
const LIBRARIES: &[(&str, &str)] = &[("libnice.so.10", "libnice10")];

/// Packages of PyPI and what to import of them: an FFmpeg that can publish by WHIP (distributions' own are older),
/// libsrtp, and a WebRTC stack whose DTLS is that of Python's cryptography.
const PYTHON_PACKAGES: [(&str, &str); 3] =
    [("imageio-ffmpeg", "imageio_ffmpeg"), ("pylibsrtp", "pylibsrtp"), ("aiortc", "aiortc")];

/// What the tests are told about the machine.
#[derive(Debug)]
pub(crate) struct Setup {
    /// An FFmpeg with a WHIP muxer.
    pub(crate) ffmpeg: PathBuf,
    /// A Python with other people's libraries.
    pub(crate) python: PathBuf,
}

/// Makes sure of everything.
pub(crate) fn run(root: &Path) -> Result<Setup, String> {
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| find(program).is_none()).map(|(_, package)| *package).collect();
    install(&missing)?;
    if missing.contains(&"coturn") {
        stop_coturn();
    }
    if let Some((program, package)) = PROGRAMS.iter().find(|(program, _)| find(program).is_none()) {
        return Err(format!("`{program}` is still missing after installing {package}"));
    }
    for (program, _) in PROGRAMS {
        println!("{program}: {}", find(program).unwrap_or_default().display());
    }
    let python = python(root)?;
    for (library, package) in LIBRARIES {
        let script = format!("import ctypes; ctypes.CDLL('{library}')");
        let load = || output(Command::new(&python).args(["-c", &script]));
        if load().is_err() {
            install(&[package])?;
            load()
                .map_err(|error| format!("{library} is still missing after installing {package}: {error}"))?;
        }
    }
    let ffmpeg = ffmpeg(&python)?;
    println!("ffmpeg: {}", ffmpeg.display());
    Ok(Setup { ffmpeg, python })
}

/// Makes sure of what the OpenSSL row of the bench `handshake` is built with.
pub(crate) fn libssl() -> Result<(), String> {
    let is_there = || output(Command::new("pkg-config").args(["--modversion", "libssl"])).is_ok();
    if !is_there() {
        install(&["libssl-dev", "pkg-config"])?;
    }
    if is_there() {
        Ok(())
    } else {
        Err("`pkg-config libssl` still fails after installing libssl-dev".to_owned())
    }
}

/// Where a program lies. The folders of administrators count too: `ip` is there.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Installs Debian packages, as root or by sudo.
fn install(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    let by_hand =
        format!("missing: {wanted}. Install them, on Debian or Ubuntu with `apt-get install {wanted}`");
    if find("apt-get").is_none() {
        return Err(format!("{by_hand}; this machine has no apt-get"));
    }
    println!("installing {wanted} by apt-get");
    apt_get("update", &[]).map_err(|error| format!("{by_hand}; {error}"))?;
    apt_get("install", packages).map_err(|error| format!("{by_hand}; {error}"))
}

/// Debian's package starts a TURN server on all addresses where there is systemd: only its programs are wanted.
fn stop_coturn() {
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|id| id == "0");
    let mut command = if is_root { Command::new("systemctl") } else { Command::new("sudo") };
    if !is_root {
        command.args(["-n", "systemctl"]);
    }
    if find("systemctl").is_some()
        && let Err(error) = run_command(command.args(["disable", "--now", "coturn"]).stdin(Stdio::null()))
    {
        println!("coturn's service may be running: {error}");
    }
}

fn apt_get(verb: &str, packages: &[&str]) -> Result<(), String> {
    let is_root = output(Command::new("id").arg("-u"))? == "0";
    let mut command = if is_root { Command::new("env") } else { Command::new("sudo") };
    if !is_root {
        command.args(["-n", "env"]); // Never ask for a password: nobody may be there.
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "--no-install-recommends", verb]);
    run_command(command.args(packages).stdin(Stdio::null()))
}

/// A Python environment below the build folder that has the [packages](PYTHON_PACKAGES), made if it isn't there.
fn python(root: &Path) -> Result<PathBuf, String> {
    let venv = target_dir(root).join("interop-venv");
    let python = venv.join("bin/python");
    let imports = PYTHON_PACKAGES.map(|(_, module)| format!("import {module}")).join("; ");
    let check = || output(Command::new(&python).args(["-c", &imports])).map(|_| ());
    if check().is_ok() {
        return Ok(python);
    }
    let packages = PYTHON_PACKAGES.map(|(package, _)| package);
    println!("installing {} by pip into {}", packages.join(", "), venv.display());
    let make = || run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    if make().is_err() {
        install(&["python3-venv"])?; // Debian splits it off.
        make()?;
    }
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run_command(Command::new(&python).args(pip).args(packages).stdin(Stdio::null()))?;
    check().map(|()| python)
}

/// The FFmpeg of the Python environment.
fn ffmpeg(python: &Path) -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("HEADWATER_FFMPEG").map(PathBuf::from) {
        return check_whip(path);
    }
    let script = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())";
    check_whip(output(Command::new(python).args(["-c", script])).map(PathBuf::from)?)
}

fn check_whip(ffmpeg: PathBuf) -> Result<PathBuf, String> {
    let muxers = output(Command::new(&ffmpeg).args(["-hide_banner", "-muxers"]))?;
    if muxers.lines().any(|line| line.split_whitespace().any(|word| word == "whip")) {
        Ok(ffmpeg)
    } else {
        Err(format!("{} cannot publish by WHIP: set HEADWATER_FFMPEG to FFmpeg 8 or later", ffmpeg.display()))
    }
}
