//! What a party is cleared for at an instant, and on whose word.
//!
//! Promises: a clearance from a certificate counts only over a path that is good now, within what the
//! authorities of the path may give; several sources never come to more than each of those that
//! count. Refuses: a source that is there and cannot be believed leaves nothing, whatever the others
//! say. What our own means do not tell is a fault, never a clearance.
//! Attacks stopped here: an authority that gives more than it may, an attribute certificate of
//! somebody else, a directory that gives somebody else's certificate.
//! Standards: RFC 5913 §4, §5; RFC 5755 §5; RFC 8550 §3.

use crate::clock::Timestamp;
use crate::config::{ClearanceSource, Combination, Config, Link, MailDomain, Sources, Subject};
use crate::crypto::attribute_certificate::AttributeCertificate;
use crate::crypto::certificate::Certificate;
use crate::crypto::clearance::{self, Limited, Permitted};
use crate::crypto::directory::{Directory, Found, Name, Record};
use crate::crypto::trust::{AttributeRules, Path, Purpose, TrustProblem, TrustStore};
use crate::decision::{Fault, Ground, Reason, Refusal, Stop};
use crate::label::intersection::intersection;
use crate::label::{Clearance, Policies, naming};
use crate::message::address::Address;
use crate::open::SignerFacts;

/// The rule of a ground that says where a clearance comes from.
pub const SOURCE: &str = "clearance.source";

/// What a party is cleared for, with all that was looked at.
#[derive(Clone, Debug)]
pub struct Effective {
    /// What is left of all that counts; none means cleared for nothing.
    pub clearance: Option<Clearance>,
    /// What each source said, in the order in which they were asked.
    pub statements: Vec<Statement>,
    /// When the first of those that count ends, if one does.
    pub until: Option<Timestamp>,
}

/// What one source said.
#[derive(Clone, Debug)]
pub struct Statement {
    /// What kind of source.
    pub source: ClearanceSource,
    /// Which one, in words.
    pub by: String,
    /// What it said.
    pub said: Said,
    /// Until when it may be believed, if it ends.
    pub until: Option<Timestamp>,
}

/// What a source says of a clearance.
#[derive(Clone, Debug)]
pub enum Said {
    /// This is granted.
    Granted(Box<Granted>),
    /// There is nothing.
    Nothing,
    /// It is there and cannot be believed, for this reason.
    Refused(String),
    /// Whether it can be believed cannot be told now: our fault.
    Unknown(String),
}

/// A clearance that a source grants.
#[derive(Clone, Debug)]
pub struct Granted {
    /// What stands there.
    pub stated: Clearance,
    /// What the authorities above leave of it; without authorities, all of it.
    pub left: Option<Clearance>,
    /// The authorities that took something away.
    pub limited_by: Vec<String>,
    /// Category types that are not known; they grant nothing.
    pub ignored: usize,
}

/// The clearance of a mailbox or role.
pub fn of_subject(config: &Config, subject: &Subject, at: Timestamp) -> Effective {
    weigh(&Party::subject(config, subject), at)
}

/// The clearance of a subject who signed: what the certificate of the signature says counts too.
pub fn of_signer(
    config: &Config,
    subject: &Subject,
    signer: &SignerFacts,
    came_along: &[Certificate],
    at: Timestamp,
) -> Effective {
    let mut party = Party::subject(config, subject);
    if let Some(certificate) = &signer.report.certificate {
        party.add(certificate, came_along);
    }
    weigh(&party, at)
}

/// The clearance of a whole mail domain.
pub fn of_domain(config: &Config, domain: &MailDomain, at: Timestamp) -> Effective {
    let means = Means::of(config, config.trust_for_domain(&domain.domain));
    let mut party = Party::new(means, domain.clearance.as_ref(), &domain.sources);
    party.name = Some(Name::domain(&domain.domain));
    party.attribute_certificates = domain.attribute_certificates.clone();
    if let Some(certificate) = &domain.certificate {
        party.add(certificate, &[]);
    }
    weigh(&party, at)
}

