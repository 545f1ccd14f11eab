//! FFmpeg as a WHIP publisher that no browser vendor wrote.

use std::path::PathBuf;
use std::process::Command;

use crate::process::Process;
use crate::{Error, Result};

/// Which side of the DTLS handshake FFmpeg takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DtlsRole {
    /// FFmpeg waits for our ClientHello (`setup:passive`), its default.
    Server,
    /// FFmpeg sends the ClientHello (`setup:active`).
    Client,
}

/// Starts to publish a test picture (H264, constrained baseline, 30 fps) and a tone (Opus) to `url`, in real time, for at
/// most `seconds`.
///
/// # Errors
/// [`Error::Start`] if there is no FFmpeg with a WHIP muxer.
pub fn publish(url: &str, token: Option<&str>, role: DtlsRole, seconds: u32) -> Result<Process> {
    let mut command = Command::new(binary()?);
    command.args(["-hide_banner", "-nostdin", "-loglevel", "info", "-re"]);
    command.args(["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"]);
    command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
    command.args([
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-profile:v",
        "baseline",
    ]);
    command.args(["-pix_fmt", "yuv420p", "-g", "60", "-bf", "0", "-b:v", "1M"]);
    command.args(["-c:a", "libopus", "-ac", "2", "-b:a", "64k", "-t", &seconds.to_string()]);
    command.args(["-f", "whip"]);
    if let Some(token) = token {
        command.args(["-authorization", token]);
    }
    if role == DtlsRole::Client {
        command.args(["-whip_flags", "dtls_active"]);
    }
    command.arg(url);
    Process::start("ffmpeg", command)
}

/// `HEADWATER_FFMPEG`, the one of `target/interop-venv` (PyPI's imageio-ffmpeg), or the system's if it speaks WHIP.
///
/// # Errors
/// [`Error::Start`] with the remedy.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HEADWATER_FFMPEG") {
        return Ok(path.into());
    }
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let venvs = [root.join(target).join("interop-venv/lib"), root.join("target/interop-venv/lib")];
    let in_venv = venvs.iter().flat_map(|lib| children(lib)).find_map(|python| {
        let binaries = python.join("site-packages/imageio_ffmpeg/binaries");
        children(&binaries)
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ffmpeg")))
    });
    in_venv.into_iter().chain([PathBuf::from("ffmpeg")]).find(|path| speaks_whip(path)).ok_or_else(|| Error::Start {
        program: "ffmpeg".into(),
        reason: "none with a WHIP muxer; `python3 -m venv target/interop-venv && target/interop-venv/bin/pip install \
                 imageio-ffmpeg`, or set HEADWATER_FFMPEG"
            .into(),
    })
}

fn children(folder: &std::path::Path) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn speaks_whip(path: &std::path::Path) -> bool {
    Command::new(path).args(["-hide_banner", "-muxers"]).output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.contains(" whip "))
    })
}
