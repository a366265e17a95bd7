//! `ravelin subject`: who takes part, what each is cleared for now, and on whose word.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::answer::{Answer, Trouble, chain};
use super::material::{self, Named};
use super::print::{self, Format};
use crate::check::clearance::{self, Effective, Means, Said, Statement};
use crate::clock::{Clock, Timestamp};
use crate::config::{self, Config, MailDomain, Sources, Subject};
use crate::crypto::attribute_certificate::AttributeCertificate;
use crate::crypto::certificate::Certificate;
use crate::crypto::trust::{Anchor, AttributeRules, RevocationCheck, TrustStore};
use crate::label::Policies;
use crate::message::address::Address;
use crate::message::domain;

/// The options of `ravelin subject`.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ravelin subject show anna@alder.example")]
pub(super) struct Command {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// What a certificate clears its holder for, with attribute certificates about that holder
    Examine(Examine),
    /// Every mailbox, role, domain and link, with its clearance
    #[command(after_help = "Example:\n  ravelin subject list --config ravelin.toml --format json")]
    List(Under),
    /// One of them: what clearance, from which source, until when, and what was taken away
    #[command(
        after_help = "Examples:\n  ravelin subject show anna@alder.example --format json\n  \
        ravelin subject show birch.example\n\nExit code 0: cleared for something; 1: for nothing; \
        2: not known, or the configuration is wrong."
    )]
    Show {
        /// An address, a domain, or the name of a link
        #[arg(value_name = "ADDRESS")]
        name: String,
        #[command(flatten)]
        under: Under,
    },
}

