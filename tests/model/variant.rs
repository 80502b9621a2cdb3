//! What may happen in a walk, and the mistakes that no walk must let pass.

use crate::client::Gap;
use crate::dice::Dice;
use crate::line::{LINES, Line};

/// What the world does to the daemon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Climate {
    /// Outages, crashes, stops, new producers, files that vanish. The spool survives a crash as
    /// a prefix of what was staged.
    Wild,
    /// Nothing but a broker that comes and goes, and files that vanish.
    Outages,
    /// Wild, but after a crash the spool holds any part of what was staged.
    PowerCuts,
    /// Wild, and now and then all or a part of the spool is lost as well.
    SpoolLost,
    /// Wild, with records that the broker refuses together with the batch they are in, and one
    /// that the client library refuses.
    Poisoned,
    /// The same under `ordering: strict`.
    PoisonedStrict,
    /// Wild, and batches come back that were not written while later ones are.
    Returning,
    /// Wild, and partitions are added to the topic.
    Moving,
    /// Poisoned and returning, with several partitions, and any will do: order is given up, nothing
    /// else.
    Spread,
    /// Wild, with `spool.enabled: false`.
    WithoutSpool,
    /// Power cuts, lost spools, poison, and batches that come back.
    Everything,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mistake {
    /// The spool's word is taken before it has flushed.
    SettleStaged,
    /// After a restart, what the spool has is sent although it has not been read again.
    ReplayPastReader,
    /// A file that is gone is waited for.
    GoneHoldsReplay,
    /// An acknowledgement does not remove the copy.
    CopiesKept,
    /// What is read in a detour goes to the producer.
    DirectInDetour,
    /// The producer is purged while the direct way is open.
    PurgeFirst,
    /// What is read of a file is staged before the file's number is saved.
    StagedUnnumbered,
    /// A full spool does not take what is read again either.
    FullRefusesAll,
    /// What is read again waits in memory for a full spool, as if it were new.
    FullHoldsAll,
    /// The direct way opens when the first of the backlog is loaded.
    DirectBeforeLoaded,
    /// The direct way opens for what is read next while older blocks wait for the spool.
    HeldOvertaken,
    /// What the spool gives back needs memory that the readers may have used up.
    ReplaySharesMemory,
    /// Replay goes on after a second detour where it was.
    CursorKept,
    /// What is staged before what has been loaded is forgotten.
    MissedForgotten,
    /// What came back queues behind what waits.
    ReturnedBehind,
    /// A new producer is used before all that the old one had has come back.
    RebuildAtOnce,
    /// The fatal error of a strict producer sends the lanes on a detour.
    FatalDetours,
    /// After a crash an entry vouches for all that lies before it.
    ChainIgnored,
    /// The first entry of a detour vouches for all that lies before it.
    ChainFromStart,
    /// What begins where something lies ahead vouches for that, too.
    AheadChained,
    /// An entry vouches for a record whose letter is still being written.
    ChainForgetsLetters,
    /// What is read again does not take the place of what the spool has of it.
    NotSuperseded,
    /// A lost spool is answered with the accepted place, not the acknowledged one.
    AcknowledgedForgotten,
    /// The places that a lost spool sends us back to are not saved before there is a new one.
    LossNotSaved,
    /// What is left of a damaged spool is relied on where the file could be read again.
    DamageTrusted,
    /// A suspect is alone in its lane but not in its partition.
    AloneInLaneOnly,
    /// What was staged without progress is vouched for by what comes after it.
    BlindChained,
    /// What ends where it begins counts as read again, too.
    BlindSuperseded,
    /// What reaches beyond its end counts as read again, too.
    RaggedSuperseded,
    /// What ends where it begins gives way to the same that is put again.
    BlindReplaced,
    /// What does not say what it comes after is written together with that.
    EntangledTogether,
    /// Entries of several files of a lane are written together.
    FilesTogether,
    /// Reading goes on where an entry ends although something is ahead.
    AheadIsPlace,
    /// Where the accepted place is at the same offset as the floor, it is taken for it.
    FloorNotKept,
    /// Where the accepted place is at the same offset as the floor, the floor is taken.
    FloorByOffset,
    /// Reading goes on without knowing what was made records of already.
    AheadForgotten,
    /// What one stream is ahead is passed over in the other, too.
    AheadOfBoth,
    /// A frontier that moved without progress is not told.
    FrontierByOffset,
    /// Where a record of a ragged block ends is taken for a place.
    MiddleIsPlace,
    /// A lane leads to another partition while something is on its way to the one before.
    MovesInFlight,
    /// Where order is given up, an entry is given back of which something is in flight.
    SentOnItsWay,
    /// What is on its way to the dead letters is given back a second time.
    DyingGivenBack,
    /// Where order is given up, what comes back after replay has passed it is forgotten.
    LeftBehindForgotten,
}

impl Climate {
    pub(crate) fn has_ends(self) -> bool {
        self != Self::Outages
    }

    pub(crate) fn has_spool(self) -> bool {
        self != Self::WithoutSpool
    }

    pub(crate) fn cuts_power(self) -> bool {
        matches!(self, Self::PowerCuts | Self::Everything)
    }

    pub(crate) fn loses_spools(self) -> bool {
        matches!(self, Self::SpoolLost | Self::Everything)
    }

    pub(crate) fn returns_batches(self) -> bool {
        matches!(self, Self::Returning | Self::Spread | Self::Everything)
    }

    fn has_poison(self) -> bool {
        matches!(self, Self::Poisoned | Self::PoisonedStrict | Self::Spread | Self::Everything)
    }

    /// Lines that the broker refuses: one or two.
    pub(crate) fn poison(self, dice: &mut Dice) -> Vec<Line> {
        let count = if self.has_poison() { 1 + dice.up_to(1) } else { 0 };
        (0..count).map(|_| Line(dice.up_to(LINES - 1))).collect()
    }

    /// The line that the client library refuses.
    pub(crate) fn too_large(self, dice: &mut Dice) -> Option<Line> {
        let has_one = self.has_poison() && self != Self::PoisonedStrict;
        has_one.then(|| Line(dice.up_to(LINES - 1)))
    }

    pub(crate) fn gap(self) -> Gap {
        if self == Self::PoisonedStrict { Gap::Fatal } else { Gap::Allowed }
    }
}
