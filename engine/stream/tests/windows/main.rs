//! Window operators against plain sequential models, with snapshots, restores and changes of parallelism at any point.

mod aligned;
mod evictors;
mod fleet;
mod functions;
mod script;
mod session;
mod triggers;
