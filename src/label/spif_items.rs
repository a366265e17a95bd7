//! Duty: the SPIF elements that stand in many places: requirements, groups, marking data, qualifiers.
//! Promises: each is read whole; names are left for `spif_link` to resolve.
//! Refuses: requirements that can never hold as written, unknown marking codes, foreign elements.
//! Standards: Open XML SPIF 2.0, 2.1 and 3.0.

use super::marking::{self, Location, MarkingData, Qualifier, Role};
use super::policy::{Operation, RemoteGroup, RemoteRequirement, Warning};
use super::spif::Schema;
use super::spif_fields::{Fields, only_text, unexpected, wide_number};
use super::value::Kind;
use super::xml::{Node, Place, Problem};

pub(super) struct DraftRequirement {
    pub(super) operation: Operation,
    pub(super) groups: Vec<DraftGroup>,
    pub(super) place: Place,
}

pub(super) struct DraftGroup {
    pub(super) tag_set: String,
    pub(super) kind: Kind,
    /// `None`: every category of the tag set and kind.
    pub(super) value: Option<u128>,
    pub(super) place: Place,
}

/// The child elements; text between them is refused, and so are foreign elements.
pub(super) fn children<'a>(
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

pub(super) fn no_children(node: &Node) -> Result<(), Problem> {
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

pub(super) fn requirement(node: &Node) -> Result<DraftRequirement, Problem> {
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

pub(super) fn group(node: &Node) -> Result<DraftGroup, Problem> {
    let fields = Fields::of(node);
    let tag_set = fields.required("tagSetRef")?.to_owned();
    let Some(kind) = fields.kind()? else {
        let text = "a group of tagType=\"notApplicable\" can never match";
        return Err(Problem::new(fields.place("tagType"), text));
    };
    let value = fields.parse("lacv", "a whole number", wide_number)?;
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

pub(super) fn remote_requirements(node: &Node) -> Result<Vec<RemoteRequirement>, Problem> {
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
pub(super) fn remote_requirement(node: &Node) -> Result<RemoteRequirement, Problem> {
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

pub(super) fn marking_data(node: &Node, schema: Schema) -> Result<Vec<MarkingData>, Problem> {
    if schema == Schema::Three {
        return phrases(node);
    }
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
    Ok(vec![data])
}

/// Schema 3.0 has no codes: each purpose has its own phrase, and where one is absent, the name stands.
/// RULE: shortPhrase is for portions, simplePhrase for the lines and fields of mail, inputPhrase for
/// input screens, phrase for all that has no phrase of its own.
fn phrases(node: &Node) -> Result<Vec<MarkingData>, Problem> {
    let fields = Fields::of(node);
    let language = fields.language();
    let mail = [
        Location::FirstLineOfText,
        Location::LastLineOfText,
        Location::Subject,
        Location::XHeader,
    ];
    let mut left: Vec<Location> = Location::ALL.into();
    let mut found = Vec::new();
    let purposes: [(&'static str, &[Location]); 4] = [
        ("shortPhrase", &[Location::Portion]),
        ("simplePhrase", &mail),
        ("inputPhrase", &[Location::InputTitle]),
        ("phrase", &Location::ALL),
    ];
    for (name, locations) in purposes {
        let Some(phrase) = fields.text(name) else {
            continue;
        };
        let (own, rest) = left.into_iter().partition(|one| locations.contains(one));
        left = rest;
        let own: Vec<Location> = own;
        found.push(MarkingData {
            language: language.clone(),
            phrase: Some(phrase.to_owned()),
            locations: own.into_iter().collect(),
            ..MarkingData::default()
        });
    }
    fields.finish()?;
    no_children(node)?;
    Ok(found)
}

fn locations(code: &str) -> Option<Vec<Location>> {
    if code == "pageTopBottom" {
        return Some(vec![Location::PageTop, Location::PageBottom]);
    }
    marking::location(code).map(|location| vec![location])
}

pub(super) fn qualifiers(
    node: &Node,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Qualifier>, Problem> {
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
            "prefix, suffix or separator (in 3.0 also finalSeparator)",
            |text| match text {
                "prefix" => Some(Role::Prefix),
                "suffix" => Some(Role::Suffix),
                "separator" => Some(Role::Separator),
                "finalSeparator" => Some(Role::FinalSeparator),
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
