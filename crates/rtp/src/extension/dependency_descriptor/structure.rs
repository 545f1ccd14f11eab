//! The template dependency structure and the frames that refer to it
//! (AV1 RTP specification v1.0.0, A.8.3).

use super::DependencyDescriptor;
use crate::ParseError;
use crate::extension::Extension;
use crate::payload::bits::BitReader;

/// Most templates of a structure: ids have six bits.
const MAX_TEMPLATES: usize = 64;
const MAX_SPATIAL_ID: u8 = 3;
const MAX_TEMPORAL_ID: u8 = 7;
/// Most frames that one frame refers to directly.
const MAX_DIFFS: usize = 16;
/// Most decode targets, and most chains: the number of targets has five bits.
const MAX_TARGETS: usize = 32;
const MANDATORY_BITS: u32 = 24;
/// Flags of the extended fields.
const EXTENDED_BITS: u32 = 5;

/// What the frames of a coded video sequence look like; sent with its key frame and kept by the
/// receiver until the next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Structure {
    /// Template id of the first template.
    pub template_id_offset: u8,
    /// Number of decode targets, 1 to 32: sets of layers that somebody may want to decode.
    pub decode_targets: u8,
    /// For each decode target the chain that protects it; empty without chains.
    pub protected_by: Vec<u8>,
    /// Number of chains, 0 to 32.
    pub chains: u8,
    /// Kinds of frames, at most 64.
    pub templates: Vec<Template>,
    /// Largest width and height for each spatial layer, if they are told.
    pub resolutions: Vec<(u32, u32)>,
}

/// One kind of frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Template {
    /// Spatial layer, 0 to 3.
    pub spatial_id: u8,
    /// Temporal layer, 0 to 7.
    pub temporal_id: u8,
    /// What such frames are to each decode target.
    pub indications: Indications,
    /// How far back the frames are that it refers to.
    pub frame_diffs: FrameDiffs,
    /// For each chain, how far back its previous frame is; 0 if the chain begins here.
    pub chain_diffs: [u8; MAX_TARGETS],
}

/// What a frame is to one decode target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Indication {
    /// Not part of it.
    NotPresent,
    /// Part of it, but nothing refers to the frame.
    Discardable,
    /// Part of it, and one may begin to decode the target here.
    Switch,
    /// Part of it.
    Required,
}

/// [`Indication`]s for up to 32 decode targets, two bits each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Indications(u64);

impl Indications {
    /// What the frame is to the decode target with this index; `NotPresent` if there is no such target.
    pub const fn to(self, target: u8) -> Indication {
        if target >= MAX_TARGETS as u8 {
            return Indication::NotPresent;
        }
        match self.0 >> (2 * target) & 3 {
            0 => Indication::NotPresent,
            1 => Indication::Discardable,
            2 => Indication::Switch,
            _ => Indication::Required,
        }
    }

    fn parse(bits: &mut BitReader<'_>, targets: u8) -> Option<Self> {
        let mut all = 0;
        for target in 0..targets {
            all |= u64::from(bits.bits(2)?) << (2 * target);
        }
        Some(Self(all))
    }
}

/// Distances to the frames that a frame refers to, at most 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FrameDiffs {
    diffs: [u16; MAX_DIFFS],
    len: u8,
}

impl FrameDiffs {
    /// The distances, each at least 1.
    pub fn as_slice(&self) -> &[u16] {
        &self.diffs[..usize::from(self.len)]
    }

    fn push(&mut self, diff: u16) -> Option<()> {
        *self.diffs.get_mut(usize::from(self.len))? = diff;
        self.len += 1;
        Some(())
    }
}

/// One frame, resolved against its structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// Its kind, with what the descriptor says otherwise put in.
    pub template: Template,
    /// Decode targets that are sent from here on, bit 0 for the first; `None`: as before.
    pub active_decode_targets: Option<u32>,
    /// Largest width and height of its spatial layer, if the structure tells them.
    pub resolution: Option<(u32, u32)>,
}

impl Structure {
    /// The structure attached to a descriptor; `None` if there is none. Allocates: key frames only.
    ///
    /// # Errors
    /// [`ParseError::BadLength`] if it passes the end, [`ParseError::BadValue`] for more layers than
    /// the specification has.
    pub fn parse(value: &[u8]) -> Result<Option<Self>, ParseError> {
        if !DependencyDescriptor::parse(value)?.has_structure {
            return Ok(None);
        }
        let mut bits = BitReader::new(value);
        bits.skip(MANDATORY_BITS + EXTENDED_BITS).ok_or(ParseError::BadLength)?;
        Self::read(&mut bits).map(Some)
    }

    fn read(bits: &mut BitReader<'_>) -> Result<Self, ParseError> {
        let template_id_offset = bits.bits(6).ok_or(ParseError::BadLength)? as u8;
        let decode_targets = bits.bits(5).ok_or(ParseError::BadLength)? as u8 + 1;
        let templates = read_layers(bits)?;
        let mut structure = Self {
            template_id_offset,
            decode_targets,
            protected_by: Vec::new(),
            chains: 0,
            templates,
            resolutions: Vec::new(),
        };
        structure.read_rest(bits).ok_or(ParseError::BadLength)?;
        Ok(structure)
    }

