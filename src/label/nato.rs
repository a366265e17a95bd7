//! Duty: the ADatP-4774 XML label and clearance, XML to value and back.
//! Promises: names become the numbers of the policy, matched without regard to ASCII case and written
//! in the policy's spelling; what stood beside the label (dates, role) is given back as it was written.
//! Refuses: whatever is misspelt, unknown or contradictory; a deviation seen in the field is read only
//! when the caller names its [`Tolerance`].
//! Standards: ADatP-4774 Ed A, ADatP-4774.1; standards/labels.md section 11 and 4.

use std::collections::BTreeSet;

use jiff::Timestamp;
use thiserror::Error;

use super::naming;
use super::nato_write::presented;
pub use super::nato_write::{encode, encode_clearance, encode_document};
use super::policy::{Policies, Policy};
use super::value::{Categories, Clearance, Label, PrivacyMark};
use super::xml::{self, Node, Place, Problem};

/// The namespace of labels.
pub const NAMESPACE: &str = "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0";
/// The namespace of clearances.
pub const CLEARANCE_NAMESPACE: &str = "urn:nato:stanag:4774:confidentialityclearance:1:0";

/// What is wrong with an XML label or clearance, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {text}")]
pub struct XmlError {
    /// Line and column.
    pub place: Place,
    /// What is wrong and what would mend it.
    pub text: String,
}

impl From<Problem> for XmlError {
    fn from(problem: Problem) -> Self {
        let Problem { place, text } = problem;
        Self { place, text }
    }
}

/// A deviation that is read when it is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tolerance {
    /// `TagName`, `Type` and their values in another case.
    AttributeCase,
    /// Categories of octets in another syntax than the policy's rbacId or privilegeId names.
    CategorySyntax,
    /// The roots `ConfidentialityLabel`, `OriginatorConfidentialityLabel`, `alternateConfidentialityLabel`.
    LegacyRoot,
    /// Neither CreationDateTime nor ReviewDateTime.
    MissingDates,
    /// `CreationDataTime`.
    MisspeltCreation,
    /// Elements in no namespace.
    NoNamespace,
    /// `URL` instead of `URI`.
    UrlForUri,
}

impl Tolerance {
    /// Every tolerance.
    pub const ALL: [Tolerance; 7] = [
        Tolerance::AttributeCase,
        Tolerance::CategorySyntax,
        Tolerance::LegacyRoot,
        Tolerance::MissingDates,
        Tolerance::MisspeltCreation,
        Tolerance::NoNamespace,
        Tolerance::UrlForUri,
    ];

    /// The name in settings and answers.
    pub fn name(self) -> &'static str {
        match self {
            Tolerance::AttributeCase => "attribute-case",
            Tolerance::CategorySyntax => "category-syntax",
            Tolerance::LegacyRoot => "legacy-root",
            Tolerance::MissingDates => "missing-dates",
            Tolerance::MisspeltCreation => "misspelt-creation",
            Tolerance::NoNamespace => "no-namespace",
            Tolerance::UrlForUri => "url-for-uri",
        }
    }
}

/// What the label is, as its root says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An equivalent of the originator's label in another policy.
    Alternative,
    /// The label of the metadata itself.
    Metadata,
    /// The label that the originator gave.
    Originator,
}

/// An XML label with what stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What the root says.
    pub role: Role,
    /// The label.
    pub label: Label,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it is to be reviewed; a past date does not invalidate it.
    pub review: Option<Timestamp>,
    /// The label that follows, and from when. Never applied here: the stricter one stays in force.
    pub successor: Option<(Timestamp, Box<Document>)>,
    /// Informative values that people typed: tag set and text, as the policy's userInput allows. They have
    /// no number, so that only this syntax carries them.
    pub typed: Vec<(String, String)>,
}

/// Reads a label.
///
/// # Errors
/// When it is malformed, its policy is not loaded, or a name is not the policy's.
pub fn decode(
    octets: &[u8],
    policies: &Policies,
    tolerances: &[Tolerance],
) -> Result<Document, XmlError> {
    let root = xml::parse(octets)?;
    let mut read = Read::new(policies, tolerances);
    let role = read.role(&root)?;
    Ok(read.document(&root, role)?)
}

