//! Next hops that DNS names, with a DNS server of our own on loopback that signs, and lies.
#![cfg(feature = "internet")]

mod support;

#[path = "internet/bench.rs"]
mod bench;
#[path = "internet/dane.rs"]
mod dane;
#[path = "internet/knot.rs"]
mod knot;
#[path = "internet/mx.rs"]
mod mx;
#[path = "internet/sts.rs"]
mod sts;
