//! The exercises of stream processing courses, over taxi rides of our own making: filters and maps, joins by state, windows, timers.
//!
//! Each file is an exercise: a function from streams to a stream. `tests/training` compares each with a sequential program, on several
//! shards, with records out of order and with a crash after each checkpoint. docs/datastream.md walks through them.

pub mod city;
pub mod records;
pub mod generator;

pub mod ride_cleansing;
pub mod longest_rides;
pub mod deduplicator;
pub mod control;
pub mod rides_and_fares;
pub mod sorter;
pub mod hourly_tips;
pub mod long_ride_alerts;
pub mod highest_fares;
pub mod page_views;
pub mod click_events;
