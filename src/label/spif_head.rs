//! Duty: the root element of a SPIF: namespace, schema version, head attributes, identity.
//! Promises: what published files leave out becomes a warning; the version decides who reads the rest.
//! Refuses: foreign roots and namespaces, schema versions that are not implemented.
//! Standards: Open XML SPIF 2.0, 2.1 and 3.0.

use std::collections::HashMap;
use std::sync::Arc;

use super::category::CategorySyntax;
use super::compiled::Masks;
use super::marking::MarkingRules;
use super::policy::{Options, Policy, Warning};
use super::spif::{Draft, Schema};
use super::spif_fields::{Fields, number, object_identifier};
use super::spif_items::children;
use super::xml::{Node, Problem};

const NAMESPACE: &str = "http://www.xmlspif.org/spif";
/// The misspelling that some published files have.
const MISSPELT_NAMESPACE: &str = "http://www.xmslpif.org/spif";

pub(super) fn check_root(root: &Node, warnings: &mut Vec<Warning>) -> Result<(), Problem> {
    if root.name != "SPIF" {
        let text = format!("the root element is <{}>, not <SPIF>", root.name);
        return Err(Problem::new(root.place, text));
    }
    match root.namespace.as_str() {
        NAMESPACE => Ok(()),
        "" | MISSPELT_NAMESPACE => {
            let text = format!("the namespace should be {NAMESPACE}");
            warnings.push(Warning {
                place: root.place,
                text,
            });
            Ok(())
        }
        other => {
            let text = format!("the namespace is {other}, it should be {NAMESPACE}");
            Err(Problem::new(root.place, text))
        }
    }
}

pub(super) fn head(root: &Node, file: &str, mut warnings: Vec<Warning>) -> Result<Draft, Problem> {
    let fields = Fields::of(root);
    let mut schema = Schema::Two;
    match fields.text("schemaVersion") {
        Some("1.0" | "2.0" | "2.1") => {}
        Some("3.0") => schema = Schema::Three,
        Some(other) => {
            let text =
                format!("schemaVersion \"{other}\" is not known; expected 1.0, 2.0, 2.1 or 3.0");
            return Err(Problem::new(fields.place("schemaVersion"), text));
        }
        None => {
            let text = "the attribute schemaVersion is missing; read as 2.0".to_owned();
            warnings.push(Warning {
                place: root.place,
                text,
            });
        }
    }
    for name in ["creationDate", "originatorDN", "keyIdentifier"] {
        if fields.text(name).is_none() {
            let text = format!("the attribute {name} is missing");
            warnings.push(Warning {
                place: root.place,
                text,
            });
        }
    }
    let mut syntaxes = [None; 2];
    for (name, syntax) in ["privilegeId", "rbacId"].into_iter().zip(&mut syntaxes) {
        let identifier = fields.parse(name, "an object identifier", object_identifier)?;
        *syntax = identifier.as_ref().and_then(CategorySyntax::of);
        if identifier.is_none() {
            let text = format!("the attribute {name} is missing");
            warnings.push(Warning {
                place: root.place,
                text,
            });
        }
    }
    let [clearance_syntax, label_syntax] = syntaxes;
    let version = fields
        .parse("version", "a whole number", number)?
        .unwrap_or(1);
    let window = fields.window()?;
    fields.text("userRefURI");
    fields.text("docRefURI");
    let created = fields.text("creationDate").map(str::to_owned);
    fields.finish()?;
    let Some(identity) =
        children(root, &root.namespace)?.find(|node| node.name == "securityPolicyId")
    else {
        return Err(Problem::new(
            root.place,
            "<SPIF> needs <securityPolicyId name id>",
        ));
    };
    let fields = Fields::of(identity);
    let policy = Policy {
        file: file.to_owned(),
        place: identity.place,
        oid: fields.oid("id")?,
        name: fields.name()?,
        version,
        octets: Arc::default(),
        created,
        window,
        label_syntax,
        default_policy: None,
        options: Options::default(),
        clearance_syntax,
        classes: Vec::new(),
        tag_sets: Vec::new(),
        tags: Vec::new(),
        categories: Vec::new(),
        privacy_marks: None,
        equivalents: Vec::new(),
        marking: MarkingRules::default(),
        class_marking: MarkingRules::default(),
        warnings,
        class_by_value: HashMap::new(),
        category_by_value: HashMap::new(),
        masks: Masks::default(),
    };
    let mut draft = Draft {
        policy,
        schema,
        class_exclusions: Vec::new(),
        requirements: Vec::new(),
        excluded_categories: Vec::new(),
        excluded_classes: Vec::new(),
        required_classes: Vec::new(),
    };
    draft.policy.marking = draft.policy_id(identity)?;
    Ok(draft)
}
