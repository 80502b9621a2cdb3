//! Undoes gzip (RFC 1952) and zstd (RFC 8878), as many members or frames as there are, without
//! knowing what they are read from: bytes go in as they come, and whatever is there comes out.

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder, Operation as _};

use super::gzip::{self, Header};

/// 128 MiB: what `zstd` itself takes without `--long`, and more than any level asks for.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Why nothing more comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is no room for more.
    Full,
    /// All that went in was used. `is_whole`: a member ended there, and no other has begun.
    Drained { is_whole: bool },
    /// What comes next is not what it should be; nothing after it counts.
    Damaged,
}

/// What one call used and gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) used: usize,
    pub(super) given: usize,
    pub(super) stop: Stop,
}

/// One compressed stream.
pub(super) enum Unpacker {
    Gzip(Box<Gzip>),
    Zstd(Zstd),
}

impl Unpacker {
    pub(super) fn gzip() -> Self {
        let (part, inflate) = (Part::Between, Decompress::new(false));
        Self::Gzip(Box::new(Gzip { part, inflate, crc: crc32fast::Hasher::new(), members: 0 }))
    }

    pub(super) fn zstd() -> std::io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Self::Zstd(Zstd { decoder, is_between: true, is_begun: false }))
    }

    /// Takes from `input` what it needs to fill `output`. What it does not use is to be offered
    /// again, with more behind it.
    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        match self {
            Self::Gzip(gzip) => gzip.run(input, output),
            Self::Zstd(zstd) => zstd.run(input, output),
        }
    }
}

/// Where in a file of members.
enum Part {
    /// Before a header: of the first member, or of another that need not come.
    Between,
    Body,
    Trailer,
    Damaged,
}

pub(super) struct Gzip {
    part: Part,
    inflate: Decompress,
    crc: crc32fast::Hasher,
    members: u64,
}

impl Gzip {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let (mut used, mut given) = (0, 0);
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let room = output.get_mut(given..).unwrap_or_default();
            let stop = match self.part {
                Part::Between => self.header(rest, &mut used),
                Part::Body => self.body(rest, room, &mut used, &mut given),
                Part::Trailer => self.trailer(rest, &mut used),
                Part::Damaged => Some(Stop::Damaged),
            };
            if let Some(stop) = stop {
                if stop == Stop::Damaged {
                    self.part = Part::Damaged;
                }
                return Step { used, given, stop };
            }
        }
    }

    fn header(&mut self, input: &[u8], used: &mut usize) -> Option<Stop> {
        // Between members there may be zeroes: files are padded to whole blocks.
        let zeroes = input.iter().take_while(|byte| **byte == 0 && self.members > 0).count();
        *used += zeroes;
        let input = input.get(zeroes..).unwrap_or_default();
        match gzip::header(input) {
            Header::Whole(len) => {
                *used += len;
                self.part = Part::Body;
                self.inflate.reset(false);
                self.crc.reset();
                None
            }
            Header::Unfinished => {
                let is_whole = input.is_empty() && self.members > 0;
                Some(Stop::Drained { is_whole })
            }
            Header::None => Some(Stop::Damaged),
        }
    }

    fn body(
        &mut self,
        input: &[u8],
        room: &mut [u8],
        used: &mut usize,
        given: &mut usize,
    ) -> Option<Stop> {
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, room, FlushDecompress::None);
        let took = usize::try_from(self.inflate.total_in() - before.0).unwrap_or_default();
        let gave = usize::try_from(self.inflate.total_out() - before.1).unwrap_or_default();
        self.crc.update(room.get(..gave).unwrap_or_default());
        *used += took;
        *given += gave;
        match status {
            Ok(Status::StreamEnd) => {
                self.part = Part::Trailer;
                None
            }
            Ok(Status::Ok | Status::BufError) if gave == room.len() => Some(Stop::Full),
            Ok(Status::Ok | Status::BufError) if took == input.len() => {
                Some(Stop::Drained { is_whole: false })
            }
            Ok(Status::Ok) if took + gave > 0 => None,
            Ok(Status::Ok | Status::BufError) | Err(_) => Some(Stop::Damaged),
        }
    }

    fn trailer(&mut self, input: &[u8], used: &mut usize) -> Option<Stop> {
        let Some((trailer, _)) = input.split_first_chunk() else {
            return Some(Stop::Drained { is_whole: false });
        };
        let (crc, length) = gzip::trailer(*trailer);
        // It counts modulo 2^32.
        let is_right = crc == self.crc.clone().finalize()
            && u64::from(length) == self.inflate.total_out() & 0xFFFF_FFFF;
        if !is_right {
            return Some(Stop::Damaged);
        }
        *used += trailer.len();
        self.members += 1;
        self.part = Part::Between;
        None
    }
}

pub(super) struct Zstd {
    decoder: Decoder<'static>,
    is_between: bool,
    is_begun: bool,
}

