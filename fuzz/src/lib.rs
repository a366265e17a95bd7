//! The label room by itself, as the fuzz targets see it, and the policies that they share.

use std::sync::LazyLock;

#[path = "../../src/label/mod.rs"]
pub mod label;

use label::{Policies, Policy};

/// Every policy of `labels/`.
pub static POLICIES: LazyLock<Policies> = LazyLock::new(|| {
    let files: [&[u8]; 6] = [
        include_bytes!("../../labels/alder.xml"),
        include_bytes!("../../labels/birch.xml"),
        include_bytes!("../../labels/commercial.xml"),
        include_bytes!("../../labels/nato-like.xml"),
        include_bytes!("../../labels/tlp.xml"),
        include_bytes!("../../labels/uk-like.xml"),
    ];
    let policies = files.map(|octets| Policy::from_spif(octets, "own").expect("our own policy"));
    Policies::new(policies.into()).expect("six different policies")
});
