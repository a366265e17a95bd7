//! Two nations on one machine: their files, their switches, their mailboxes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::nation::PASSWORD;
use super::{Mailbox, Nation, Person, Profile, Trouble, submit};
use crate::cli::compose::{Composition, compose};
use crate::cli::desk::Desk;
use crate::cli::serve::{self, Running};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::crypto::keys::Identity;
use crate::crypto::pkcs12;
use crate::label::{self, Label, naming};
use crate::message::Precedence;
use crate::message::address::Address;
use crate::smtp::dialogue::Outcome;

/// The label policies of the two nations.
const POLICIES: [(&str, &str); 2] = [
    ("alder.xml", include_str!("../../../labels/alder.xml")),
    ("birch.xml", include_str!("../../../labels/birch.xml")),
];

/// What SECRET needs before it leaves ALDER: the rule of the story.
pub const RELEASE_RULE: &str = r#"
[[review.rule]]
name = "secret-abroad"
classifications = ["SECRET", "TOP SECRET"]
links = ["birch"]
role = "releasing-officer"
officers = 1
"#;

/// The two nations. Each one's switch runs when it is told to.
pub struct World {
    /// Where everything lies.
    pub dir: PathBuf,
    /// The time.
    pub clock: Clock,
    /// The nation that writes.
    pub alder: Nation,
    /// The nation that receives.
    pub birch: Nation,
    /// ALDER's configuration.
    pub alder_config: Config,
    /// BIRCH's configuration.
    pub birch_config: Config,
    /// ALDER's switch, once it runs.
    pub alder_switch: Option<Running>,
    /// BIRCH's switch, once it runs.
    pub birch_switch: Option<Running>,
    /// ALDER's mailboxes.
    pub alder_mail: Mailbox,
    /// BIRCH's mailboxes.
    pub birch_mail: Mailbox,
}

impl World {
    /// The world of the story, with ALDER's switch up.
    ///
    /// # Errors
    /// When something cannot be made or started.
    pub async fn raise(dir: &Path, clock: Clock) -> Result<Self, Trouble> {
        let mut world = Self::found(dir, clock, RELEASE_RULE).await?;
        world.wake_alder().await?;
        Ok(world)
    }

    /// Makes keys, files, mailboxes and configurations in `dir`; no switch runs yet. `rules` ends
    /// ALDER's configuration: what its review and its queue go by.
    ///
    /// # Errors
    /// When something cannot be made.
    pub async fn found(dir: &Path, clock: Clock, rules: &str) -> Result<Self, Trouble> {
        let now = clock.now();
        let alder = Nation::found(
            Profile {
                name: "alder",
                people: &["drafter", "officer", "reader", "clerk", "postmaster"],
            },
            now,
        )?;
        let birch = Nation::found(
            Profile {
                name: "birch",
                people: &["reader", "postmaster"],
            },
            now,
        )?;
        alder.write_pki(dir, now)?;
        birch.write_pki(dir, now)?;
        std::fs::create_dir_all(dir.join("config"))?;
        std::fs::create_dir_all(dir.join("messages"))?;
        std::fs::create_dir_all(dir.join("audit"))?;
        for (name, text) in POLICIES {
            std::fs::write(dir.join("config").join(name), text)?;
        }
        let alder_mail = Mailbox::open(&dir.join("mailboxes/alder")).await?;
        let birch_mail = Mailbox::open(&dir.join("mailboxes/birch")).await?;
        let alder_file = alder.write_config(dir, &alder_rest(&birch, &alder_mail, rules))?;
        let birch_file = birch.write_config(dir, &birch_rest(&alder, &birch_mail))?;
        let alder_config = config::load(&alder_file)?;
        let birch_config = config::load(&birch_file)?;
        Ok(Self {
            dir: dir.to_owned(),
            clock,
            alder,
            birch,
            alder_config,
            birch_config,
            alder_switch: None,
            birch_switch: None,
            alder_mail,
            birch_mail,
        })
    }

