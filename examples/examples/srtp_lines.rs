//! Protects and opens SRTP and SRTCP packets given as JSON lines: a tool for interop tests.
//!
//! ```text
//! {"op":"new","profile":"SRTP_AEAD_AES_128_GCM","key":HEX,"salt":HEX}      -> {"ok":true}
//! {"op":"protect"|"unprotect"|"protect_rtcp"|"unprotect_rtcp","data":HEX}  -> {"data":HEX} or {"error":TEXT}
//! ```
//!
//! One answer for each line of stdin that is not empty; what can't be carried out is answered with an error, and changes
//! nothing. `new` begins anew, with its master key and salt in both directions: what is protected can be opened. Profiles:
//! `SRTP_AES128_CM_SHA1_80`, `SRTP_AES128_CM_SHA1_32`, `SRTP_AEAD_AES_128_GCM`, `SRTP_AEAD_AES_256_GCM`.

use std::io::{BufRead, Read, Write};

use headwater_examples::Outcome;
use headwater_srtp::{Context, Profile};
use serde_json::{Value, json};

/// The longest line: two hex digits for each byte of the longest datagram, and some.
const MAX_LINE: u64 = 256 << 10;

/// One context for each direction: sending and receiving count packets apart.
struct Pair {
    out: Context,
    inward: Context,
}

fn main() -> Outcome {
    let mut input = std::io::stdin().lock();
    let mut output = std::io::stdout().lock();
    let mut pair = None;
    while let Some(line) = next_line(&mut input)? {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let answer =
            carry_out(&line, &mut pair).unwrap_or_else(|error| json!({ "error": error.to_string() }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

/// The next line, `None` at the end. Of one that is too long only the beginning is kept, which is no JSON then.
fn next_line(input: &mut impl BufRead) -> Outcome<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() as u64 == MAX_LINE && !line.ends_with(b"\n") {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

fn carry_out(line: &[u8], pair: &mut Option<Pair>) -> Outcome<Value> {
    let request: Value = serde_json::from_slice(line)?;
    let text = |name: &str| request.get(name).and_then(Value::as_str).ok_or_else(|| format!("no \"{name}\""));
    let op = text("op")?;
    if op == "new" {
        let profile = profile(text("profile")?).ok_or("this profile is not supported")?;
        let (key, salt) = (hex::decode(text("key")?)?, hex::decode(text("salt")?)?);
        let context = || Context::new(profile, &key, &salt);
        *pair = Some(Pair { out: context()?, inward: context()? });
        return Ok(json!({ "ok": true }));
    }
    if !["protect", "unprotect", "protect_rtcp", "unprotect_rtcp"].contains(&op) {
        return Err(format!("what is \"{op}\"?").into());
    }
    let mut data = hex::decode(text("data")?)?;
    let Pair { out, inward } = pair.as_mut().ok_or("begin with \"new\"")?;
    match op {
        "protect" => out.protect_rtp(&mut data, 0)?,
        "protect_rtcp" => out.protect_rtcp(&mut data, 0)?,
        "unprotect" => {
            let len = inward.unprotect_rtp(&mut data)?;
            data.truncate(len);
        }
        _ => {
            let len = inward.unprotect_rtcp(&mut data)?;
            data.truncate(len);
        }
    }
    Ok(json!({ "data": hex::encode(data) }))
}

/// By the names of RFC 5764 §4.1.2 and RFC 7714 §14.2, as OpenSSL writes them.
fn profile(name: &str) -> Option<Profile> {
    let number = match name {
        "SRTP_AES128_CM_SHA1_80" => 1,
        "SRTP_AES128_CM_SHA1_32" => 2,
        "SRTP_AEAD_AES_128_GCM" => 7,
        "SRTP_AEAD_AES_256_GCM" => 8,
        _ => return None,
    };
    Profile::from_iana(number)
}
