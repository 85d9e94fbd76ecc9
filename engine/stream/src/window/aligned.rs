//! The operator of aligned windows: tumbling and sliding, in event time and processing time.
//!
//! A record is added to its pane; a window's content is that of its panes together, made when it fires. So what a record costs does
//! not depend on how many windows it is in, and no key has a timer: a window that fires walks its panes.
//!
//! Invariants:
//! 1. `fired` is the last time of the last window that fired, or later; every window whose last time is at or before it has fired.
//! 2. A record is in a pane, in the side output of late records, or counted as late.
//! 3. A pane is held as long as a window that holds it has not fired, or may still take late records; then it is dropped whole.

use std::ops::Range;

use yeoul_frame::{Frame, KeyGroups, KeyHash, Selection, Timestamp};
use yeoul_operator::{
    Context, InputId, OpenContext, Operator, OperatorError, OutputId, Progress, Snapshot, Subtask,
};
use yeoul_state::{Key, Panes, StateTable, Table};

use crate::collector::Collector;
use crate::key_selector::FrameKeys;
use crate::side_outputs::SideOutputs;
use crate::stateless::opened;
use crate::tag::Sides;
use crate::window::assigner::Domain;
use crate::window::content::Content;
use crate::window::firing::Firing;
use crate::window::function::WindowContext;
use crate::window::grid::Grid;
use crate::window::rows::RowNumbers;
use crate::window::runs::Runs;

/// The name of the time up to which windows have fired, in a snapshot.
const FIRED: &str = "fired";