/// The clearance of a link.
pub fn of_link(config: &Config, link: &Link, at: Timestamp) -> Effective {
    let means = Means::of(config, &link.trust);
    let mut party = Party::new(means, Some(&link.clearance), &link.sources);
    if let Some(certificate) = link.certificate() {
        party.add(certificate, &[]);
    }
    weigh(&party, at)
}

impl Effective {
    /// The clearance to decide by.
    ///
    /// # Errors
    /// A refusal when the party is cleared for nothing, a fault when our own means do not tell.
    pub fn decided(&self, who: &str, policies: &Policies) -> Result<&Clearance, Stop> {
        let unknown = self.statements.iter().find_map(|one| match &one.said {
            Said::Unknown(why) => Some((&one.by, why)),
            _ => None,
        });
        if let Some((by, why)) = unknown {
            let attempt = format!("tell the clearance of {who} from {by}");
            return Err(Fault::new(attempt, why.clone()).into());
        }
        self.clearance.as_ref().ok_or_else(|| {
            let silent = |one: &Statement| matches!(one.said, Said::Nothing);
            let reason = match self.statements.iter().all(silent) {
                true => Reason::ClearanceUnknown,
                false => Reason::ClearanceInsufficient,
            };
            Refusal::on_grounds(reason, vec![self.ground(who, policies)]).into()
        })
    }

    /// Where it comes from, as a ground of the decision.
    pub fn ground(&self, who: &str, policies: &Policies) -> Ground {
        let said: Vec<String> = self.statements.iter().map(Statement::words).collect();
        Ground {
            clearance: Some(match &self.clearance {
                Some(clearance) => words(policies, clearance),
                None => "none".to_owned(),
            }),
            ..Ground::new(SOURCE, format!("{who}: clearance {}", said.join("; ")))
        }
    }
}

impl Statement {
    /// What was said, in one clause.
    pub fn words(&self) -> String {
        match &self.said {
            Said::Granted(granted) if granted.limited_by.is_empty() => format!("from {}", self.by),
            Said::Granted(granted) => format!(
                "from {}, limited by authority clearance constraints of {}",
                self.by,
                granted.limited_by.join(" and ")
            ),
            Said::Nothing => format!("not from {}, which says nothing", self.by),
            Said::Refused(why) => format!("not from {}, which cannot be believed: {why}", self.by),
            Said::Unknown(why) => format!("not from {}, which cannot be judged: {why}", self.by),
        }
    }
}

/// A clearance in the words of its policy.
pub fn words(policies: &Policies, clearance: &Clearance) -> String {
    match policies.get(&clearance.policy) {
        Some(policy) => format!(
            "{}: {}",
            policy.name(),
            naming::write_clearance(policy, clearance)
        ),
        None => format!("policy {}, which is not loaded", clearance.policy),
    }
}

/// The clearance in a certificate and in attribute certificates about its holder, without a switch.
pub fn of_certificate(
    means: Means<'_>,
    certificate: &Certificate,
    came_along: &[Certificate],
    attribute_certificates: &[AttributeCertificate],
    at: Timestamp,
) -> Effective {
    let sources = Sources {
        from: vec![
            ClearanceSource::Certificate,
            ClearanceSource::AttributeCertificate,
        ],
        combination: Combination::All,
    };
    let mut party = Party::new(means, None, &sources);
    party.attribute_certificates = attribute_certificates.to_vec();
    party.add(certificate, came_along);
    weigh(&party, at)
}

/// What clearances are judged with.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// The label policies that give them their meaning.
    pub policies: &'a Policies,
    /// Who vouches for certificates.
    pub trust: &'a TrustStore,
    /// Whose attribute certificates count.
    pub rules: &'a AttributeRules,
    /// Where more stands.
    pub directory: &'a dyn Directory,
}

