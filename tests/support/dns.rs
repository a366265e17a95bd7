//! A DNS server on loopback, UDP and TCP: one zone `example.`, signed or not, and below it the
//! unsigned `elm.example.`; it lies where it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hickory_resolver::proto::dnssec::crypto::EcdsaSigningKey;
use hickory_resolver::proto::dnssec::rdata::sig::SigInput;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_resolver::proto::dnssec::{Algorithm, DnssecSigner, PublicKey, SigningKey, TBS};
use hickory_resolver::proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, NS, SOA, TLSA, TXT};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

const TTL: u32 = 60;
const APEX: &str = "example.";
/// The zone below that is not signed.
const UNSIGNED: &str = "elm.example.";
/// What goes over UDP.
const DATAGRAM: usize = 1232;

/// A record: the name, without the dot at its end, and what is said of it.
pub type Entry = (String, RData);

pub fn a(name: &str, address: [u8; 4]) -> Entry {
    (name.into(), RData::A(A(address.into())))
}

pub fn aaaa(name: &str, address: &str) -> Entry {
    (name.into(), RData::AAAA(AAAA(address.parse().unwrap())))
}

pub fn cname(name: &str, target: &str) -> Entry {
    (name.into(), RData::CNAME(CNAME(absolute(target))))
}

pub fn mx(name: &str, preference: u16, host: &str) -> Entry {
    (name.into(), RData::MX(MX::new(preference, absolute(host))))
}

pub fn txt(name: &str, text: &str) -> Entry {
    (name.into(), RData::TXT(TXT::new(vec![text.to_owned()])))
}

/// A TLSA record: usage, selector and matching type, and what is compared.
pub fn tlsa(name: &str, (usage, selector, matching): (u8, u8, u8), octets: Vec<u8>) -> Entry {
    let tlsa = TLSA::new(usage.into(), selector.into(), matching.into(), octets);
    (name.into(), RData::TLSA(tlsa))
}

/// A name (`*` for all), the type that is asked for, and how the server lies then.
pub type Lie = (&'static str, RecordType, How);

/// How the server lies.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The signatures do not verify.
    BadSignature,
    /// It says that there is nothing, in the name of the unsigned zone.
    DeniesAbroad,
    /// SERVFAIL.
    Fails,
    /// The answer, and beside it a record of the unsigned zone.
    SaysMore,
    /// The answer without signatures.
    Strips,
    /// Over UDP the answer is cut.
    Truncates,
}

/// A running server. Dropped, it ends.
pub struct Dns {
    pub address: SocketAddr,
    /// The zone's key as a file of trust anchors.
    pub anchors: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Dns {
    /// Serves these records, signed.
    pub async fn signed(records: Vec<Entry>, lies: &[Lie]) -> Self {
        Self::open(records, lies, true).await
    }

    /// Serves these records, in a world without signatures.
    pub async fn unsigned(records: Vec<Entry>, lies: &[Lie]) -> Self {
        Self::open(records, lies, false).await
    }

    async fn open(records: Vec<Entry>, lies: &[Lie], is_signed: bool) -> Self {
        // A port that is free for both: somebody may have the one of the two that comes second.
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let zone = Arc::new(Zone::new(records, lies, is_signed));
        let anchors = zone.anchors.clone();
        let by_datagram = Arc::clone(&zone);
        let tasks = vec![
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok((read, from)) = udp.recv_from(&mut buffer).await {
                    let answer = by_datagram.answer(&buffer[..read], DATAGRAM);
                    udp.send_to(&answer, from).await.unwrap();
                }
            }),
            tokio::spawn(async move {
                while let Ok((stream, _)) = tcp.accept().await {
                    let zone = Arc::clone(&zone);
                    tokio::spawn(async move { serve(stream, &zone).await });
                }
            }),
        ];
        Self {
            address,
            anchors,
            tasks,
        }
    }
}

// RFC 1035 §4.2.2: two octets of length before each message
async fn serve(mut stream: TcpStream, zone: &Zone) -> Option<()> {
    loop {
        let length = stream.read_u16().await.ok()?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await.ok()?;
        let answer = zone.answer(&question, usize::from(u16::MAX));
        let length = u16::try_from(answer.len()).unwrap();
        stream.write_u16(length).await.ok()?;
        stream.write_all(&answer).await.ok()?;
    }
}