    /// Starts ALDER's switch.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn wake_alder(&mut self) -> Result<(), Trouble> {
        let running = serve::start(self.alder_config.clone(), self.clock.clone()).await?;
        self.alder_switch = Some(running);
        Ok(())
    }

    /// Starts BIRCH's switch.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn wake_birch(&mut self) -> Result<(), Trouble> {
        let running = serve::start(self.birch_config.clone(), self.clock.clone()).await?;
        self.birch_switch = Some(running);
        Ok(())
    }

    /// Stops both switches.
    pub async fn end(self) {
        for switch in [self.alder_switch, self.birch_switch].into_iter().flatten() {
            switch.stop().await;
        }
    }

    /// ALDER's switch.
    ///
    /// # Errors
    /// When it does not run.
    pub fn running(&self) -> Result<&Running, Trouble> {
        self.alder_switch
            .as_ref()
            .ok_or_else(|| "ALDER's switch does not run".into())
    }

    /// A label of ALDER, by its names.
    ///
    /// # Errors
    /// When the policy has no such name.
    pub fn label(
        &self,
        classification: &str,
        categories: &[(&str, &str)],
    ) -> Result<Label, Trouble> {
        Ok(naming::label(
            self.alder_config.policy(),
            classification,
            categories,
        )?)
    }

    /// What one of ALDER's people writes, signed by `signer`.
    ///
    /// # Errors
    /// When it cannot be composed.
    pub fn compose(
        &self,
        from: &Address,
        to: &[Address],
        label: Option<&Label>,
        signer: &Identity,
    ) -> Result<Vec<u8>, Trouble> {
        let label = label.map(label::ess::encode).transpose()?;
        let message = compose(
            &Composition {
                from,
                to,
                subject: "Passage of the northern strait",
                text: "The convoy passes the northern strait at first light.\r\n\
                       Keep the lights dark and the radios silent.\r\n",
                precedence: Precedence::Immediate,
                label: label.as_deref(),
            },
            signer,
            &self.clock,
        )?;
        Ok(message)
    }

    /// Hands a message in at ALDER as `person`.
    ///
    /// # Errors
    /// When the switch cannot be reached.
    pub async fn submit(
        &self,
        person: &Person,
        to: &[Address],
        message: &[u8],
    ) -> Result<Outcome, Trouble> {
        let (address, host) = (self.alder.ports.submission, self.alder.host());
        let trust = &self.alder_config.trust;
        submit(address, &host, trust, person, to, message, &self.clock).await
    }

    /// ALDER's desk, as the person with this local part reaches it: with the key in the PKCS#12 file
    /// and nothing else.
    ///
    /// # Errors
    /// When the key file cannot be read.
    pub fn desk(&self, local: &str) -> Result<Desk, Trouble> {
        let file = self.dir.join("pki/alder").join(format!("{local}.p12"));
        let officer = pkcs12::read(&std::fs::read(file)?, PASSWORD)?
            .into_iter()
            .next()
            .ok_or("the PKCS#12 file holds no key")?;
        Ok(Desk {
            address: self.alder.ports.desk.to_string(),
            name: self.alder.host(),
            trust: Arc::clone(&self.alder_config.trust),
            officer,
            clock: self.clock.clone(),
        })
    }
}

const ALDER_SECRET: &str = r#"["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"]"#;