/// Under which configuration, and when.
#[derive(Args, Debug)]
struct Under {
    /// The configuration of the switch
    #[arg(long, value_name = "FILE", default_value = "ravelin.toml")]
    config: PathBuf,
    /// Judge as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ravelin subject examine anna.pem --anchor root.pem --crl lists/ \
    --policy alder.xml \\\n    --attribute-certificate anna.ac --attribute-authority aa.pem\n\n\
    Exit code 0: cleared for something; 1: for nothing; 2: something cannot be read. Without \
    --crl, revocation is not looked up."
)]
struct Examine {
    /// The certificate: PEM or DER. Others in the file count as having come along with it
    #[arg(value_name = "CERT")]
    certificate: PathBuf,
    /// Trust anchors: certificates in PEM or DER
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    anchor: Vec<PathBuf>,
    /// Authorities that may stand between: PEM or DER, files or folders
    #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
    intermediates: Vec<PathBuf>,
    /// Revocation lists: PEM or DER, files or folders; with them every status must be known
    #[arg(long, value_name = "DIR|FILE", num_args = 1..)]
    crl: Vec<PathBuf>,
    /// Attribute certificates: PEM or DER
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attribute_certificate: Vec<PathBuf>,
    /// Certificates of attribute authorities: only these give attribute certificates
    #[arg(long, value_name = "FILE", num_args = 1..)]
    attribute_authority: Vec<PathBuf>,
    /// Our host name, for attribute certificates that are for some only
    #[arg(long, value_name = "NAME", default_value = "")]
    target: String,
    /// Label policies (SPIF), which give clearances their names
    #[arg(long, value_name = "FILE", num_args = 1..)]
    policy: Vec<PathBuf>,
    /// Judge as of this time, such as 2026-11-21T12:00:00Z
    #[arg(long, value_name = "RFC3339")]
    at: Option<Timestamp>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Line {
    name: String,
    kind: &'static str,
    /// What is left of all that counts; none means cleared for nothing.
    clearance: Option<String>,
    until: Option<String>,
    combination: Option<&'static str>,
    sources: Vec<SourceLine>,
    roles: Vec<String>,
    holders: Vec<String>,
    certificate: Option<String>,
}

#[derive(Serialize)]
struct SourceLine {
    source: &'static str,
    by: String,
    said: &'static str,
    stated: Option<String>,
    left: Option<String>,
    limited_by: Vec<String>,
    /// Categories of types that are not known; they grant nothing.
    ignored: usize,
    until: Option<String>,
    text: String,
}

pub(super) fn run(command: &Command) -> Result<Answer, Trouble> {
    match &command.act {
        Act::Examine(examine) => examined(examine),
        Act::List(under) => {
            let config = config::load(&under.config)?;
            let lines = all(&config, under.instant());
            match under.format {
                Format::Json => print::json(&lines)?,
                Format::Table => print::out(&table(&lines))?,
            }
            Ok(Answer::Yes)
        }
        Act::Show { name, under } => {
            let config = config::load(&under.config)?;
            let line = one(&config, name, under.instant()).ok_or_else(|| {
                Trouble::usage(
                    format!("{name} is no subject, domain or link of this configuration"),
                    "`ravelin subject list` names them",
                )
            })?;
            shown(&line, under.format)
        }
    }
}

impl Under {
    fn instant(&self) -> Timestamp {
        self.at.unwrap_or_else(|| Clock::system().now())
    }
}

fn shown(line: &Line, format: Format) -> Result<Answer, Trouble> {
    match format {
        Format::Json => print::json(line)?,
        Format::Table => print::out(&drawn(line))?,
    }
    Ok(match line.clearance {
        Some(_) => Answer::Yes,
        None => Answer::No,
    })
}

fn all(config: &Config, at: Timestamp) -> Vec<Line> {
    let subjects = config.subjects.values();
    let mut lines: Vec<Line> = subjects
        .map(|subject| of_subject(config, subject, at))
        .collect();
    lines.extend(config.mail_domains().map(|one| of_domain(config, one, at)));
    lines.extend(config.links.iter().map(|link| of_link(config, link, at)));
    lines
}

fn one(config: &Config, name: &str, at: Timestamp) -> Option<Line> {
    if let Ok(address) = Address::parse(name) {
        let subject = config.subjects.get(&address);
        return subject.map(|subject| of_subject(config, subject, at));
    }
    let domain = config
        .mail_domains()
        .find(|one| domain::same(&one.domain, name));
    if let Some(domain) = domain {
        return Some(of_domain(config, domain, at));
    }
    let link = config.links.iter().find(|link| link.name == name);
    link.map(|link| of_link(config, link, at))
}

fn of_subject(config: &Config, subject: &Subject, at: Timestamp) -> Line {
    let effective = clearance::of_subject(config, subject, at);
    let holders = subject.holders.iter().map(ToString::to_string);
    Line {
        roles: subject.roles.clone(),
        holders: holders.collect(),
        certificate: subject.certificate.as_ref().map(Certificate::subject),
        combination: combination(&subject.sources),
        ..line(
            &config.policies,
            subject.address.to_string(),
            subject.kind().name(),
            &effective,
        )
    }
}

fn of_domain(config: &Config, domain: &MailDomain, at: Timestamp) -> Line {
    let effective = clearance::of_domain(config, domain, at);
    Line {
        certificate: domain.certificate.as_ref().map(Certificate::subject),
        combination: combination(&domain.sources),
        ..line(
            &config.policies,
            domain.domain.clone(),
            "domain",
            &effective,
        )
    }
}

fn of_link(config: &Config, link: &config::Link, at: Timestamp) -> Line {
    let effective = clearance::of_link(config, link, at);
    Line {
        certificate: link.certificate().map(Certificate::subject),
        combination: combination(&link.sources),
        ..line(&config.policies, link.name.clone(), "link", &effective)
    }
}

/// How several sources are taken together; nothing is said of one.
fn combination(sources: &Sources) -> Option<&'static str> {
    (sources.from.len() > 1).then(|| sources.combination.name())
}

fn line(policies: &Policies, name: String, kind: &'static str, effective: &Effective) -> Line {
    Line {
        name,
        kind,
        clearance: effective
            .clearance
            .as_ref()
            .map(|held| clearance::words(policies, held)),
        until: effective.until.map(print::time),
        combination: None,
        sources: effective
            .statements
            .iter()
            .map(|one| source(policies, one))
            .collect(),
        roles: Vec::new(),
        holders: Vec::new(),
        certificate: None,
    }
}