/// Reads a clearance; informative categories are refused.
///
/// # Errors
/// As [`decode`].
pub fn decode_clearance(
    octets: &[u8],
    policies: &Policies,
    tolerances: &[Tolerance],
) -> Result<Clearance, XmlError> {
    let root = xml::parse(octets)?;
    let mut read = Read::new(policies, tolerances);
    if root.name != "ConfidentialityClearance" {
        let text = format!(
            "the root is <{}>, not <ConfidentialityClearance>",
            root.name
        );
        return Err(Problem::new(root.place, text).into());
    }
    read.namespace(&root, CLEARANCE_NAMESPACE)?;
    Ok(read.clearance(&root)?)
}

/// The state of reading one document.
pub(super) struct Read<'a> {
    policies: &'a Policies,
    tolerances: &'a [Tolerance],
    depth: usize,
    typed: Vec<(String, String)>,
}

impl<'a> Read<'a> {
    pub(super) fn new(policies: &'a Policies, tolerances: &'a [Tolerance]) -> Self {
        Self {
            policies,
            tolerances,
            depth: 0,
            typed: Vec::new(),
        }
    }

    fn tolerates(&self, tolerance: Tolerance) -> bool {
        self.tolerances.contains(&tolerance)
    }

    fn namespace(&self, node: &Node, wanted: &str) -> Result<(), Problem> {
        if node.namespace == wanted
            || (node.namespace.is_empty() && self.tolerates(Tolerance::NoNamespace))
        {
            return Ok(());
        }
        let text = format!("<{}> should be in the namespace {wanted}", node.name);
        Err(Problem::new(node.place, text))
    }

    pub(super) fn role(&self, root: &Node) -> Result<Role, Problem> {
        self.namespace(root, NAMESPACE)?;
        let legacy = self.tolerates(Tolerance::LegacyRoot);
        match root.name.as_str() {
            "originatorConfidentialityLabel" => Ok(Role::Originator),
            "alternativeConfidentialityLabel" => Ok(Role::Alternative),
            "metadataConfidentialityLabel" => Ok(Role::Metadata),
            "ConfidentialityLabel" | "OriginatorConfidentialityLabel" if legacy => {
                Ok(Role::Originator)
            }
            "alternateConfidentialityLabel" if legacy => Ok(Role::Alternative),
            other => Err(Problem::new(
                root.place,
                format!("<{other}> is no root of an ADatP-4774 label"),
            )),
        }
    }

