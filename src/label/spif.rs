//! Duty: reads an Open XML SPIF into a [`Policy`]; references by name are left for `spif_link`.
//! Promises: nothing is skipped silently: every element and attribute is used, refused, or (inside
//! `extensions`) not meant for us. Deviations of published files that change no decision become warnings.
//! Refuses: unknown elements, attributes and values; schema versions that are not implemented.
//! Standards: Open XML SPIF 2.0 and 2.1.

use std::collections::{BTreeSet, HashMap};

use super::marking::{self, Location, MarkingData, MarkingRules, Qualifier, Role};
use super::policy::{
    Becomes, CategoryEquivalence, CategoryId, Class, ClassEquivalence, ClassId, EquivalentPolicy,
    Operation, Policy, PolicyCategory, PolicyError, PolicyMark, RemoteGroup, RemoteRequirement,
    SetEquivalence, Tag, TagId, TagSet, Warning,
};
use super::spif_fields::{Fields, integer, number, object_identifier, only_text, unexpected};
use super::spif_link;
use super::value::Kind;
use super::xml::{self, Node, Place, Problem};

const NAMESPACE: &str = "http://www.xmlspif.org/spif";
/// The misspelling that some published files have.
const MISSPELT_NAMESPACE: &str = "http://www.xmslpif.org/spif";

pub(super) fn read(octets: &[u8], file: &str) -> Result<Policy, PolicyError> {
    let in_file = |problem: Problem| PolicyError {
        file: file.to_owned(),
        line: problem.place.line,
        column: problem.place.column,
        text: problem.text,
    };
    let root = xml::parse(octets).map_err(in_file)?;
    let draft = Draft::read(&root, file).map_err(in_file)?;
    spif_link::link(draft).map_err(in_file)
}

/// A policy whose references are not yet resolved.
pub(super) struct Draft {
    pub(super) policy: Policy,
    pub(super) requirements: Vec<(Owner, DraftRequirement)>,
    pub(super) excluded_categories: Vec<(CategoryId, DraftGroup)>,
    pub(super) excluded_classes: Vec<(CategoryId, String, Place)>,
    pub(super) required_classes: Vec<(CategoryId, String, Place)>,
}

/// Whose requirement it is.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    Class(ClassId),
    Category(CategoryId),
}

pub(super) struct DraftRequirement {
    pub(super) operation: Operation,
    pub(super) groups: Vec<DraftGroup>,
    pub(super) place: Place,
}

pub(super) struct DraftGroup {
    pub(super) tag_set: String,
    pub(super) kind: Kind,
    /// `None`: every category of the tag set and kind.
    pub(super) value: Option<u64>,
    pub(super) place: Place,
}

impl Draft {
    fn read(root: &Node, file: &str) -> Result<Self, Problem> {
        let mut warnings = Vec::new();
        check_root(root, &mut warnings)?;
        let mut draft = head(root, file, warnings)?;
        // Equivalent policies first: the other parts refer to them, in files of either order.
        for child in children(root, &root.namespace)? {
            if child.name == "equivalentPolicies" {
                draft.equivalent_policies(child)?;
            }
        }
        let mut seen = BTreeSet::new();
        for child in children(root, &root.namespace)? {
            let repeatable = matches!(child.name.as_str(), "markingData" | "markingQualifier");
            if !repeatable && !seen.insert(child.name.clone()) {
                let text = format!("<{}> occurs twice", child.name);
                return Err(Problem::new(child.place, text));
            }
            match child.name.as_str() {
                "securityPolicyId" | "equivalentPolicies" => {}
                "defaultSecurityPolicyId" => {
                    draft.policy_id(child)?;
                }
                "updateInfo" => Fields::of(child).finish()?,
                "securityClassifications" => draft.classifications(child)?,
                "securityCategoryTagSets" => draft.tag_sets(child)?,
                "privacyMarks" => draft.privacy_marks(child)?,
                "markingData" => {
                    let data = marking_data(child)?;
                    draft.policy.marking.data.push(data);
                }
                "markingQualifier" => {
                    let found = qualifiers(child, &mut draft.policy.warnings)?;
                    draft.policy.marking.qualifiers.extend(found);
                }
                "extensions" => {}
                _ => {
                    let allowed = "defaultSecurityPolicyId, securityPolicyId, updateInfo, \
                        securityClassifications, securityCategoryTagSets, privacyMarks, \
                        equivalentPolicies, markingData, markingQualifier, extensions";
                    return Err(unexpected(child, &root.name, allowed));
                }
            }
        }
        if draft.policy.classes.is_empty() {
            let text = "<SPIF> needs <securityClassifications> with at least one classification";
            return Err(Problem::new(root.place, text));
        }
        Ok(draft)
    }