impl<'a> Means<'a> {
    fn of(config: &'a Config, trust: &'a TrustStore) -> Self {
        Self {
            policies: &config.policies,
            trust,
            rules: config.attribute_rules(),
            directory: config.directory.as_ref(),
        }
    }
}

/// All that may speak for somebody.
struct Party<'a> {
    means: Means<'a>,
    configured: Option<&'a Clearance>,
    sources: &'a Sources,
    /// Certificates that are the party's own, each with what came along.
    certificates: Vec<(Certificate, Vec<Certificate>)>,
    attribute_certificates: Vec<AttributeCertificate>,
    /// What the directory is asked for.
    name: Option<Name>,
    address: Option<&'a Address>,
}

impl<'a> Party<'a> {
    fn new(means: Means<'a>, configured: Option<&'a Clearance>, sources: &'a Sources) -> Self {
        Self {
            means,
            configured,
            sources,
            certificates: Vec::new(),
            attribute_certificates: Vec::new(),
            name: None,
            address: None,
        }
    }

    fn subject(config: &'a Config, subject: &'a Subject) -> Self {
        let means = Means::of(config, config.trust_for(&subject.address));
        let mut party = Self::new(means, subject.clearance.as_ref(), &subject.sources);
        party.name = Some(Name::mailbox(&subject.address));
        party.address = Some(&subject.address);
        party.attribute_certificates = subject.attribute_certificates.clone();
        if let Some(certificate) = &subject.certificate {
            party.add(certificate, &[]);
        }
        party
    }

    fn add(&mut self, certificate: &Certificate, came_along: &[Certificate]) {
        if !self
            .certificates
            .iter()
            .any(|(known, _)| known == certificate)
        {
            self.certificates
                .push((certificate.clone(), came_along.to_vec()));
        }
    }

    /// What the directory has on record, if a source needs it.
    fn on_record(&self) -> Found {
        match &self.name {
            Some(name) if self.sources.is_asked() => self.means.directory.find(name),
            _ => Found::Unknown,
        }
    }

    fn path(
        &self,
        certificate: &Certificate,
        extra: &[Certificate],
        at: Timestamp,
    ) -> Result<Path, Said> {
        let path = self
            .means
            .trust
            .validate(certificate, extra, Purpose::Any, at);
        path.map_err(not_believed)
    }
}

fn not_believed(problem: TrustProblem) -> Said {
    match problem.is_ours() {
        true => Said::Unknown(problem.to_string()),
        false => Said::Refused(problem.to_string()),
    }
}

/// Asks the sources in their order, and takes together what they say.
fn weigh(party: &Party<'_>, at: Timestamp) -> Effective {
    let record = party.on_record();
    let mut statements: Vec<Statement> = Vec::new();
    let mut silent = false;
    for source in &party.sources.from {
        let said = ask(party, &record, *source, at);
        let speaks = said.iter().any(|one| !matches!(one.said, Said::Nothing));
        silent |= !speaks;
        statements.extend(said);
        if speaks && party.sources.combination == Combination::First {
            silent = false;
            break;
        }
    }
    let all_asked = party.sources.combination != Combination::Every || !silent;
    Effective {
        clearance: all_asked.then(|| common(&statements)).flatten(),
        until: statements.iter().filter_map(|one| one.until).min(),
        statements,
    }
}

/// What all that spoke have in common; nothing when one of them leaves nothing.
fn common(statements: &[Statement]) -> Option<Clearance> {
    let mut together: Option<Clearance> = None;
    for statement in statements {
        let left = match &statement.said {
            Said::Nothing => continue,
            Said::Granted(granted) => granted.left.as_ref()?,
            Said::Refused(_) | Said::Unknown(_) => return None,
        };
        together = Some(match together {
            None => left.clone(),
            Some(before) => intersection(&before, left)?,
        });
    }
    together
}

