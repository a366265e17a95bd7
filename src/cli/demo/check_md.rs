//! CHECK.md: how anybody checks what the demo left, with other tools.

use std::path::Path;

use super::Trouble;

/// Writes CHECK.md into the demo's folder.
pub fn write(dir: &Path) -> Result<String, Trouble> {
    std::fs::write(dir.join("CHECK.md"), TEXT)?;
    Ok("openssl takes every layer apart".into())
}

const TEXT: &str = r#"# Check it yourself

Run these in this folder, with OpenSSL 3.0 or later. Nothing of Ravelin is needed.
The keys under `pki/` were made for this demo alone.

## What the drafter submitted

    mkdir -p check
    openssl cms -verify -in messages/01-submitted.eml -CAfile pki/alder/ca.pem -out check/submitted.txt

`Verification successful`: the drafter signed `check/submitted.txt`, with protected header fields.
The signed attributes hold the label (`id-smime-aa-securityLabel`), the receipt request and the
signing certificate:

    openssl cms -cmsout -print -noout -in messages/01-submitted.eml | less

## What crossed the border, layer by layer

    # 1. The outer signature, by ALDER's border, with the label that a relay may see.
    openssl cms -verify -binary -in messages/03-border.eml -CAfile pki/alder/ca.pem -out check/envelope.eml
    # 2. The envelope, for BIRCH's domain: ECDH P-384, AES-256 key wrap, AES-256-GCM.
    openssl cms -decrypt -in check/envelope.eml -recip pki/birch/border-encrypt.pem -inkey pki/birch/border-encrypt.key.pem -out check/domain.eml
    # 3. ALDER's domain signature, with BIRCH's equivalent of the label; inside it stand the
    #    protected header fields, MMHS-Authorizing-Users among them.
    openssl cms -verify -binary -in check/domain.eml -CAfile pki/alder/ca.pem -out check/drafter.eml
    grep -a MMHS-Authorizing-Users check/drafter.eml
    # 4. The drafter's own signature.
    openssl cms -verify -in check/drafter.eml -CAfile pki/alder/ca.pem -out check/text.txt
    # The text is octet for octet the one that was submitted.
    cmp check/submitted.txt check/text.txt && echo the same

OpenSSL shows the officer's countersignature and does not verify it (no `openssl cms` does);
`interop/bouncycastle` verifies it with Bouncy Castle:

    openssl cms -cmsout -print -noout -in check/drafter.eml | grep -A 3 countersignature

## What BIRCH's reader got

    openssl cms -decrypt -in messages/04-delivered-birch.eml -recip pki/birch/reader-encrypt.pem -inkey pki/birch/reader-encrypt.key.pem -out check/reader-domain.eml
    openssl cms -verify -binary -in check/reader-domain.eml -CAfile pki/alder/ca.pem -out check/reader-drafter.eml
    openssl cms -verify -in check/reader-drafter.eml -CAfile pki/alder/ca.pem -out check/reader.txt
    cmp check/submitted.txt check/reader.txt && echo the same

## The audit chains

    ravelin audit verify audit/alder.jsonl
    ravelin audit verify audit/birch.jsonl

Each line's `hash` is the SHA-384 of the line without its `hash` member, and `prev` is the hash of
the line before: any tool can do that sum.
"#;