struct Zone {
    records: Vec<Record>,
    lies: Vec<(Option<Name>, RecordType, How)>,
    signer: Option<DnssecSigner>,
    anchors: String,
}

fn absolute(name: &str) -> Name {
    Name::from_ascii(format!("{}.", name.trim_end_matches('.'))).unwrap()
}

impl Zone {
    fn new(records: Vec<Entry>, lies: &[Lie], is_signed: bool) -> Self {
        let algorithm = Algorithm::ECDSAP256SHA256;
        let pkcs8 = EcdsaSigningKey::generate_pkcs8(algorithm).unwrap();
        let key = EcdsaSigningKey::from_pkcs8(&pkcs8, algorithm).unwrap();
        let public = key.to_public_key().unwrap();
        let shown = STANDARD.encode(public.public_bytes());
        let dnskey = DNSKEY::new(true, true, false, public);
        let mut all: Vec<Record> = records
            .into_iter()
            .map(|(name, data)| Record::from_rdata(absolute(&name), TTL, data))
            .collect();
        for apex in [APEX, UNSIGNED] {
            let apex = absolute(apex);
            let ns = absolute("ns.example");
            let soa = SOA::new(ns.clone(), apex.clone(), 1, 60, 60, 60, 60);
            for data in [RData::NS(NS(ns)), RData::SOA(soa)] {
                all.push(Record::from_rdata(apex.clone(), TTL, data));
            }
        }
        if is_signed {
            let data = RData::DNSSEC(DNSSECRData::DNSKEY(dnskey.clone()));
            all.push(Record::from_rdata(absolute(APEX), TTL, data));
        }
        let life = Duration::from_secs(86_400);
        let signer = DnssecSigner::new(dnskey, Box::new(key), absolute(APEX), life);
        Self {
            records: all,
            lies: lies
                .iter()
                .map(|(name, kind, how)| ((*name != "*").then(|| absolute(name)), *kind, *how))
                .collect(),
            signer: is_signed.then_some(signer),
            anchors: format!("{APEX} IN DNSKEY 257 3 13 {shown}\n"),
        }
    }

    fn answer(&self, question: &[u8], most: usize) -> Vec<u8> {
        let question = Message::from_vec(question).unwrap();
        let query = question.queries.first().unwrap().clone();
        let mut answer = Message::response(question.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        if question.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(1232).set_dnssec_ok(true);
            answer.set_edns(edns);
        }
        let lie = self.lie(&query);
        self.fill(&mut answer, &query, lie);
        let octets = answer.to_vec().unwrap();
        let is_datagram = most == DATAGRAM;
        if octets.len() <= most && !(is_datagram && lie == Some(How::Truncates)) {
            return octets;
        }
        answer.metadata.truncation = true;
        answer.answers.clear();
        answer.authorities.clear();
        answer.to_vec().unwrap()
    }

    fn lie(&self, query: &Query) -> Option<How> {
        let is_meant = |name: &Option<Name>| name.as_ref().is_none_or(|name| name == query.name());
        let mut lies = self.lies.iter();
        lies.find(|(name, kind, _)| *kind == query.query_type() && is_meant(name))
            .map(|(_, _, how)| *how)
    }