fn source(policies: &Policies, statement: &Statement) -> SourceLine {
    let mut line = SourceLine {
        source: statement.source.name(),
        by: statement.by.clone(),
        said: "nothing",
        stated: None,
        left: None,
        limited_by: Vec::new(),
        ignored: 0,
        until: statement.until.map(print::time),
        text: statement.words(),
    };
    match &statement.said {
        Said::Granted(granted) => {
            line.said = "granted";
            line.stated = Some(clearance::words(policies, &granted.stated));
            let left = granted.left.as_ref();
            line.left = left.map(|left| clearance::words(policies, left));
            line.limited_by.clone_from(&granted.limited_by);
            line.ignored = granted.ignored;
        }
        Said::Nothing => {}
        Said::Refused(_) => line.said = "refused",
        Said::Unknown(_) => line.said = "unknown",
    }
    line
}

fn examined(examine: &Examine) -> Result<Answer, Trouble> {
    let named = Named::all("CERT", std::slice::from_ref(&examine.certificate));
    let mut certificates = material::certificates(&named)?;
    let certificate = certificates.remove(0);
    let anchors = material::certificates(&Named::all("--anchor", &examine.anchor))?;
    let between = Named::all("--intermediates", &examine.intermediates);
    let lists = material::usable_lists(&Named::all("--crl", &examine.crl))?;
    let check = match examine.crl.is_empty() {
        true => RevocationCheck::Optional,
        false => RevocationCheck::Required,
    };
    let anchors = anchors.into_iter().map(Anchor::from).collect();
    let trust = TrustStore::with_anchors(anchors, material::certificates(&between)?, lists)
        .with_revocation(check);
    let authorities = Named::all("--attribute-authority", &examine.attribute_authority);
    let rules = AttributeRules {
        authorities: material::certificates(&authorities)?,
        name: examine.target.clone(),
        groups: Vec::new(),
    };
    let mut given = Vec::new();
    for file in Named::all("--attribute-certificate", &examine.attribute_certificate) {
        let remedy = "give an attribute certificate, DER or PEM";
        let found = AttributeCertificate::from_file(&file.read()?)
            .map_err(|error| file.trouble(chain(&error), remedy))?;
        if found.is_empty() {
            return Err(file.trouble("holds no attribute certificate", remedy));
        }
        given.extend(found);
    }
    let policies = material::policies(&Named::all("--policy", &examine.policy))?;
    let means = Means {
        policies: &policies,
        trust: &trust,
        rules: &rules,
        directory: &(),
    };
    let at = examine.at.unwrap_or_else(|| Clock::system().now());
    let effective = clearance::of_certificate(means, &certificate, &certificates, &given, at);
    let line = Line {
        certificate: Some(certificate.subject()),
        ..line(&policies, certificate.subject(), "certificate", &effective)
    };
    shown(&line, examine.format)
}

fn table(lines: &[Line]) -> String {
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let sources = line.sources.iter().map(|one| one.source);
            vec![
                line.name.clone(),
                line.kind.to_owned(),
                sources.collect::<Vec<_>>().join(", "),
                line.until.clone().unwrap_or_default(),
                line.clearance.clone().unwrap_or_else(|| "none".to_owned()),
            ]
        })
        .collect();
    print::columns(&["NAME", "KIND", "SOURCES", "UNTIL", "CLEARANCE"], &rows)
}

fn drawn(line: &Line) -> String {
    let mut text = print::line(0, line.kind, &line.name);
    let held = line.clearance.as_deref().unwrap_or("none");
    text += &print::line(0, "clearance", held);
    if let Some(until) = &line.until {
        text += &print::line(0, "until", until);
    }
    for holder in &line.holders {
        text += &print::line(0, "held by", holder);
    }
    if !line.roles.is_empty() {
        text += &print::line(0, "roles", &line.roles.join(", "));
    }
    if let Some(combination) = line.combination {
        text += &print::line(0, "combination", combination);
    }
    for source in &line.sources {
        text += &print::line(0, "source", &source.text);
        if let Some(stated) = &source.stated {
            text += &print::line(2, "states", stated);
        }
        if source.left != source.stated {
            let left = source.left.as_deref().unwrap_or("none");
            text += &print::line(2, "leaves", left);
        }
        if let Some(until) = &source.until {
            text += &print::line(2, "until", until);
        }
    }
    text
}