    pub(super) fn document(&mut self, root: &Node, role: Role) -> Result<Document, Problem> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > 4 {
            return Err(Problem::new(root.place, "successors nest too deeply"));
        }
        let review = match attribute(root, "ReviewDateTime") {
            None => None,
            Some(text) => Some(time(text, root.place)?),
        };
        let (mut label, mut created, mut successor) = (None, None, None);
        for child in &root.children {
            // Elements of other namespaces are extensions; the schema allows them at the end.
            if child.namespace != NAMESPACE && !child.namespace.is_empty() {
                continue;
            }
            self.namespace(child, NAMESPACE)?;
            let twice = match child.name.as_str() {
                "ConfidentialityInformation" => label.replace(self.information(child)?).is_some(),
                "CreationDateTime" => created.replace(time(&child.text, child.place)?).is_some(),
                "CreationDataTime" if self.tolerates(Tolerance::MisspeltCreation) => {
                    created.replace(time(&child.text, child.place)?).is_some()
                }
                "OriginatorID" => false,
                "SuccessionHandling" => successor.replace(self.succession(child)?).is_some(),
                other => {
                    let text = format!("unknown element <{other}> in <{}>", root.name);
                    return Err(Problem::new(child.place, text));
                }
            };
            if twice {
                let text = format!("<{}> occurs twice", child.name);
                return Err(Problem::new(child.place, text));
            }
        }
        let label = label.ok_or_else(|| missing(root, "ConfidentialityInformation"))?;
        if created.is_none() && !self.tolerates(Tolerance::MissingDates) {
            return Err(missing(root, "CreationDateTime"));
        }
        Ok(Document {
            role,
            label,
            created,
            review,
            successor,
            typed: std::mem::take(&mut self.typed),
        })
    }

    fn succession(&mut self, node: &Node) -> Result<(Timestamp, Box<Document>), Problem> {
        let (mut from, mut document) = (None, None);
        for child in &node.children {
            self.namespace(child, NAMESPACE)?;
            match child.name.as_str() {
                "SuccessionDateTime" if from.is_none() => {
                    from = Some(time(&child.text, child.place)?);
                }
                "SuccessorConfidentialityLabel" if document.is_none() => {
                    let typed = std::mem::take(&mut self.typed);
                    document = Some(self.document(child, Role::Originator)?);
                    self.typed = typed;
                }
                other => {
                    let text = format!("unknown or repeated <{other}> in <SuccessionHandling>");
                    return Err(Problem::new(child.place, text));
                }
            }
        }
        let from = from.ok_or_else(|| missing(node, "SuccessionDateTime"))?;
        let document = document.ok_or_else(|| missing(node, "SuccessorConfidentialityLabel"))?;
        Ok((from, Box::new(document)))
    }

    fn information(&mut self, node: &Node) -> Result<Label, Problem> {
        let mut children = node
            .children
            .iter()
            .filter(|child| child.namespace == NAMESPACE || child.namespace.is_empty());
        let policy = self.policy(children.next(), node)?;
        let mut label = Label {
            policy: Some(policy.oid),
            ..Label::default()
        };
        for child in children {
            self.namespace(child, NAMESPACE)?;
            match child.name.as_str() {
                "Classification" if label.classification.is_none() => {
                    label.classification = Some(classification(policy, child)?);
                }
                "PrivacyMark" if label.privacy_mark.is_none() => {
                    let text = child.text.trim();
                    if text.is_empty() {
                        return Err(Problem::new(child.place, "the privacy mark is empty"));
                    }
                    label.privacy_mark = Some(mark(text));
                }
                "Category" => self.category(policy, child, &mut label.categories)?,
                other => {
                    let text = format!("unknown or repeated <{other}> in <{}>", node.name);
                    return Err(Problem::new(child.place, text));
                }
            }
        }
        if label.classification.is_none() {
            return Err(missing(node, "Classification"));
        }
        Ok(label)
    }

    fn clearance(&mut self, root: &Node) -> Result<Clearance, Problem> {
        let mut children = root.children.iter();
        let policy = self.policy(children.next(), root)?;
        let mut clearance = Clearance::nothing(policy.oid);
        let mut listed = BTreeSet::new();
        for child in children {
            match (child.namespace.as_str(), child.name.as_str()) {
                (CLEARANCE_NAMESPACE | "", "ClassificationList") if listed.is_empty() => {
                    self.namespace(child, CLEARANCE_NAMESPACE)?;
                    for item in &child.children {
                        self.namespace(item, NAMESPACE)?;
                        if item.name != "Classification" {
                            return Err(missing(child, "Classification"));
                        }
                        if !listed.insert(classification(policy, item)?) {
                            let text = "the classification is listed already";
                            return Err(Problem::new(item.place, text));
                        }
                    }
                }
                (NAMESPACE | "", "Category") => {
                    self.namespace(child, NAMESPACE)?;
                    self.category(policy, child, &mut clearance.categories)?;
                }
                // Extensions stand last and grant nothing.
                (other, _) if other != CLEARANCE_NAMESPACE && other != NAMESPACE => {}
                (_, other) => {
                    let text = format!("unknown or repeated <{other}> in <{}>", root.name);
                    return Err(Problem::new(child.place, text));
                }
            }
        }
        if listed.is_empty() {
            return Err(missing(root, "ClassificationList"));
        }
        let informative = clearance
            .categories
            .iter()
            .any(|entry| entry.kind.is_informative());
        if informative || !self.typed.is_empty() {
            let text = "informative categories do not belong in a clearance";
            return Err(Problem::new(root.place, text));
        }
        clearance.classifications = listed;
        Ok(clearance)
    }

    fn policy(&self, node: Option<&Node>, parent: &Node) -> Result<&'a Policy, Problem> {
        let node = node
            .filter(|node| node.name == "PolicyIdentifier")
            .ok_or_else(|| missing(parent, "PolicyIdentifier"))?;
        self.namespace(node, NAMESPACE)?;
        let name = token(node);
        let Some(policy) = self.policies.by_name(&name) else {
            return Err(Problem::new(
                node.place,
                format!("the policy \"{name}\" is not loaded"),
            ));
        };
        self.agrees(node, policy.oid)?;
        Ok(policy)
    }

    /// If URI is there it must agree with the name.
    fn agrees(&self, node: &Node, oid: super::ObjectIdentifier) -> Result<(), Problem> {
        for attribute in node.attributes.iter().filter(|one| one.namespace.is_none()) {
            match attribute.name.as_str() {
                "URI" => {}
                "URL" if self.tolerates(Tolerance::UrlForUri) => {}
                "TagName" | "Type" if node.name == "Category" => continue,
                _ if node.name == "Category" && self.tolerates(Tolerance::AttributeCase) => {
                    continue;
                }
                other => {
                    let text = format!("unknown attribute {other} on <{}>", node.name);
                    return Err(Problem::new(attribute.place, text));
                }
            }
            if attribute.value != format!("urn:oid:{oid}") {
                let text = format!(
                    "{} contradicts the name: it should be urn:oid:{oid}",
                    attribute.value
                );
                return Err(Problem::new(attribute.place, text));
            }
        }
        Ok(())
    }

    fn category(
        &mut self,
        policy: &Policy,
        node: &Node,
        into: &mut Categories,
    ) -> Result<(), Problem> {
        let any_case = self.tolerates(Tolerance::AttributeCase);
        let find = |name: &str| {
            let same =
                |written: &str| written == name || (any_case && written.eq_ignore_ascii_case(name));
            node.attributes
                .iter()
                .find(|attribute| same(&attribute.name))
                .map(|attribute| attribute.value.trim())
                .ok_or_else(|| Problem::new(node.place, format!("<Category> needs {name}")))
        };
        let (set_name, kind) = (find("TagName")?, find("Type")?);
        let kind = if any_case {
            kind.to_ascii_uppercase()
        } else {
            kind.to_owned()
        };
        if !matches!(kind.as_str(), "RESTRICTIVE" | "PERMISSIVE" | "INFORMATIVE") {
            let text = format!("Type=\"{kind}\" should be RESTRICTIVE, PERMISSIVE or INFORMATIVE");
            return Err(Problem::new(node.place, text));
        }
        let found = policy
            .tag_sets
            .iter()
            .position(|set| set.name.eq_ignore_ascii_case(set_name));
        let Some((at, set)) = found.and_then(|at| Some((at, policy.tag_sets.get(at)?))) else {
            let text = format!("the policy {} has no tag set \"{set_name}\"", policy.name);
            return Err(Problem::new(node.place, text));
        };
        self.agrees(node, set.oid)?;
        for child in &node.children {
            self.namespace(child, NAMESPACE)?;
            if child.name != "GenericValue" {
                let text = format!("<{}> is not allowed; write <GenericValue>", child.name);
                return Err(Problem::new(child.place, text));
            }
            let name = token(child);
            let mut number = None;
            for category in &policy.categories {
                let Some(tag) = policy.tag(category.tag).filter(|tag| tag.set == at) else {
                    continue;
                };
                if let (Some(own), Some(value)) = (tag.kind, category.value)
                    && presented(own) == kind
                    && category.name.eq_ignore_ascii_case(&name)
                {
                    number = Some((own, value));
                }
            }
            match number {
                Some((kind, value)) => into.insert(set.oid, kind, value),
                None if kind == "INFORMATIVE" && policy.takes_text(at, &name) => {
                    self.typed.push((set.name.clone(), name));
                }
                None => {
                    let text = format!(
                        "{set_name} has no {} category \"{name}\"",
                        kind.to_lowercase()
                    );
                    return Err(Problem::new(child.place, text));
                }
            }
        }
        if node.children.is_empty() {
            return Err(missing(node, "GenericValue"));
        }
        Ok(())
    }
}

fn classification(policy: &Policy, node: &Node) -> Result<u64, Problem> {
    let name = token(node);
    let label = naming::label(policy, &name, &[])
        .map_err(|error| Problem::new(node.place, error.to_string()))?;
    label
        .classification
        .ok_or_else(|| Problem::new(node.place, "no classification"))
}

/// xs:token: white space collapsed.
fn token(node: &Node) -> String {
    node.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn mark(text: &str) -> PrivacyMark {
    let printable = text.len() <= 128
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&octet));
    if printable {
        PrivacyMark::Printable(text.to_owned())
    } else {
        PrivacyMark::Utf8(text.to_owned())
    }
}

fn attribute<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    node.attributes
        .iter()
        .find(|attribute| attribute.name == name)
        .map(|attribute| attribute.value.as_str())
}

fn time(text: &str, place: Place) -> Result<Timestamp, Problem> {
    super::spif_fields::date_time(text).ok_or_else(|| {
        let text = format!(
            "\"{}\" is no date and time such as 2026-01-31T00:00:00Z",
            text.trim()
        );
        Problem::new(place, text)
    })
}

fn missing(node: &Node, name: &str) -> Problem {
    Problem::new(node.place, format!("<{}> needs <{name}>", node.name))
}