    fn fill(&self, answer: &mut Message, query: &Query, lie: Option<How>) {
        match lie {
            Some(How::Fails) => {
                answer.metadata.response_code = ResponseCode::ServFail;
                return;
            }
            Some(How::DeniesAbroad) => {
                answer.add_authorities(self.set(&absolute(UNSIGNED), RecordType::SOA, lie));
                return;
            }
            _ => {}
        }
        let mut name = query.name().to_lowercase();
        for _ in 0..16 {
            let own = self.set(&name, query.query_type(), lie);
            if !own.is_empty() {
                answer.add_answers(own);
                if lie == Some(How::SaysMore) {
                    let more = absolute("more.elm.example");
                    let data = RData::A(A([127, 0, 0, 9].into()));
                    answer.add_answers([Record::from_rdata(more, TTL, data)]);
                }
                return;
            }
            let alias = self.set(&name, RecordType::CNAME, lie);
            let Some(RData::CNAME(target)) = alias.first().map(|record| record.data.clone()) else {
                break;
            };
            answer.add_answers(alias);
            name = target.0.to_lowercase();
        }
        let is_there = self.records.iter().any(|record| name.zone_of(&record.name));
        if !is_there {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        self.deny(answer, &name, query.query_type(), lie);
    }

    /// Whether what is said of this name is signed.
    fn is_signed(&self, name: &Name, kind: RecordType) -> bool {
        let unsigned = absolute(UNSIGNED);
        let is_cut = *name == unsigned && [RecordType::DS, RecordType::NSEC].contains(&kind);
        self.signer.is_some() && (is_cut || !unsigned.zone_of(name))
    }

    /// The records of a name with their signature.
    fn set(&self, name: &Name, kind: RecordType, lie: Option<How>) -> Vec<Record> {
        let of_kind = |record: &&Record| record.record_type() == kind;
        let own = self.records.iter().filter(|record| record.name == *name);
        self.with_signature(own.filter(of_kind).cloned().collect(), lie)
    }

    fn with_signature(&self, mut set: Vec<Record>, lie: Option<How>) -> Vec<Record> {
        let Some(first) = set.first() else {
            return set;
        };
        let (name, kind) = (first.name.clone(), first.record_type());
        if let Some(signer) = &self.signer
            && self.is_signed(&name, kind)
            && lie != Some(How::Strips)
        {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = u32::try_from(now.unwrap().as_secs()).unwrap();
            let input = SigInput {
                type_covered: kind,
                algorithm: Algorithm::ECDSAP256SHA256,
                num_labels: name.num_labels(),
                original_ttl: TTL,
                sig_expiration: SerialNumber::new(now + 86_400),
                sig_inception: SerialNumber::new(now - 3_600),
                key_tag: signer.calculate_key_tag().unwrap(),
                signer_name: signer.signer_name().clone(),
            };
            let tbs = TBS::from_input(&name, DNSClass::IN, &input, set.iter()).unwrap();
            let mut signature = signer.sign(&tbs).unwrap();
            if lie == Some(How::BadSignature) {
                *signature.last_mut().unwrap() ^= 1;
            }
            let data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature)));
            set.push(Record::from_rdata(name, TTL, data));
        }
        set
    }

    // RFC 4035 §3.1.3
    fn deny(&self, answer: &mut Message, name: &Name, kind: RecordType, lie: Option<How>) {
        let unsigned = absolute(UNSIGNED);
        if self.signer.is_none() || unsigned.zone_of(name) && !self.is_signed(name, kind) {
            let apex = if unsigned.zone_of(name) {
                UNSIGNED
            } else {
                APEX
            };
            answer.add_authorities(self.set(&absolute(apex), RecordType::SOA, lie));
            return;
        }
        answer.add_authorities(self.set(&absolute(APEX), RecordType::SOA, lie));
        let mut names: Vec<Name> = self
            .records
            .iter()
            .map(|record| record.name.to_lowercase())
            .filter(|name| *name == unsigned || !unsigned.zone_of(name))
            .collect();
        names.sort();
        names.dedup();
        // The name itself, and every wildcard that could stand for it.
        let mut asked = vec![name.clone()];
        let mut above = name.base_name();
        while !above.is_root() {
            asked.push(above.prepend_label("*").unwrap());
            above = above.base_name();
        }
        let mut owners: Vec<usize> = asked
            .iter()
            .map(|name| {
                names
                    .iter()
                    .rposition(|owner| owner <= name)
                    .unwrap_or(names.len() - 1)
            })
            .collect();
        owners.sort_unstable();
        owners.dedup();
        for at in owners {
            let owner = &names[at];
            let next = names.get(at + 1).unwrap_or(&names[0]);
            let kinds = self.records.iter().filter(|record| record.name == *owner);
            // At a cut the zone above has nothing but the delegation.
            let kinds = kinds
                .map(Record::record_type)
                .filter(|kind| *owner != unsigned || *kind == RecordType::NS);
            let nsec = NSEC::new_cover_self(next.clone(), kinds);
            let data = RData::DNSSEC(DNSSECRData::NSEC(nsec));
            let record = Record::from_rdata(owner.clone(), TTL, data);
            answer.add_authorities(self.with_signature(vec![record], lie));
        }
    }
}