/// What one kind of source says; at least one statement.
fn ask(
    party: &Party<'_>,
    record: &Found,
    source: ClearanceSource,
    at: Timestamp,
) -> Vec<Statement> {
    let mut statements = match source {
        ClearanceSource::Configuration => vec![configured(party)],
        ClearanceSource::Certificate => of_certificates(party, record, at),
        ClearanceSource::AttributeCertificate => of_attributes(party, record, at),
        ClearanceSource::Directory => on_record(party, record),
    };
    let from_directory = source != ClearanceSource::Configuration;
    if let (true, Found::Unavailable(why)) = (from_directory, record) {
        let said = Said::Unknown(why.clone());
        statements.push(statement(source, "the directory".into(), said));
    }
    if statements.is_empty() {
        let by = match source {
            ClearanceSource::AttributeCertificate => "an attribute certificate",
            ClearanceSource::Certificate => "a certificate",
            ClearanceSource::Configuration => "the configuration",
            ClearanceSource::Directory => "the directory",
        };
        statements.push(statement(source, by.into(), Said::Nothing));
    }
    statements
}

fn statement(source: ClearanceSource, by: String, said: Said) -> Statement {
    Statement {
        source,
        by,
        said,
        until: None,
    }
}

fn configured(party: &Party<'_>) -> Statement {
    let said = match party.configured {
        Some(clearance) => as_stated(clearance.clone(), 0),
        None => Said::Nothing,
    };
    statement(
        ClearanceSource::Configuration,
        "the configuration".into(),
        said,
    )
}

fn as_stated(clearance: Clearance, ignored: usize) -> Said {
    Said::Granted(Box::new(Granted {
        left: Some(clearance.clone()),
        stated: clearance,
        limited_by: Vec::new(),
        ignored,
    }))
}

/// The party's own certificates, and those on record that bear its address.
// RFC 8550 §3: who writes the directory does not choose whose clearance counts
fn certificates(party: &Party<'_>, record: &Found) -> Vec<(Certificate, Vec<Certificate>)> {
    let mut all = party.certificates.clone();
    if let (Found::Known(record), Some(address)) = (record, party.address) {
        for certificate in record.certificates() {
            let emails = certificate.emails();
            let mut addresses = emails.iter().filter_map(|email| Address::parse(email).ok());
            if addresses.any(|named| named == *address)
                && !all.iter().any(|(one, _)| one == certificate)
            {
                all.push((certificate.clone(), record.certificates().to_vec()));
            }
        }
    }
    all
}

// RFC 5913 §4
fn of_certificates(party: &Party<'_>, record: &Found, at: Timestamp) -> Vec<Statement> {
    let policies = party.means.policies;
    let mut statements = Vec::new();
    for (certificate, extra) in certificates(party, record) {
        let by = named(&certificate);
        let source = ClearanceSource::Certificate;
        let stated = match clearance::of_certificate(&certificate, policies) {
            Ok(None) => continue,
            Ok(Some(stated)) => stated,
            Err(error) => {
                statements.push(statement(source, by, Said::Refused(error.to_string())));
                continue;
            }
        };
        let path = match party.path(&certificate, &extra, at) {
            Ok(path) => path,
            Err(said) => {
                statements.push(statement(source, by, said));
                continue;
            }
        };
        let said = match path.permitted_clearances(policies) {
            Ok(permitted) => within(&permitted, stated.clearance, stated.ignored.len()),
            Err(error) => Said::Refused(error.to_string()),
        };
        statements.push(Statement {
            until: Some(path.window().1),
            ..statement(source, by, said)
        });
    }
    statements
}

fn within(permitted: &Permitted, stated: Clearance, ignored: usize) -> Said {
    let Limited { clearance, by } = permitted.effective(&stated);
    Said::Granted(Box::new(Granted {
        stated,
        left: clearance,
        limited_by: by,
        ignored,
    }))
}

fn named(certificate: &Certificate) -> String {
    format!(
        "certificate {} (serial {})",
        certificate.subject(),
        certificate.serial_hex()
    )
}