impl Zstd {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let (mut used, mut given) = (0, 0);
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let room = output.get_mut(given..).unwrap_or_default();
            let stop = if rest.is_empty() && self.is_between {
                Stop::Drained { is_whole: self.is_begun }
            } else if room.is_empty() {
                Stop::Full
            } else {
                match self.decoder.run_on_buffers(rest, room) {
                    Ok(status) => {
                        used += status.bytes_read;
                        given += status.bytes_written;
                        self.is_begun = true;
                        self.is_between = status.remaining == 0;
                        if status.bytes_read + status.bytes_written > 0 {
                            continue;
                        }
                        Stop::Drained { is_whole: self.is_between }
                    }
                    // It says so again whenever it is asked.
                    Err(_) => Stop::Damaged,
                }
            };
            return Step { used, given, stop };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy)]
    enum Kind {
        Gzip,
        Zstd,
    }

    fn pack(kind: Kind, text: &[u8]) -> Vec<u8> {
        match kind {
            Kind::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }
            Kind::Zstd => zstd::stream::encode_all(text, 1).unwrap(),
        }
    }

    fn unpacker(kind: Kind) -> Unpacker {
        match kind {
            Kind::Gzip => Unpacker::gzip(),
            Kind::Zstd => Unpacker::zstd().unwrap(),
        }
    }

    /// Offers `packed` in pieces of `piece` bytes, what was not used with the next.
    fn unpack(kind: Kind, packed: &[u8], piece: usize, room: usize) -> (Vec<u8>, Stop) {
        let mut unpacker = unpacker(kind);
        let (mut out, mut from, mut to) = (Vec::new(), 0, 0);
        let mut buffer = vec![0; room];
        loop {
            let step = unpacker.run(&packed[from..to], &mut buffer);
            out.extend_from_slice(&buffer[..step.given]);
            from += step.used;
            match step.stop {
                Stop::Full => assert!(step.given > 0),
                Stop::Drained { .. } if to < packed.len() => to = (to + piece).min(packed.len()),
                Stop::Drained { .. } | Stop::Damaged => return (out, step.stop),
            }
        }
    }

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![Just(Kind::Gzip), Just(Kind::Zstd)]
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let line = prop::collection::vec(prop::sample::select(b"abc \n".to_vec()), 0..300);
        prop_oneof![3 => line, 1 => prop::collection::vec(any::<u8>(), 0..3000)]
    }

    fn members() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(text(), 1..4)
    }

    proptest! {
        #[test]
        fn every_member_comes_out_whatever_the_pieces(
            kind in kinds(), members in members(), piece in 1..500_usize, room in 1..500_usize,
        ) {
            let packed: Vec<u8> = members.iter().flat_map(|text| pack(kind, text)).collect();
            let (out, stop) = unpack(kind, &packed, piece, room);
            prop_assert_eq!(out, members.concat());
            prop_assert_eq!(stop, Stop::Drained { is_whole: true });
        }

        #[test]
        fn what_is_cut_anywhere_gives_a_beginning_and_is_whole_only_between_members(
            kind in kinds(), members in members(), at in any::<prop::sample::Index>(),
        ) {
            let packed: Vec<Vec<u8>> = members.iter().map(|text| pack(kind, text)).collect();
            let mut borders = vec![];
            packed.iter().fold(0, |end, member| {
                borders.push(end + member.len());
                end + member.len()
            });
            let packed = packed.concat();
            let cut = at.index(packed.len());
            let (out, stop) = unpack(kind, &packed[..cut], 64, 128);
            prop_assert!(members.concat().starts_with(&out));
            prop_assert_eq!(stop, Stop::Drained { is_whole: borders.contains(&cut) });
        }

        #[test]
        fn damage_is_never_a_panic_nor_taken_for_whole(
            text in text(), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
        ) {
            let mut packed = pack(Kind::Gzip, &text);
            let at = at.index(packed.len());
            packed[at] ^= flip;
            let (out, stop) = unpack(Kind::Gzip, &packed, 64, 128);
            // The header holds more than what it takes, and the last byte may have bits to spare.
            let is_whole = stop == Stop::Drained { is_whole: true };
            prop_assert!(!is_whole || out == text);
        }

        #[test]
        fn anything_may_be_offered(kind in kinds(), bytes in text(), has_head in any::<bool>()) {
            let mut packed = if has_head { pack(kind, b"a line\n") } else { Vec::new() };
            packed.extend(bytes);
            unpack(kind, &packed, 7, 11);
        }
    }

    #[test]
    fn zeroes_behind_the_last_member_are_padding_and_other_bytes_are_damage() {
        let mut packed = pack(Kind::Gzip, b"a\n");
        packed.extend([0; 700]);
        let whole = Stop::Drained { is_whole: true };
        assert_eq!(unpack(Kind::Gzip, &packed, 64, 64), (b"a\n".to_vec(), whole));
        packed.extend(b"garbage");
        assert_eq!(unpack(Kind::Gzip, &packed, 64, 64), (b"a\n".to_vec(), Stop::Damaged));
        packed = pack(Kind::Zstd, b"a\n");
        packed.extend(b"garbage");
        assert_eq!(unpack(Kind::Zstd, &packed, 64, 64), (b"a\n".to_vec(), Stop::Damaged));
    }

    #[test]
    fn headers_with_everything_in_them_are_passed_over() {
        let mut encoder = flate2::GzBuilder::new()
            .filename("app.log")
            .comment("a comment")
            .extra(vec![7; 5000])
            .mtime(1)
            .write(Vec::new(), Compression::default());
        encoder.write_all(b"a\nb\n").unwrap();
        let packed = encoder.finish().unwrap();
        let whole = Stop::Drained { is_whole: true };
        for piece in [1, 100, 10_000] {
            assert_eq!(unpack(Kind::Gzip, &packed, piece, 64), (b"a\nb\n".to_vec(), whole));
        }
    }
}
