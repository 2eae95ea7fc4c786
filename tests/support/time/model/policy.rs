//! Rejected rules: each must fail the law that it is known to break, or the laws prove nothing.

/// Which of the rules is another than the one that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rejected {
    /// A confirmed step counts in full, however long the silence was.
    StepElapsed,
    /// A confirmed step counts as nothing.
    StepNothing,
    /// An order tolerance adds nothing to the least hold, a trailing absence neither.
    ShortHold,
    /// With an order tolerance what is held reaches over one maxspan.
    WithinOneSpan,
    /// The slack adds nothing to the least hold.
    BareMinimum,
    /// The slack is the skew once.
    HalfSlack,
    /// What leaves undecided is dropped.
    UndecidedDropped,
    /// What leaves is decided alone: what it completes with others that are not final is lost.
    MatchesLeftBehind,
    /// A replay goes back by two spans.
    TwoSpans,
    /// A replay goes back by three spans: of an absence it takes one more to know what was refused.
    ThreeSpans,
    /// A copy renews nothing.
    CopiesForgotten,
    /// A window of a sample is known since it was first complete.
    WindowsNotRenewed,
    /// An arrival completes no more than its own window.
    OneWindow,
    /// The windows of suppression are rebuilt by a replay.
    WindowsRebuilt,
    /// At a limit the one that came first leaves, whatever copies come.
    FirstInLeaves,
    /// What a limit has driven out is forgotten.
    UnseenForgotten,
    /// From when on the partition has been seen is forgotten.
    StartForgotten,
    /// A recording is read as a stream.
    Unbounded,
    /// Nothing ever leaves.
    NothingLeaves,
}
