//! start
use ravelin::label::*;
#[test]
fn load() {
    for name in ["alder", "birch"] {
        let xml =
            std::fs::read(format!("{}/labels/{name}.xml", env!("CARGO_MANIFEST_DIR"))).unwrap();
        Policy::from_spif_strictly(&xml, name).unwrap();
    }
}
