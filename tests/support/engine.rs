//! Which engine the store under test has.

use ravelin::store::EngineKind;

/// The engine of the store: redb, or the one that `RAVELIN_TEST_ENGINE` names.
pub fn under_test() -> EngineKind {
    let named = std::env::var("RAVELIN_TEST_ENGINE").ok();
    named.map_or_else(EngineKind::default, |name| {
        let mut all = EngineKind::ALL.into_iter();
        all.find(|kind| kind.name() == name && kind.is_built())
            .expect("RAVELIN_TEST_ENGINE names an engine that is built")
    })
}
