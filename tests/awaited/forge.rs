//! Reports made by hand, signed by whoever is to have signed them, and handed in at either switch.

use std::path::Path;
use std::sync::Arc;

use ravelin::cli::demo::{Nation, World};
use ravelin::clock::Timestamp;
use ravelin::config::{Config, LinkProtocol, TlsNeed};
use ravelin::crypto::cms::receipt;
use ravelin::crypto::cms::sign::Signer;
use ravelin::crypto::cms::verify::SignerReport;
use ravelin::crypto::ess;
use ravelin::crypto::keys::Identity;
use ravelin::deliver::{self, NextHop};
use ravelin::label::{self, naming};
use ravelin::message::Precedence;
use ravelin::message::address::{Address, ReversePath};
use ravelin::message::service::Terms;
use ravelin::seal::layers;
use ravelin::smtp::dialogue::Transaction;
use ravelin::store::AwaitedRow;

/// Somebody who signs, and the address in the certificate.
pub struct Author {
    pub address: Address,
    pub sign: Identity,
}

/// What BIRCH labels a report with.
pub struct Forge {
    birch: Vec<u8>,
}

/// Hands a message in where a nation's people submit; the reply to it.
pub async fn hand_in(
    nation: &Nation,
    config: &Config,
    identity: &Identity,
    from: ReversePath,
    to: &Address,
    message: Vec<u8>,
    terms: Terms,
) -> String {
    let (address, host) = (nation.ports.submission.to_string(), nation.host());
    let next_hop = NextHop {
        address: &address,
        protocol: LinkProtocol::Smtp,
        tls: TlsNeed::Required,
        peer: Some(&host),
        trust: &config.trust,
        longest_line: 998,
    };
    hand_over(next_hop, identity, from, to, message, terms).await
}

async fn hand_over(
    next_hop: NextHop<'_>,
    identity: &Identity,
    from: ReversePath,
    to: &Address,
    message: Vec<u8>,
    terms: Terms,
) -> String {
    let transaction = Transaction {
        from,
        recipients: vec![to.clone()],
        bytes: Arc::from(message),
        precedence: Precedence::Immediate,
        terms,
        at: Timestamp::now(),
    };
    let outcomes = deliver::submit(next_hop, identity, "forge", Timestamp::now(), transaction);
    outcomes.await.unwrap()[0].1.reply().to_string()
}

impl Forge {
    pub fn of(world: &World) -> Self {
        let categories = [("Releasable To", "ALDER"), ("Releasable To", "BIRCH")];
        let birch = naming::label(world.birch_config.policy(), "PROTECTED", &categories).unwrap();
        Self {
            birch: label::ess::encode(&birch).unwrap(),
        }
    }

    /// BIRCH's domain signer.
    pub fn border(&self, world: &World) -> Author {
        Author {
            address: Address::parse("domain-signing-authority@birch.example").unwrap(),
            sign: identity(&world.dir, "border-sign"),
        }
    }

    /// A delivery report on what was sent: the entity with all its parts.
    pub fn delivery(&self, row: &AwaitedRow, action: &str) -> String {
        format!(
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b; hp=\"clear\"\r\n\
             \r\n\
             --b\r\n\r\nIt is told.\r\n\
             --b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Original-Envelope-Id: {}\r\n\
             Reporting-MTA: dns; switch.birch.example\r\n\
             \r\n\
             Original-Recipient: {}\r\n\
             Final-Recipient: rfc822; {}\r\n\
             Action: {action}\r\n\
             Status: 2.0.0\r\n\
             --b\r\nContent-Type: text/rfc822-headers\r\n\r\n\
             Message-ID: {}\r\n\
             --b--\r\n",
            row.envelope_id.as_deref().unwrap(),
            row.original_recipient.as_deref().unwrap(),
            row.recipient,
            row.message_id.as_deref().unwrap(),
        )
    }

    /// A read report of the recipient: the entity with all its parts.
    pub fn disposition(&self, row: &AwaitedRow, what: &str) -> String {
        format!(
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=b; hp=\"clear\"\r\n\
             \r\n\
             --b\r\n\r\nIt was read.\r\n\
             --b\r\nContent-Type: message/disposition-notification\r\n\r\n\
             Original-Recipient: {}\r\n\
             Final-Recipient: rfc822; {}\r\n\
             Original-Message-ID: {}\r\n\
             Disposition: manual-action/MDN-sent-manually; {what}\r\n\
             --b--\r\n",
            row.original_recipient.as_deref().unwrap(),
            row.recipient,
            row.message_id.as_deref().unwrap(),
        )
    }

