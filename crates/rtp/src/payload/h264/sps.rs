//! Width and height from a sequence parameter set (H.264 §7.3.2.1.1).

use crate::payload::bits::BitReader;

/// Bytes of an SPS that are looked at; real ones have about 30.
const MAX_LEN: usize = 256;
/// Largest number of macroblocks in a row or column: 65,535 pixels.
const MAX_MACROBLOCKS: u32 = 4095;
/// Most frames in a picture order cycle (H.264 §7.4.2.1.1).
const MAX_CYCLE: u32 = 255;

/// Width and height in pixels of a SPS NAL unit, cropped. `None` if it cannot be read.
pub fn resolution(unit: &[u8]) -> Option<(u16, u16)> {
    let mut buffer = [0; MAX_LEN];
    let len = unescape(unit.get(1..)?, &mut buffer);
    parse(&mut BitReader::new(&buffer[..len]))
}

/// Takes the emulation prevention bytes out (H.264 §7.4.1.1).
fn unescape(content: &[u8], out: &mut [u8; MAX_LEN]) -> usize {
    let mut len = 0;
    let mut zeros = 0;
    for &byte in content {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        let Some(slot) = out.get_mut(len) else { break };
        *slot = byte;
        len += 1;
    }
    len
}

fn parse(bits: &mut BitReader<'_>) -> Option<(u16, u16)> {
    let profile = bits.bits(8)?;
    bits.skip(16)?; // constraints and level
    bits.exp_golomb()?; // id
    let mut chroma_format = 1;
    let mut separate_planes = false;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma_format = bits.exp_golomb()?;
        if chroma_format == 3 {
            separate_planes = bits.bit()?;
        }
        bits.exp_golomb()?; // luma depth
        bits.exp_golomb()?; // chroma depth
        bits.skip(1)?; // transform bypass
        if bits.bit()? {
            skip_scaling_matrix(bits, if chroma_format == 3 { 12 } else { 8 })?;
        }
    }
    bits.exp_golomb()?; // frame number bits
    skip_picture_order(bits)?;
    bits.exp_golomb()?; // reference frames
    bits.skip(1)?; // gaps allowed
    let columns = bits.exp_golomb()?.checked_add(1).filter(|count| *count <= MAX_MACROBLOCKS)?;
    let rows = bits.exp_golomb()?.checked_add(1).filter(|count| *count <= MAX_MACROBLOCKS)?;
    let frames_only = bits.bit()?;
    if !frames_only {
        bits.skip(1)?; // macroblock adaptive
    }
    bits.skip(1)?; // direct inference
    let fields = if frames_only { 1 } else { 2 };
    let mut size = [columns * 16, rows * 16 * fields];
    if bits.bit()? {
        let [left, right, top, bottom] =
            [bits.exp_golomb()?, bits.exp_golomb()?, bits.exp_golomb()?, bits.exp_golomb()?];
        let (unit_x, unit_y) = match chroma_format {
            _ if separate_planes => (1, 1),
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        for (side, (near, far, unit)) in
            size.iter_mut().zip([(left, right, unit_x), (top, bottom, unit_y * fields)])
        {
            *side = near.checked_add(far)?.checked_mul(unit).and_then(|crop| side.checked_sub(crop))?;
        }
    }
    let [width, height] = size;
    Some((u16::try_from(width).ok()?, u16::try_from(height).ok()?)).filter(|size| size.0 > 0 && size.1 > 0)
}

fn skip_scaling_matrix(bits: &mut BitReader<'_>, lists: usize) -> Option<()> {
    for index in 0..lists {
        if !bits.bit()? {
            continue;
        }
        let mut last = 8_i32;
        let mut next = 8_i32;
        for _ in 0..if index < 6 { 16 } else { 64 } {
            if next != 0 {
                next = last.wrapping_add(bits.signed_exp_golomb()?) & 0xff;
            }
            last = if next == 0 { last } else { next };
        }
    }
    Some(())
}

fn skip_picture_order(bits: &mut BitReader<'_>) -> Option<()> {
    match bits.exp_golomb()? {
        0 => {
            bits.exp_golomb()?;
        }
        1 => {
            bits.skip(1)?;
            bits.exp_golomb()?;
            bits.exp_golomb()?;
            let cycle = bits.exp_golomb()?;
            if cycle > MAX_CYCLE {
                return None;
            }
            for _ in 0..cycle {
                bits.exp_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}
