//! Duty: reads an Open XML SPIF into a [`Policy`]; references by name are left for `spif_link`.
//! Promises: nothing is skipped silently: every element and attribute is used, refused, or (inside
//! `extensions`) not meant for us. Deviations of published files that change no decision become warnings.
//! Refuses: unknown elements, attributes and values; schema versions that are not implemented.
//! Standards: Open XML SPIF 2.0, 2.1 and 3.0 (by schemaVersion).

use std::collections::BTreeSet;

use super::marking::{self, MarkingRules};
use super::policy::{
    Becomes, CategoryEquivalence, CategoryId, Class, ClassEquivalence, ClassId, EquivalentPolicy,
    Policy, PolicyCategory, PolicyError, PolicyMark, SetEquivalence, Tag, TagId, TagSet, Typed,
    Warning,
};
use super::spif_fields::{
    Fields, integer, number, object_identifier, only_text, unexpected, wide_number,
};
use super::spif_head::{check_root, head};
use super::spif_items::{
    DraftGroup, DraftRequirement, children, group, marking_data, no_children, qualifiers,
    remote_requirement, remote_requirements, requirement,
};
use super::spif_link;
use super::value::Kind;
use super::xml::{self, Node, Place, Problem};

pub(super) fn read(octets: &[u8], file: &str) -> Result<Policy, PolicyError> {
    let in_file = |problem: Problem| PolicyError {
        file: file.to_owned(),
        line: problem.place.line,
        column: problem.place.column,
        text: problem.text,
    };
    let root = xml::parse(octets).map_err(in_file)?;
    let draft = Draft::read(&root, file).map_err(in_file)?;
    let mut policy = spif_link::link(draft).map_err(in_file)?;
    policy.octets = octets.into();
    Ok(policy)
}

/// A policy whose references are not yet resolved.
pub(super) struct Draft {
    pub(super) policy: Policy,
    pub(super) schema: Schema,
    pub(super) class_exclusions: Vec<(ClassId, DraftGroup)>,
    pub(super) requirements: Vec<(Owner, DraftRequirement)>,
    pub(super) excluded_categories: Vec<(CategoryId, DraftGroup)>,
    pub(super) excluded_classes: Vec<(CategoryId, String, Place)>,
    pub(super) required_classes: Vec<(CategoryId, String, Place)>,
}

/// Which schema the file follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// 1.0, 2.0 and 2.1.
    Two,
    /// 3.0: phrases by purpose instead of codes, two colours, exclusions on classifications.
    Three,
}

/// Whose requirement it is.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    Class(ClassId),
    Category(CategoryId),
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
                    draft.policy.default_policy = Some(Fields::of(child).oid("id")?);
                }
                "updateInfo" if draft.schema == Schema::Two => Fields::of(child).finish()?,
                "securityClassifications" => draft.classifications(child)?,
                "securityCategoryTagSets" => draft.tag_sets(child)?,
                "privacyMarks" => draft.privacy_marks(child)?,
                "markingData" => {
                    let data = marking_data(child, draft.schema)?;
                    draft.policy.marking.data.extend(data);
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

    pub(super) fn policy_id(&mut self, node: &Node) -> Result<MarkingRules, Problem> {
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
            "markingData" => rules.data.extend(marking_data(child, self.schema)?),
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
        let (back, front) = match self.schema {
            Schema::Two => ("color", None),
            Schema::Three => ("bgcolor", Some("fgcolor")),
        };
        let color = fields.text(back).map(str::to_owned);
        let foreground = front.and_then(|name| fields.text(name)).map(str::to_owned);
        for color in color.iter().chain(&foreground) {
            if marking::rgb(color).is_some() {
                continue;
            }
            let text = format!("the colour {color} is neither in the schema's list nor #RRGGBB");
            self.policy.warnings.push(Warning {
                place: fields.place(back),
                text,
            });
        }
        let mut class = Class {
            name: fields.name()?,
            value: fields.class_value()?,
            hierarchy: fields.parse_required("hierarchy", "a whole number", integer)?,
            color,
            foreground,
            obsolete: fields.boolean("obsolete")?,
            required: Vec::new(),
            excluded: Vec::new(),
            equivalents: Vec::new(),
            marking: MarkingRules::default(),
            place: node.place,
        };
        fields.finish()?;
        for child in children(node, &node.namespace)? {
            match child.name.as_str() {
                "excludedCategory" if self.schema == Schema::Three => {
                    self.class_exclusions.push((id, group(child)?));
                }
                "equivalentClassification" => {
                    let fields = Fields::of(child);
                    let policy = self.policy_ref(&fields)?;
                    let (value, applied) = (fields.class_value()?, fields.applied()?);
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
        let typed = fields.parse("userInput", "string, integer or date", |text| match text {
            "date" => Some(Typed::Date),
            "integer" => Some(Typed::Integer),
            "string" => Some(Typed::Text),
            _ => None,
        })?;
        fields.text("dateFormat");
        // Values that people type have no binary form, so they may not bear on access.
        if typed.is_some() && kind.is_some_and(|kind| !kind.is_informative()) {
            let text = "a userInput category may only stand in a tag of tagType7 or notApplicable";
            return Err(Problem::new(fields.place("userInput"), text));
        }
        let value = if typed.is_some() {
            // Whatever stands there is no code: the text that people type takes its place.
            fields.text("lacv");
            None
        } else if kind.is_none() {
            fields.text("lacv").and_then(wide_number)
        } else {
            Some(fields.category_value()?)
        };
        let mut category = PolicyCategory {
            tag,
            name: fields.name()?,
            value,
            typed,
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
                value: fields.category_value()?,
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