    /// The receipt that the signature `original` asks for, by `author`, for ALDER's drafter.
    pub fn receipt(&self, author: &Author, original: &SignerReport) -> Vec<u8> {
        let signer = Signer::new(&author.sign, vec![ess::security_label(&self.birch)]);
        let cms = receipt::make(original, &signer, Timestamp::now()).unwrap();
        let fields = [
            ("From", author.address.to_string()),
            ("To", drafter().to_string()),
            ("Date", ravelin::clock::rfc5322_date(Timestamp::now())),
            ("Subject", "Receipt".to_owned()),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        layers::receipt(&fields, &cms).unwrap()
    }

    /// Handed in at BIRCH by one of its people, and passed on by its switch.
    pub async fn by_way_of_birch(
        &self,
        world: &World,
        address: &Address,
        sign: &Identity,
        entity: String,
    ) -> String {
        let author = Author {
            address: address.clone(),
            sign: sign.clone(),
        };
        let message = signed(&head(&author.address), &author.sign, &entity, &self.birch);
        self.message_by_way_of_birch(world, &author, message).await
    }

    /// A whole message, handed in at BIRCH by one of its people.
    pub async fn message_by_way_of_birch(
        &self,
        world: &World,
        author: &Author,
        message: Vec<u8>,
    ) -> String {
        let from = ReversePath::Address(author.address.clone());
        let (nation, config) = (&world.birch, &world.birch_config);
        let terms = Terms::default();
        hand_in(
            nation,
            config,
            &author.sign,
            from,
            &drafter(),
            message,
            terms,
        )
        .await
    }

    /// As BIRCH's switch itself would hand it over, but for the envelope.
    pub async fn over_the_border(
        &self,
        world: &World,
        author: &Author,
        entity: String,
        from: ReversePath,
    ) -> String {
        let message = signed(&head(&author.address), &author.sign, &entity, &self.birch);
        self.relay(world, message, from).await
    }

    /// As any mail system reports: without a signature.
    pub async fn unsigned(&self, world: &World, author: &Author, entity: String) -> String {
        let message = format!("{}MIME-Version: 1.0\r\n{entity}", head(&author.address));
        self.relay(world, message.into_bytes(), ReversePath::Null)
            .await
    }

    async fn relay(&self, world: &World, message: Vec<u8>, from: ReversePath) -> String {
        let (address, host) = (world.alder.ports.relay.to_string(), world.alder.host());
        let next_hop = NextHop {
            address: &address,
            protocol: LinkProtocol::Smtp,
            tls: TlsNeed::Required,
            peer: Some(&host),
            trust: &world.alder_config.trust,
            longest_line: 998,
        };
        let tls = identity(&world.dir, "tls");
        hand_over(next_hop, &tls, from, &drafter(), message, Terms::default()).await
    }
}

/// Clear-signed, with the header fields inside and outside.
pub fn signed(head: &str, sign: &Identity, entity: &str, label: &[u8]) -> Vec<u8> {
    let signer = Signer::new(sign, vec![ess::security_label(label)]);
    let part = format!("{head}{entity}");
    let whole = layers::clear_signed(part.as_bytes(), &[signer], Timestamp::now()).unwrap();
    [format!("{head}MIME-Version: 1.0\r\n").as_bytes(), &whole].concat()
}

fn drafter() -> Address {
    Address::parse("drafter@alder.example").unwrap()
}

fn head(from: &Address) -> String {
    format!(
        "From: {from}\r\nTo: drafter@alder.example\r\nSubject: Report\r\n\
         Date: {}\r\nMessage-ID: <report@birch.example>\r\n\
         MMHS-Primary-Precedence: 3\r\n",
        ravelin::clock::rfc5322_date(Timestamp::now())
    )
}

/// A certificate and key of BIRCH.
fn identity(dir: &Path, name: &str) -> Identity {
    let read = |file: String| std::fs::read(dir.join("pki/birch").join(file)).unwrap();
    let certificate = read(format!("{name}.pem"));
    let key = read(format!("{name}.key.pem"));
    Identity::from_pem(&certificate, &key, None).unwrap()
}