fn alder_rest(birch: &Nation, mailbox: &Mailbox, rules: &str) -> String {
    let subject = |local: &str, classes: &str, categories: &str, rest: &str| {
        format!(
            r#"
[[subject]]
address = "{local}@alder.example"
clearance = {{ policy = "ALDER", classifications = {classes}, categories = {categories} }}
certificate = "../pki/alder/{local}-encrypt.pem"
{rest}"#
        )
    };
    let cleared = r#"[["Releasable To", "ALDER"], ["Codeword", "BEACON"]]"#;
    let home = r#"[["Releasable To", "ALDER"]]"#;
    let officer = "roles = [\"releasing-officer\"]\n";
    [
        r#"
# The first policy is the domain's own.
[[policy]]
file = "alder.xml"

[[policy]]
file = "birch.xml"
"#
        .to_owned(),
        subject("drafter", ALDER_SECRET, cleared, ""),
        subject("officer", ALDER_SECRET, cleared, officer),
        subject("reader", ALDER_SECRET, cleared, ""),
        subject("clerk", r#"["UNCLASSIFIED", "RESTRICTED"]"#, home, ""),
        subject("postmaster", r#"["UNCLASSIFIED"]"#, home, ""),
        format!(
            r#"
# A reader of the other nation, cleared by agreement, in the words of our own policy.
[[subject]]
address = "reader@birch.example"
clearance = {{ policy = "ALDER", classifications = {ALDER_SECRET}, categories = [["Releasable To", "BIRCH"], ["Codeword", "BEACON"]] }}

[[link]]
name = "mailboxes"
domains = ["alder.example"]
protocol = "lmtp"
address = "{mailbox}"
tls = "never"
clearance = {{ policy = "ALDER", classifications = {ALDER_SECRET}, categories = {cleared} }}

[[link]]
name = "birch"
domains = ["birch.example"]
address = "{relay}"
peer = "{host}"
anchors = ["../pki/birch/ca.pem"]
crls = ["../pki/birch/ca.crl.pem"]
clearance = {{ policy = "ALDER", classifications = {ALDER_SECRET}, categories = [["Releasable To", "BIRCH"], ["Codeword", "BEACON"]] }}
must-carry = [["Releasable To", "BIRCH"]]
policy = "BIRCH"

[link.seal]
profile = "triple-wrap"
cipher = "aes-256-gcm"
certificate = "../pki/birch/border-encrypt.pem"
relay-label = {{ policy = "BIRCH", classification = "LIMITED" }}
"#,
            mailbox = mailbox.address,
            relay = birch.ports.relay,
            host = birch.host(),
        ),
        rules.to_owned(),
    ]
    .concat()
}

fn birch_rest(alder: &Nation, mailbox: &Mailbox) -> String {
    let hidden = r#"["OPEN", "LIMITED", "PROTECTED", "HIDDEN"]"#;
    format!(
        r#"
# The first policy is the domain's own.
[[policy]]
file = "birch.xml"

[[policy]]
file = "alder.xml"

[[subject]]
address = "reader@birch.example"
clearance = {{ policy = "BIRCH", classifications = {hidden}, categories = [["Releasable To", "BIRCH"]] }}
certificate = "../pki/birch/reader-encrypt.pem"

[[subject]]
address = "postmaster@birch.example"
clearance = {{ policy = "BIRCH", classifications = ["OPEN"], categories = [["Releasable To", "BIRCH"]] }}

[[link]]
name = "mailboxes"
domains = ["birch.example"]
protocol = "lmtp"
address = "{mailbox}"
tls = "never"
clearance = {{ policy = "BIRCH", classifications = {hidden}, categories = [["Releasable To", "BIRCH"]] }}

[link.seal]
profile = "enveloped"
cipher = "aes-256-cbc"

[[link]]
name = "alder"
domains = ["alder.example"]
address = "{relay}"
peer = "{host}"
anchors = ["../pki/alder/ca.pem"]
crls = ["../pki/alder/ca.crl.pem"]
clearance = {{ policy = "BIRCH", classifications = {hidden}, categories = [["Releasable To", "ALDER"], ["Releasable To", "BIRCH"]] }}
must-carry = [["Releasable To", "ALDER"]]
policy = "ALDER"
recipients = "any"

[link.arrives]
signed-by = "domain"
release-owed = ["HIDDEN", "SEALED"]

[link.seal]
profile = "triple-wrap"
certificate = "../pki/alder/border-encrypt.pem"
relay-label = {{ policy = "ALDER", classification = "RESTRICTED" }}
"#,
        mailbox = mailbox.address,
        relay = alder.ports.relay,
        host = alder.host(),
    )
}