    fn read_rest(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        for template in &mut self.templates {
            template.indications = Indications::parse(bits, self.decode_targets)?;
        }
        for template in &mut self.templates {
            while bits.bit()? {
                template.frame_diffs.push(bits.bits(4)? as u16 + 1)?;
            }
        }
        let targets = u32::from(self.decode_targets);
        self.chains = bits.non_symmetric(targets + 1)? as u8;
        if self.chains > 0 {
            for _ in 0..targets {
                self.protected_by.push(bits.non_symmetric(u32::from(self.chains))? as u8);
            }
            for template in &mut self.templates {
                for diff in &mut template.chain_diffs[..usize::from(self.chains)] {
                    *diff = bits.bits(4)? as u8;
                }
            }
        }
        if bits.bit()? {
            let spatial_layers = self.templates.last()?.spatial_id + 1;
            for _ in 0..spatial_layers {
                self.resolutions.push((bits.bits(16)? + 1, bits.bits(16)? + 1));
            }
        }
        Some(())
    }

    /// Resolves a descriptor that refers to this structure (or carries it). HOT.
    ///
    /// # Errors
    /// [`ParseError::BadValue`] for a template that the structure lacks: it belongs to another one;
    /// [`ParseError::BadLength`] if the descriptor ends early.
    pub fn frame(&self, value: &[u8]) -> Result<Frame, ParseError> {
        let descriptor = DependencyDescriptor::parse(value)?;
        let index = (descriptor.template_id + 64 - self.template_id_offset) % 64;
        let template = *self.templates.get(usize::from(index)).ok_or(ParseError::BadValue)?;
        let resolution = self.resolutions.get(usize::from(template.spatial_id)).copied();
        let mut frame = Frame { template, active_decode_targets: None, resolution };
        if value.len() > 3 {
            let mut bits = BitReader::new(value);
            bits.skip(MANDATORY_BITS).ok_or(ParseError::BadLength)?;
            let flags = bits.bits(EXTENDED_BITS).ok_or(ParseError::BadLength)?;
            if descriptor.has_structure {
                let attached = Self::read(&mut bits)?;
                if attached != *self {
                    return Err(ParseError::BadValue);
                }
                frame.active_decode_targets = Some(u32::MAX >> (32 - u32::from(self.decode_targets)));
            }
            self.read_custom(flags, &mut bits, &mut frame).ok_or(ParseError::BadLength)?;
        }
        Ok(frame)
    }

    fn read_custom(&self, flags: u32, bits: &mut BitReader<'_>, frame: &mut Frame) -> Option<()> {
        let template = &mut frame.template;
        if flags & 0b01000 != 0 {
            frame.active_decode_targets = Some(bits.bits(u32::from(self.decode_targets))?);
        }
        if flags & 0b00100 != 0 {
            template.indications = Indications::parse(bits, self.decode_targets)?;
        }
        if flags & 0b00010 != 0 {
            template.frame_diffs = FrameDiffs::default();
            loop {
                let size = bits.bits(2)?;
                if size == 0 {
                    break;
                }
                template.frame_diffs.push(bits.bits(4 * size)? as u16 + 1)?;
            }
        }
        if flags & 0b00001 != 0 {
            for diff in &mut template.chain_diffs[..usize::from(self.chains)] {
                *diff = bits.bits(8)? as u8;
            }
        }
        Some(())
    }

    /// Layers of a decode target: the highest spatial and temporal ids of its frames.
    pub fn target_layers(&self, target: u8) -> (u8, u8) {
        let present = |template: &&Template| template.indications.to(target) != Indication::NotPresent;
        self.templates.iter().filter(present).fold((0, 0), |(spatial, temporal), template| {
            (spatial.max(template.spatial_id), temporal.max(template.temporal_id))
        })
    }
}

/// `next_layer_idc` (2 bits) after each template: 0 the same layer, 1 the next temporal, 2 the next
/// spatial, 3 the end.
fn read_layers(bits: &mut BitReader<'_>) -> Result<Vec<Template>, ParseError> {
    let mut templates = Vec::new();
    let mut template = Template::default();
    loop {
        if templates.len() == MAX_TEMPLATES {
            return Err(ParseError::TooMany(MAX_TEMPLATES));
        }
        templates.push(template);
        match bits.bits(2).ok_or(ParseError::BadLength)? {
            0 => {}
            1 => template.temporal_id += 1,
            2 => {
                template.temporal_id = 0;
                template.spatial_id += 1;
            }
            _ => return Ok(templates),
        }
        if template.temporal_id > MAX_TEMPORAL_ID || template.spatial_id > MAX_SPATIAL_ID {
            return Err(ParseError::BadValue);
        }
    }
}