// RFC 5755 §5, RFC 5913 §5
fn of_attributes(party: &Party<'_>, record: &Found, at: Timestamp) -> Vec<Statement> {
    let holders = certificates(party, record);
    let mut statements: Vec<Statement> = party
        .attribute_certificates
        .iter()
        .map(|given| of_attribute(party, given, &holders, at))
        .collect();
    if let Found::Known(record) = record {
        statements.extend(given_on_record(record).filter_map(|given| match given {
            // One about somebody else gives nothing and takes nothing: the directory is not signed.
            Ok(given) if !holders.iter().any(|(one, _)| given.is_about(one)) => None,
            Ok(given) => Some(of_attribute(party, &given, &holders, at)),
            Err(why) => Some(statement(
                ClearanceSource::AttributeCertificate,
                format!("an attribute certificate of {}", record.source()),
                Said::Refused(why),
            )),
        }));
    }
    statements
}

fn given_on_record(record: &Record) -> impl Iterator<Item = Result<AttributeCertificate, String>> {
    record
        .attribute_certificates()
        .map(|der| AttributeCertificate::from_der(der).map_err(|error| error.to_string()))
}

fn of_attribute(
    party: &Party<'_>,
    given: &AttributeCertificate,
    holders: &[(Certificate, Vec<Certificate>)],
    at: Timestamp,
) -> Statement {
    let source = ClearanceSource::AttributeCertificate;
    let by = format!("attribute certificate {}", given.name());
    match judge_attribute(party, given, holders, at) {
        Ok((said, until)) => Statement {
            until: Some(until),
            ..statement(source, by, said)
        },
        Err(said) => statement(source, by, said),
    }
}

fn judge_attribute(
    party: &Party<'_>,
    given: &AttributeCertificate,
    holders: &[(Certificate, Vec<Certificate>)],
    at: Timestamp,
) -> Result<(Said, Timestamp), Said> {
    let policies = party.means.policies;
    let mut own = holders.iter().filter(|(one, _)| given.is_about(one));
    let Some((holder, extra)) = own.next() else {
        return Err(Said::Refused(
            "it is not about the holder of any certificate of this party (RFC 5755 §4.2.2)".into(),
        ));
    };
    // RFC 5755 §5: the path of the holder's certificate first
    let path = party.path(holder, extra, at)?;
    let attributed = party
        .means
        .trust
        .validate_attributes(given, holder, party.means.rules, at)
        .map_err(|problem| match problem.is_ours() {
            true => Said::Unknown(problem.fault.to_string()),
            false => Said::Refused(problem.fault.to_string()),
        })?;
    let stated = given
        .clearance(policies)
        .map_err(|error| Said::Refused(error.to_string()))?;
    let until = attributed.until.min(path.window().1);
    let Some(stated) = stated else {
        return Ok((Said::Nothing, until));
    };
    let permitted = attributed
        .authority
        .permitted_in_attributes(policies)
        .map_err(|error| Said::Refused(error.to_string()))?;
    let said = within(&permitted, stated.clearance, stated.ignored.len());
    Ok((said, until))
}

/// What the directory itself says. Nobody signed it but the way here.
fn on_record(party: &Party<'_>, record: &Found) -> Vec<Statement> {
    let Found::Known(record) = record else {
        return Vec::new();
    };
    let by = format!("the directory ({})", record.source());
    let mut stated = record.clearances();
    let said = match (stated.next(), stated.next()) {
        (None, _) => return Vec::new(),
        (Some(_), Some(_)) => Said::Refused("there are several clearances".into()),
        (Some(der), None) => {
            match crate::label::clearance::decode_under(der, party.means.policies) {
                Ok(decoded) => as_stated(decoded.clearance, decoded.ignored.len()),
                Err(error) => Said::Refused(error.to_string()),
            }
        }
    };
    vec![statement(ClearanceSource::Directory, by, said)]
}
