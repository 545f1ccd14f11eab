//! The ids that a session has given to header extensions.

use super::Kind;

/// Why an id cannot be given to an extension. The map is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// Ids 0 and 15 are reserved (RFC 8285 §4.2; 15 is legal in the two-byte form only, where
    /// nobody needs it).
    #[error("header extension id {0} is reserved")]
    ReservedId(u8),
    /// The id has another extension already (all sections of a bundle share the ids, RFC 9143 §9.1).
    #[error("header extension id {0} is given twice")]
    IdTaken(u8),
}

/// Which id means which extension, both ways by table. HOT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    kinds: [Option<Kind>; 256],
    ids: [u8; Kind::ALL.len()],
}

impl Default for Map {
    fn default() -> Self {
        Self { kinds: [None; 256], ids: [0; Kind::ALL.len()] }
    }
}

impl Map {
    /// A map without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives `id` to `kind`. The same again is harmless; of two ids for one extension both are
    /// read, and the first is the one to write.
    ///
    /// # Errors
    /// [`MapError`] if the id is reserved or has another extension.
    pub fn insert(&mut self, id: u8, kind: Kind) -> Result<(), MapError> {
        if id == 0 || id == 15 {
            return Err(MapError::ReservedId(id));
        }
        let slot = &mut self.kinds[usize::from(id)];
        if slot.is_some_and(|taken| taken != kind) {
            return Err(MapError::IdTaken(id));
        }
        *slot = Some(kind);
        let first = &mut self.ids[kind as usize];
        if *first == 0 {
            *first = id;
        }
        Ok(())
    }

    /// The extension with this id. HOT.
    pub const fn kind(&self, id: u8) -> Option<Kind> {
        self.kinds[id as usize]
    }

    /// The id of this extension. HOT.
    pub const fn id(&self, kind: Kind) -> Option<u8> {
        match self.ids[kind as usize] {
            0 => None,
            id => Some(id),
        }
    }

    /// All entries, by id.
    pub fn iter(&self) -> impl Iterator<Item = (u8, Kind)> + '_ {
        (0..=u8::MAX).zip(&self.kinds).filter_map(|(id, kind)| kind.map(|kind| (id, kind)))
    }
}
