//! Writes the seeds of every target below `seeds/`, from the policies and cases of `../labels` and a few
//! own samples: small, made here, and never in the repository.

use std::fs;
use std::path::Path;

use ravelin_fuzz::label::cases::{self, Question};
use ravelin_fuzz::label::nato::{self, Role};
use ravelin_fuzz::label::sio::{Change, History, Inside, SioLabel};
use ravelin_fuzz::label::xmpp::SecurityLabel;
use ravelin_fuzz::label::{Clearance, Label, Policy, clearance, ess, naming};

/// A policy of schema 3.0; those of `labels/` are 2.1.
const THREE: &str = "<SPIF xmlns='http://www.xmlspif.org/spif' schemaVersion='3.0' creationDate='x' \
    originatorDN='x' keyIdentifier='x' privilegeId='1.2.3' rbacId='1.2.3'>\
    <securityPolicyId name='P' id='1.3.6.1.4.1.32473.9.3'/><securityClassifications>\
    <securityClassification name='LOW' lacv='1' hierarchy='1' fgcolor='yellow' bgcolor='navy'>\
    <markingData phrase='LOW' shortPhrase='L' simplePhrase='LOW-' inputPhrase='Low'/>\
    <excludedCategory tagSetRef='S' tagType='restrictive' lacv='2'/></securityClassification>\
    </securityClassifications><securityCategoryTagSets><securityCategoryTagSet name='S' \
    id='1.3.6.1.4.1.32473.9.3.1'><securityCategoryTag tagType='restrictive' maxSelection='2'>\
    <tagCategory name='A' lacv='0'/><tagCategory name='C' lacv='2' obsolete='true' \
    notAfter='2030-01-01T00:00:00Z'/></securityCategoryTag></securityCategoryTagSet>\
    </securityCategoryTagSets><privacyMarks><privacyMark name='CLEAR'/></privacyMarks></SPIF>";

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut seeds = Seeds { root, count: 0 };
    for target in ["spif", "ess", "clearance", "nato4774", "sio_label"] {
        fs::create_dir_all(root.join("seeds").join(target))?;
    }
    seeds.write("spif", THREE)?;
    for entry in fs::read_dir(root.join("../labels"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let xml = fs::read(&path)?;
        seeds.write("spif", &xml)?;
        let policy = Policy::from_spif(&xml, "seed").expect("a policy of labels/ loads");
        let text = fs::read_to_string(path.with_extension("cases"))?;
        for case in cases::parse(&text, "seed").expect("the cases of labels/ are read") {
            if let Question::Access {
                label, clearance, ..
            } = case.question
            {
                let label = naming::parse_label(&policy, &label).expect("a label of the cases");
                let holder = naming::parse_clearance(&policy, &clearance).expect("a clearance");
                seeds.of(&policy, &label, &holder)?;
            }
        }
    }
    println!("{} seeds", seeds.count);
    Ok(())
}

struct Seeds<'a> {
    root: &'a Path,
    count: usize,
}

impl Seeds<'_> {
    fn write(&mut self, target: &str, octets: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.count += 1;
        let file = self.root.join("seeds").join(target);
        fs::write(file.join(self.count.to_string()), octets)
    }

    /// One label and one clearance in every syntax that has them.
    fn of(&mut self, policy: &Policy, label: &Label, holder: &Clearance) -> std::io::Result<()> {
        let at = "2026-06-01T00:00:00Z".parse().expect("a time");
        for octets in [ess::encode(label), ess::encode_missi(policy, label)] {
            self.write("ess", octets.unwrap_or_default())?;
        }
        let equivalents = ess::encode_equivalent_labels(std::slice::from_ref(label));
        self.write("ess", equivalents.unwrap_or_default())?;
        let held = clearance::encode(holder).unwrap_or_default();
        // RFC 3281 has the same parts under context tags.
        let older = held.iter().map(|octet| match octet {
            0x06 => 0x80,
            0x03 => 0x81,
            0x31 => 0xa2,
            other => *other,
        });
        self.write("clearance", older.collect::<Vec<u8>>())?;
        self.write("clearance", held)?;
        let missi = clearance::encode_missi(policy, holder);
        self.write("clearance", missi.unwrap_or_default())?;
        for role in [Role::Originator, Role::Alternative] {
            let xml = nato::encode(policy, label, role, at);
            self.write("nato4774", xml.unwrap_or_default())?;
        }
        let xml = nato::encode_clearance(policy, holder);
        self.write("nato4774", xml.unwrap_or_default())?;
        let xml = SecurityLabel::of(policy, label, Vec::new()).encode();
        self.write("nato4774", xml.unwrap_or_default())?;
        for inside in [Inside::Ess, Inside::X411, Inside::Xml] {
            let Ok(field) = SioLabel::write_for(policy, label, inside, at) else {
                continue;
            };
            self.write("sio_label", field.write())?;
            let history = History {
                change: Change::Replace,
                changed_by: "border.example".to_owned(),
                changed_at: "Thu, 1 Jan 2026 00:00:00 +0000".to_owned(),
                comment: Some("translated".to_owned()),
                old: Some(field.clone()),
                new: Some(field),
            };
            self.write("sio_label", history.write())?;
            let now = history
                .new
                .as_ref()
                .map(SioLabel::write)
                .unwrap_or_default();
            let fields = format!(
                "SIO-Label-History: {}\r\nSIO-Label: {now}\r\n",
                history.write()
            );
            self.write("sio_label", fields)?;
        }
        Ok(())
    }
}
