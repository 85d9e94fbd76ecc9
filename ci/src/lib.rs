//! What the campaigns in this crate share.

pub mod crash;
pub mod nexmark;