    fn policy_id(&mut self, node: &Node) -> Result<MarkingRules, Problem> {
        let fields = Fields::of(node);
        fields.name()?;
        fields.oid("id")?;
        fields.finish()?;
        let mut rules = MarkingRules::default();
        for child in children(node, &node.namespace)? {
            if !self.marking_child(child, &mut rules)? {
                return Err(unexpected(
                    child,
                    &node.name,
                    "markingData, markingQualifier",
                ));
            }
        }
        Ok(rules)
    }

    /// Takes a markingData or markingQualifier; false for any other element.
    fn marking_child(&mut self, child: &Node, rules: &mut MarkingRules) -> Result<bool, Problem> {
        match child.name.as_str() {
            "markingData" => rules.data.push(marking_data(child)?),
            "markingQualifier" => {
                rules
                    .qualifiers
                    .extend(qualifiers(child, &mut self.policy.warnings)?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn equivalent_policies(&mut self, node: &Node) -> Result<(), Problem> {
        Fields::of(node).finish()?;
        for child in children(node, &node.namespace)? {
            if child.name != "equivalentPolicy" {
                return Err(unexpected(child, &node.name, "equivalentPolicy"));
            }
            let fields = Fields::of(child);
            let (name, oid) = (fields.name()?, fields.oid("id")?);
            fields.text("userRefURI");
            fields.text("docRefURI");
            fields.finish()?;
            let mut required = Vec::new();
            for part in children(child, &child.namespace)? {
                if part.name != "requiredCategory" {
                    return Err(unexpected(part, &child.name, "requiredCategory"));
                }
                required.push(remote_requirement(part)?);
            }
            let taken = |other: &EquivalentPolicy| {
                other.oid == oid || other.name.eq_ignore_ascii_case(&name)
            };
            if self.policy.equivalents.iter().any(taken) || oid == self.policy.oid {
                let text = format!("the equivalent policy {name} is there already");
                return Err(Problem::new(child.place, text));
            }
            self.policy.equivalents.push(EquivalentPolicy {
                name,
                oid,
                required,
            });
        }
        Ok(())
    }

    fn policy_ref(&self, fields: &Fields<'_>) -> Result<const_oid::ObjectIdentifier, Problem> {
        let name = fields.required("policyRef")?;
        let found = self
            .policy
            .equivalents
            .iter()
            .find(|policy| policy.name == name);
        found.map(|policy| policy.oid).ok_or_else(|| {
            let text = format!("policyRef=\"{name}\" names no <equivalentPolicy> of this file");
            Problem::new(fields.place("policyRef"), text)
        })
    }

    fn classifications(&mut self, node: &Node) -> Result<(), Problem> {
        Fields::of(node).finish()?;
        let mut rules = MarkingRules::default();
        for child in children(node, &node.namespace)? {
            if child.name == "securityClassification" {
                self.classification(child)?;
            } else if !self.marking_child(child, &mut rules)? {
                let allowed = "securityClassification, markingData, markingQualifier";
                return Err(unexpected(child, &node.name, allowed));
            }
        }
        self.policy.class_marking = rules;
        Ok(())
    }

    fn classification(&mut self, node: &Node) -> Result<(), Problem> {
        let id = ClassId(self.policy.classes.len());
        let fields = Fields::of(node);
        let color = fields.text("color").map(str::to_owned);
        if let Some(color) = &color
            && marking::rgb(color).is_none()
        {
            let text = format!("the colour {color} is neither in the schema's list nor #RRGGBB");
            self.policy.warnings.push(Warning {
                place: fields.place("color"),
                text,
            });
        }
        let mut class = Class {
            name: fields.name()?,
            value: fields.value()?,
            hierarchy: fields.parse_required("hierarchy", "a whole number", integer)?,
            color,
            obsolete: fields.boolean("obsolete")?,
            required: Vec::new(),
            equivalents: Vec::new(),
            marking: MarkingRules::default(),
            place: node.place,
        };
        fields.finish()?;
        for child in children(node, &node.namespace)? {
            match child.name.as_str() {
                "equivalentClassification" => {
                    let fields = Fields::of(child);
                    let policy = self.policy_ref(&fields)?;
                    let (value, applied) = (fields.value()?, fields.applied()?);
                    fields.finish()?;
                    let required = remote_requirements(child)?;
                    let place = child.place;
                    class.equivalents.push(ClassEquivalence {
                        policy,
                        value,
                        applied,
                        required,
                        place,
                    });
                }
                "requiredCategory" => {
                    self.requirements
                        .push((Owner::Class(id), requirement(child)?));
                }
                _ => {
                    if !self.marking_child(child, &mut class.marking)? {
                        let allowed = "equivalentClassification, markingData, markingQualifier, \
                            requiredCategory";
                        return Err(unexpected(child, &node.name, allowed));
                    }
                }
            }
        }
        self.policy.classes.push(class);
        Ok(())
    }

    fn tag_sets(&mut self, node: &Node) -> Result<(), Problem> {
        Fields::of(node).finish()?;
        for child in children(node, &node.namespace)? {
            if child.name != "securityCategoryTagSet" {
                return Err(unexpected(child, &node.name, "securityCategoryTagSet"));
            }
            self.tag_set(child)?;
        }
        Ok(())
    }

    fn tag_set(&mut self, node: &Node) -> Result<(), Problem> {
        let fields = Fields::of(node);
        let (name, oid) = (fields.name()?, fields.oid("id")?);
        fields.finish()?;
        let place = node.place;
        let set = self.policy.tag_sets.len();
        self.policy.tag_sets.push(TagSet {
            name,
            oid,
            equivalents: Vec::new(),
            place,
        });
        for child in children(node, &node.namespace)? {
            match child.name.as_str() {
                "securityCategoryTag" => self.tag(child, set)?,
                "equivalentSecurityCategoryTagSet" => {
                    let fields = Fields::of(child);
                    let policy = self.policy_ref(&fields)?;
                    fields.text("name");
                    fields.parse("id", "an object identifier", object_identifier)?;
                    fields.finish()?;
                    let equivalence = SetEquivalence {
                        policy,
                        required: remote_requirements(child)?,
                    };
                    if let Some(set) = self.policy.tag_sets.get_mut(set) {
                        set.equivalents.push(equivalence);
                    }
                }
                _ => {
                    let allowed = "securityCategoryTag, equivalentSecurityCategoryTagSet";
                    return Err(unexpected(child, &node.name, allowed));
                }
            }
        }
        Ok(())
    }

    fn tag(&mut self, node: &Node, set: usize) -> Result<(), Problem> {
        let fields = Fields::of(node);
        let mut kind = fields.kind()?;
        let encoding = fields.parse(
            "tag7Encoding",
            "bitSetAttributes or securityAttributes",
            |text| match text {
                "bitSetAttributes" => Some(Kind::Informative),
                "securityAttributes" => Some(Kind::InformativeSet),
                _ => None,
            },
        )?;
        match (kind, encoding) {
            (Some(Kind::Informative), None) => return Err(fields.missing("tag7Encoding")),
            (Some(Kind::Informative), encoding) => kind = encoding,
            (_, Some(_)) => {
                let text = "tag7Encoding belongs only to tagType=\"tagType7\"";
                return Err(Problem::new(fields.place("tag7Encoding"), text));
            }
            (_, None) => {}
        }
        let limit = |text: &str| match text {
            "unbounded" => Some(None),
            other => number(other).map(Some),
        };
        let expected = "a whole number or unbounded";
        let single = fields.boolean("singleSelection")?;
        let maximum = fields.parse("maxSelection", expected, limit)?.flatten();
        let minimum = fields
            .parse("minSelection", expected, limit)?
            .flatten()
            .unwrap_or(0);
        let maximum = if single {
            Some(maximum.unwrap_or(1).min(1))
        } else {
            maximum
        };
        if maximum.is_some_and(|maximum| maximum < minimum) {
            let text = "minSelection is above the greatest number that may be selected";
            return Err(Problem::new(node.place, text));
        }
        let name = fields.text("name").map(str::to_owned);
        fields.finish()?;
        let id = TagId(self.policy.tags.len());
        let mut rules = MarkingRules::default();
        // The tag goes in first: its number orders its categories.
        self.policy.tags.push(Tag {
            set,
            name,
            kind,
            minimum,
            maximum,
            marking: MarkingRules::default(),
            place: node.place,
        });
        for child in children(node, &node.namespace)? {
            if child.name == "tagCategory" {
                self.category(child, id, kind)?;
            } else if !self.marking_child(child, &mut rules)? {
                let allowed = "tagCategory, markingData, markingQualifier";
                return Err(unexpected(child, &node.name, allowed));
            }
        }
        if let Some(tag) = self.policy.tags.get_mut(id.0) {
            tag.marking = rules;
        }
        Ok(())
    }

    fn category(&mut self, node: &Node, tag: TagId, kind: Option<Kind>) -> Result<(), Problem> {
        let id = CategoryId(self.policy.categories.len());
        let fields = Fields::of(node);
        let typed = fields.parse("userInput", "string, integer or date", |text| {
            matches!(text, "string" | "integer" | "date").then_some(())
        })?;
        fields.text("dateFormat");
        // Values that people type have no binary form, so they may not bear on access.
        if typed.is_some() && kind.is_some_and(|kind| !kind.is_informative()) {
            let text = "a userInput category may only stand in a tag of tagType7 or notApplicable";
            return Err(Problem::new(fields.place("userInput"), text));
        }
        let value = if typed.is_some() || kind.is_none() {
            fields.text("lacv").and_then(number)
        } else {
            Some(fields.value()?)
        };
        let mut category = PolicyCategory {
            tag,
            name: fields.name()?,
            value,
            obsolete: fields.boolean("obsolete")?,
            window: fields.window()?,
            required_class: None,
            excluded_classes: BTreeSet::new(),
            required: Vec::new(),
            excluded: Vec::new(),
            equivalents: Vec::new(),
            marking: MarkingRules::default(),
            place: node.place,
        };
        if let Some(class) = fields.text("requiredClass") {
            self.required_classes
                .push((id, class.to_owned(), fields.place("requiredClass")));
        }
        fields.finish()?;
        for child in children(node, &node.namespace)? {
            match child.name.as_str() {
                "equivalentSecCategoryTag" => {
                    category.equivalents.push(self.category_equivalence(child)?);
                }
                "excludedClass" => {
                    let name = only_text(child)?.to_owned();
                    self.excluded_classes.push((id, name, child.place));
                }
                "requiredCategory" => {
                    self.requirements
                        .push((Owner::Category(id), requirement(child)?));
                }
                "excludedCategory" => self.excluded_categories.push((id, group(child)?)),
                _ => {
                    if !self.marking_child(child, &mut category.marking)? {
                        let allowed = "equivalentSecCategoryTag, markingData, markingQualifier, \
                            excludedClass, requiredCategory, excludedCategory";
                        return Err(unexpected(child, &node.name, allowed));
                    }
                }
            }
        }
        self.policy.categories.push(category);
        Ok(())
    }

    fn category_equivalence(&self, node: &Node) -> Result<CategoryEquivalence, Problem> {
        let fields = Fields::of(node);
        let policy = self.policy_ref(&fields)?;
        let applied = fields.applied()?;
        let discard = fields.parse("action", "discard", |text| {
            (text == "discard").then_some(())
        })?;
        let becomes = if discard.is_some() {
            // The tag set and value mean nothing here, but a misspelt kind is still an error.
            fields.kind()?;
            fields.text("tagSetId");
            fields.text("lacv");
            Becomes::Nothing
        } else {
            let Some(kind) = fields.kind()? else {
                let text = "a category cannot become one of a tag that is notApplicable";
                return Err(Problem::new(fields.place("tagType"), text));
            };
            Becomes::Category {
                tag_set: fields.oid("tagSetId")?,
                kind,
                value: fields.value()?,
            }
        };
        fields.finish()?;
        no_children(node)?;
        Ok(CategoryEquivalence {
            policy,
            applied,
            becomes,
            place: node.place,
        })
    }

    fn privacy_marks(&mut self, node: &Node) -> Result<(), Problem> {
        let fields = Fields::of(node);
        fields.text("maxSelection");
        fields.text("minSelection");
        fields.finish()?;
        let mut marks: Vec<PolicyMark> = Vec::new();
        let mut rules = MarkingRules::default();
        for child in children(node, &node.namespace)? {
            if child.name == "privacyMark" {
                let fields = Fields::of(child);
                let (name, obsolete) = (fields.name()?, fields.boolean("obsolete")?);
                fields.finish()?;
                for part in children(child, &child.namespace)? {
                    if !self.marking_child(part, &mut rules)? {
                        return Err(unexpected(
                            part,
                            &child.name,
                            "markingData, markingQualifier",
                        ));
                    }
                }
                if marks.iter().any(|mark| mark.name == name) {
                    let text = format!("the privacy mark {name} is there already");
                    return Err(Problem::new(child.place, text));
                }
                marks.push(PolicyMark { name, obsolete });
            } else if !self.marking_child(child, &mut rules)? {
                let allowed = "privacyMark, markingData, markingQualifier";
                return Err(unexpected(child, &node.name, allowed));
            }
        }
        self.policy.privacy_marks = Some(marks);
        Ok(())
    }
}

fn check_root(root: &Node, warnings: &mut Vec<Warning>) -> Result<(), Problem> {
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

fn head(root: &Node, file: &str, mut warnings: Vec<Warning>) -> Result<Draft, Problem> {
    let fields = Fields::of(root);
    match fields.text("schemaVersion") {
        Some("1.0" | "2.0" | "2.1") => {}
        Some("3.0") => {
            let text = "schemaVersion 3.0 is not implemented yet; use a 2.0 or 2.1 file";
            return Err(Problem::new(fields.place("schemaVersion"), text));
        }
        Some(other) => {
            let text = format!("schemaVersion \"{other}\" is not known; expected 1.0, 2.0 or 2.1");
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
    for name in ["privilegeId", "rbacId"] {
        if fields
            .parse(name, "an object identifier", object_identifier)?
            .is_none()
        {
            let text = format!("the attribute {name} is missing");
            warnings.push(Warning {
                place: root.place,
                text,
            });
        }
    }
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
        created,
        window,
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
    };
    let mut draft = Draft {
        policy,
        requirements: Vec::new(),
        excluded_categories: Vec::new(),
        excluded_classes: Vec::new(),
        required_classes: Vec::new(),
    };
    draft.policy.marking = draft.policy_id(identity)?;
    Ok(draft)
}

/// The child elements; text between them is refused, and so are foreign elements.
fn children<'a>(
    node: &'a Node,
    namespace: &str,
) -> Result<impl Iterator<Item = &'a Node> + use<'a>, Problem> {
    if !node.text.trim().is_empty() {
        let text = format!("there is stray text in <{}>", node.name);
        return Err(Problem::new(node.place, text));
    }
    if let Some(child) = node
        .children
        .iter()
        .find(|child| child.namespace != namespace)
    {
        let text = format!("<{}> is in the namespace {:?}", child.name, child.namespace);
        return Err(Problem::new(child.place, text));
    }
    Ok(node.children.iter())
}

fn no_children(node: &Node) -> Result<(), Problem> {
    match children(node, &node.namespace)?.next() {
        None => Ok(()),
        Some(child) => Err(unexpected(child, &node.name, "nothing")),
    }
}

fn operation(fields: &Fields<'_>) -> Result<Operation, Problem> {
    fields.parse_required(
        "operation",
        "onlyOne, oneOrMore or all",
        |text| match text {
            "onlyOne" => Some(Operation::OnlyOne),
            "oneOrMore" => Some(Operation::OneOrMore),
            "all" => Some(Operation::All),
            _ => None,
        },
    )
}

fn requirement(node: &Node) -> Result<DraftRequirement, Problem> {
    let fields = Fields::of(node);
    let operation = operation(&fields)?;
    fields.finish()?;
    let mut groups = Vec::new();
    for child in children(node, &node.namespace)? {
        if child.name != "categoryGroup" {
            return Err(unexpected(child, &node.name, "categoryGroup"));
        }
        groups.push(group(child)?);
    }
    if groups.is_empty() {
        let text = "a requirement without <categoryGroup> can never hold";
        return Err(Problem::new(node.place, text));
    }
    Ok(DraftRequirement {
        operation,
        groups,
        place: node.place,
    })
}

fn group(node: &Node) -> Result<DraftGroup, Problem> {
    let fields = Fields::of(node);
    let tag_set = fields.required("tagSetRef")?.to_owned();
    let Some(kind) = fields.kind()? else {
        let text = "a group of tagType=\"notApplicable\" can never match";
        return Err(Problem::new(fields.place("tagType"), text));
    };
    let value = fields.parse("lacv", "a whole number", number)?;
    let all = fields.boolean("all")?;
    if value.is_some() && all {
        return Err(Problem::new(
            node.place,
            "write either lacv or all=\"true\", not both",
        ));
    }
    if value.is_none() && !all && fields.text("all").is_some() {
        return Err(Problem::new(
            node.place,
            "all=\"false\" without lacv matches nothing",
        ));
    }
    fields.finish()?;
    no_children(node)?;
    Ok(DraftGroup {
        tag_set,
        kind,
        value,
        place: node.place,
    })
}

fn remote_requirements(node: &Node) -> Result<Vec<RemoteRequirement>, Problem> {
    let mut required = Vec::new();
    for child in children(node, &node.namespace)? {
        if child.name != "requiredCategory" {
            return Err(unexpected(child, &node.name, "requiredCategory"));
        }
        required.push(remote_requirement(child)?);
    }
    Ok(required)
}

/// As [`requirement`], but about the categories of another policy.
fn remote_requirement(node: &Node) -> Result<RemoteRequirement, Problem> {
    let DraftRequirement {
        operation,
        groups,
        place,
    } = requirement(node)?;
    let groups = groups
        .into_iter()
        .map(|group| RemoteGroup {
            tag_set: group.tag_set,
            kind: group.kind,
            value: group.value,
        })
        .collect();
    Ok(RemoteRequirement {
        operation,
        groups,
        place,
    })
}

fn marking_data(node: &Node) -> Result<MarkingData, Problem> {
    let fields = Fields::of(node);
    let mut data = MarkingData {
        language: fields.language(),
        phrase: fields.text("phrase").map(str::to_owned),
        ..MarkingData::default()
    };
    fields.finish()?;
    for child in children(node, &node.namespace)? {
        if child.name != "code" {
            return Err(unexpected(child, &node.name, "code"));
        }
        match only_text(child)? {
            "noNameDisplay" => data.no_name = true,
            "noMarkingDisplay" => data.no_marking = true,
            "suppressClassName" => data.suppress_class = true,
            "replacePolicy" => data.replace_policy = true,
            code => match locations(code) {
                Some(locations) => data.locations.extend(locations),
                None => {
                    let text = format!("\"{code}\" is not a marking code");
                    return Err(Problem::new(child.place, text));
                }
            },
        }
    }
    Ok(data)
}

fn locations(code: &str) -> Option<Vec<Location>> {
    Some(vec![match code {
        "pageTop" => Location::PageTop,
        "pageBottom" => Location::PageBottom,
        "pageTopBottom" => return Some(vec![Location::PageTop, Location::PageBottom]),
        "documentStart" => Location::DocumentStart,
        "documentEnd" => Location::DocumentEnd,
        "firstLineOfText" => Location::FirstLineOfText,
        "lastLineOfText" => Location::LastLineOfText,
        "subject" => Location::Subject,
        "xHeader" => Location::XHeader,
        "portionMarking" => Location::Portion,
        "inputTitle" => Location::InputTitle,
        "waterMark" => Location::WaterMark,
        _ => return None,
    }])
}

fn qualifiers(node: &Node, warnings: &mut Vec<Warning>) -> Result<Vec<Qualifier>, Problem> {
    let fields = Fields::of(node);
    fields.parse("markingCode", "a marking code", locations)?;
    if fields.parse("code", "a marking code", locations)?.is_some() {
        let text = "the attribute code should be markingCode".to_owned();
        warnings.push(Warning {
            place: fields.place("code"),
            text,
        });
    }
    let outer_language = fields.language();
    fields.finish()?;
    let mut found = Vec::new();
    for child in children(node, &node.namespace)? {
        if child.name != "qualifier" {
            return Err(unexpected(child, &node.name, "qualifier"));
        }
        let fields = Fields::of(child);
        let role = fields.parse_required(
            "qualifierCode",
            "prefix, suffix or separator",
            |text| match text {
                "prefix" => Some(Role::Prefix),
                "suffix" => Some(Role::Suffix),
                "separator" => Some(Role::Separator),
                _ => None,
            },
        )?;
        let text = fields.required("markingQualifier")?.to_owned();
        let language = fields.language().or_else(|| outer_language.clone());
        fields.finish()?;
        no_children(child)?;
        found.push(Qualifier {
            language,
            role,
            text,
        });
    }
    Ok(found)
}
