//! What is in a spool that somebody else may be using: read only, from the segments alone.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;

use super::error::OpenError;
use super::lane::Lane;
use super::segment::{self, FILE_HEADER_LEN, FileHeader};
use super::walk::{Payload, Step, Walk};

/// One lane's part of a spool. Entries are counted until all their records are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub lane: Lane,
    pub entries: u64,
    pub records: u64,
    /// On disk.
    pub bytes: u64,
    /// When its oldest entry was staged, in milliseconds since 1970.
    pub oldest_ms: u64,
}

/// What each lane has in the spool in `dir`, by lane. A daemon may be changing it meanwhile.
pub fn list(dir: &Path) -> Result<Vec<Listed>, OpenError> {
    let mut lanes = BTreeMap::new();
    let mut seen = HashSet::new();
    for number in segment::numbers(dir).map_err(OpenError::at(dir))? {
        let path = segment::path(dir, number);
        let file = match File::open(&path) {
            // Everything in it was delivered since we looked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(OpenError::at(&path))?,
        };
        let header = segment::read_header(&file).map_err(OpenError::at(&path))?;
        if let FileHeader::Newer { format } = header {
            return Err(OpenError::Newer { path, found: format, known: segment::FORMAT });
        }
        add(&file, number, &mut seen, &mut lanes).map_err(OpenError::at(&path))?;
    }
    Ok(lanes.into_values().collect())
}

fn add(
    file: &File,
    number: u64,
    seen: &mut HashSet<u64>,
    lanes: &mut BTreeMap<Lane, Listed>,
) -> io::Result<()> {
    let mut walk = Walk::new(file, number, FILE_HEADER_LEN, file.metadata()?.len(), Payload::Trust);
    while let Some(step) = walk.step()? {
        let Step::Block { parsed, .. } = step else { continue };
        let header = &parsed.header;
        // A block that is just being copied forward is there twice.
        if parsed.dead || !seen.insert(header.seq) {
            continue;
        }
        let lane = Lane::clone(&header.lane);
        let listed = lanes.entry(lane.clone()).or_insert(Listed {
            lane,
            entries: 0,
            records: 0,
            bytes: 0,
            oldest_ms: u64::MAX,
        });
        listed.entries += 1;
        listed.records += u64::from(header.records);
        listed.bytes += u64::from(parsed.block_len());
        listed.oldest_ms = listed.oldest_ms.min(header.wall_ms);
    }
    Ok(())
}
